"""What a case is: data that the host reads, and the exceptions that `observe` may end with.

Contract: the standard library only. A case file defines `CASE = Case(...)` and
`observe(lab, **params)`; the host reads the first, the guest runs the second.
"""

import itertools
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

Params = Dict[str, Any]
Observation = Dict[str, Any]
Expected = Union[Observation, Callable[..., Observation]]


class Unsupported(Exception):
    """The kernel or the caller lacks what the case needs; the message says what."""


class Broken(Exception):
    """The case could not be set up as it should: says nothing about the claim."""


class Rule(NamedTuple):
    """One expectation with its condition; in a sequence of rules the first that matches wins.

    observation: what is right, or a function of the parameters that returns it.
    since: the first mainline release that behaves so (None: no lower bound).
    backports: the first release of each stable series that took the change.
    cites: the commit or page that says so.
    """

    observation: Expected
    since: Optional[str] = None
    backports: Sequence[str] = ()
    cites: str = ""


class Case(NamedTuple):
    """One behaviour.

    claim: the sentence that somebody relies on.
    cites: where it is stated (a manual page and its section, a commit and its release).
    expect: an observation, a function of the parameters that returns one, or rules for releases.
    params: values for each parameter; their product is run. Values are JSON scalars.
    where: which combinations are meant (None: all of them).
    needs: what must be there, as `root`, `alone`, `userns`, `fs:NAME`, `syscall:NAME`; or a function
        of the parameters that returns such names.
    options: configuration options of the kernel that shape the answer; they are recorded.
    documented: what the manual says where kernels do otherwise.
    deadline: seconds that one run may take, under emulation too.
    dirties_kernel: whether a run leaves something behind that outlives its namespaces; it gets a kernel to itself, and
        needs `alone`.
    shown_with: values of parameters with which a citation shows the claim, where its words do not tell.
    survivors: why nobody can notice that a call is not made, or its result flipped (`ksem run --mutate`), by a pattern of the
        call: {'drop umask(*': "..."}.
    """

    claim: str
    cites: Tuple[str, ...]
    expect: Union[Expected, Tuple[Rule, ...]]
    params: Mapping[str, Sequence[Any]] = {}
    where: Optional[Callable[..., bool]] = None
    needs: Union[Tuple[str, ...], Callable[..., Tuple[str, ...]]] = ()
    options: Tuple[str, ...] = ()
    documented: str = ""
    deadline: float = 10.0
    dirties_kernel: bool = False
    shown_with: Mapping[str, Any] = {}
    survivors: Mapping[str, str] = {}


def combinations(case: Case) -> List[Params]:
    """Every parameter set of a case, in the order in which its values are written."""
    names = list(case.params)
    product = itertools.product(*(case.params[name] for name in names))
    sets = [dict(zip(names, values)) for values in product]
    return [params for params in sets if case.where is None or case.where(**params)]


def needs_of(case: Case, params: Params) -> Tuple[str, ...]:
    """What one parameter set of a case needs."""
    return tuple(case.needs(**params)) if callable(case.needs) else tuple(case.needs)


def rules_of(case: Case) -> Tuple[Rule, ...]:
    """The expectation as rules: a plain observation or function is one rule for every release."""
    if isinstance(case.expect, tuple):
        return case.expect
    return (Rule(case.expect),)


def expected_by(rule: Rule, params: Mapping[str, Any]) -> Observation:
    """What a rule expects of one parameter set."""
    return rule.observation(**params) if callable(rule.observation) else rule.observation

"""Which parameter sets of a case are meant, and which values there are to be found in them.

Contract: pure; `model`, `catalog` and the case's data. What does not exist is a KsemError that names the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ksem.catalog import Behaviour, nearest
from ksem.guest.case import Params, combinations, expected_by, rules_of
from ksem.matrix import leaves
from ksem.model import Cell, KsemError


def parsed(texts: Iterable[str]) -> dict[str, list[str]]:
    """`NAME=VALUE` as a user gives it, any number of times: values of one name are alternatives. Raises KsemError."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise KsemError(f"{text!r} selects nothing: it should look like caller=root")
        found.setdefault(name, []).append(value)
    return found


def parameter_sets(behaviour: Behaviour, wanted: Mapping[str, Sequence[Any]]) -> list[Params]:
    """The parameter sets of a case that have one of the wanted values for each name. Raises KsemError when there is none."""
    case = behaviour.case
    for name, values in wanted.items():
        if name not in case.params:
            there = f": it has {', '.join(case.params)}" if case.params else ": it has none"
            raise KsemError(f"{behaviour.name} has no parameter {name!r}{nearest(name, case.params)}{there}")
        known = [spelled(value) for value in case.params[name]]
        for value in map(spelled, values):
            if value not in known:
                raise KsemError(f"{behaviour.name} has no {name}={value}{nearest(value, known)}: there are {'; '.join(known)}")
    found = matching(behaviour, wanted)
    if not found:
        together = " ".join(f"{name}={'|'.join(map(spelled, values))}" for name, values in wanted.items())
        raise KsemError(f"{behaviour.name} has no parameter set with {together} together")
    return found


def matching(behaviour: Behaviour, wanted: Mapping[str, Sequence[Any]]) -> list[Params]:
    """The parameter sets that have one of the wanted values for each name: none, where a case does not know a name or value."""
    texts = {name: set(map(spelled, values)) for name, values in wanted.items()}
    return [params for params in combinations(behaviour.case)
            if all(name in params and spelled(params[name]) in values for name, values in texts.items())]


def spelled(value: Any) -> str:
    """A parameter's value as a user writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def known_values(behaviour: Behaviour, params: Params, cells: Iterable[Cell] = ()) -> dict[str, set[str]]:
    """What a parameter set's leaves are expected to be on any release, or were: {path: texts}.

    cells: of this case; those of other parameter sets are passed over.
    """
    observations: list[Mapping[str, Any]] = [expected_by(rule, params) for rule in rules_of(behaviour.case)]
    observations += [cell.observation for cell in cells
                     if cell.observation is not None and cell.case == behaviour.name and dict(cell.params) == params]
    found: dict[str, set[str]] = {}
    for observation in observations:
        for path, text in leaves(observation).items():
            found.setdefault(path, set()).add(text)
    return found


def check_path(behaviour: Behaviour, path: str, known: Iterable[Mapping[str, set[str]]]) -> None:
    """Raise KsemError for a leaf that no parameter set has. known: of each set, as `known_values` gives them."""
    paths = sorted({there for one in known for there in one})
    if path not in paths:
        raise KsemError(f"{behaviour.name} observes no {path!r}{nearest(path, paths)}: there are {_some(paths)}")


def _some(texts: Sequence[str], room: int = 8) -> str:
    rest = len(texts) - room
    return "; ".join(texts[:room]) + (f"; and {rest} more" if rest > 0 else "")

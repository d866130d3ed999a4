"""What there is to run: the cases below cases/ and the columns of vms/catalog.toml, loaded and checked.

Contract: `model`, `ksem.guest.case`, `filesystems`, `kernels`, `backends` (their names, and which sources are files). Whatever
is wrong with an entry is a KsemError that names the file. Paths in an entry are the project's, wherever the command is run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import inspect
import json
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ksem import backends, compiled, kernels
from ksem.filesystems import FILESYSTEMS
from ksem.guest.case import Case, Params, Rule, combinations, expected_by, needs_of, rules_of
from ksem.guest.syscalls import SIGNATURES
from ksem.kernels import image
from ksem.model import Column, KsemError, release_key

NEEDS = ("root", "alone", "userns", "fs", "syscall")
# Of the standard library, what tells of the machine, or acts on it; as functions name their modules.
OUTSIDE = frozenset((
    "os", "posix", "posixpath", "io", "_io", "pathlib", "glob", "shutil", "tempfile", "time", "datetime", "select",
    "signal", "socket", "_socket", "subprocess", "multiprocessing", "threading", "platform", "sys", "pwd", "grp",
    "resource", "fcntl", "mmap", "ctypes"))
# How alike two names are of which one may be the other misspelled: as `r` and `ro`.
LIKE = 0.65
# Of names that are longer, none is looked for: how alike two are takes as long as their product.
LONG = 100
# Seconds that a case may take, and how many parameter sets it may have: what is beyond is a slip.
LONGEST, SETS = 3600, 10_000
_ENCODE = json.JSONEncoder(allow_nan=False).encode
KEYS = {"backend", "kernel", "modules", "machine", "default"}


@dataclass(frozen=True)
class Behaviour:
    """One case file: its name (`bind_flags.inherited`), its text for the guest, its data and its prose."""

    name: str
    path: Path
    text: str
    case: Case
    prose: str

    @property
    def area(self) -> str:
        """The folder it lies in."""
        return self.name.rpartition(".")[0]

    @property
    def modules(self) -> frozenset[str]:
        """The kernel modules that its filesystems may come as."""
        needs = {need for params in combinations(self.case) for need in needs_of(self.case, params)}
        return frozenset(need.partition(":")[2] for need in needs if need.startswith("fs:"))


def named(behaviours: Iterable[Behaviour], name: str) -> Behaviour:
    """The case of that name. Raises KsemError, with the nearest name, or for an area with its cases."""
    known = {one.name: one for one in behaviours}
    inside = [other for other in known if other.startswith(f"{name}.")]
    if inside and name not in known:
        raise KsemError(f"{name!r} is an area, not a case: it has {', '.join(inside)}")
    if name not in known:
        raise KsemError(f"there is no case {name!r}{nearest(name, known)}: `ksem cases` lists the cases")
    return known[name]


def project(start: Path) -> Path:
    """The directory that holds cases/: this one or one above it."""
    for directory in (start, *start.parents):
        if (directory / "cases").is_dir():
            return directory
    raise KsemError(f"{start} holds no cases/ and lies in no project that does: change to one")


def behaviours(root: Path) -> list[Behaviour]:
    """Every case of a project, by name. Raises KsemError for the first that is wrong."""
    found = [behaviour(path, root / "cases") for path in _files(root)]
    compiled.of(root / "cases").keep((one.path, one.text) for one in found)
    return found


def readable(root: Path) -> tuple[list[Behaviour], dict[str, KsemError]]:
    """The cases of a project that can be used, and by name what is wrong with the others."""
    found, wrong = [], {}
    for path in _files(root):
        try:
            found.append(behaviour(path, root / "cases"))
        except KsemError as problem:
            wrong[_name(path, root / "cases")] = problem
    return found, wrong


def _files(root: Path) -> list[Path]:
    return sorted(path for path in (root / "cases").rglob("*.py") if not path.name.startswith("_"))


def _name(path: Path, cases: Path) -> str:
    return ".".join(path.relative_to(cases).with_suffix("").parts)


def behaviour(path: Path, cases: Path) -> Behaviour:
    """One case file, checked. Raises KsemError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KsemError(f"{path}: cannot be read: {error}") from None
    return _behaviour(cases, path, text)


@functools.lru_cache(maxsize=4096)
def _behaviour(cases: Path, path: Path, text: str) -> Behaviour:
    # Remembered, as pytest asks for a file at a time and others for all; an edited file has another text.
    name = _name(path, cases)
    module = types.ModuleType(f"cases.{name}")
    module.__file__ = str(path)
    try:
        # From the text that the guest gets too.
        exec(compiled.of(cases).code(path, text), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # SystemExit too: a file that ends Python ended every command, and said nothing.
        raise KsemError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from None
    found = getattr(module, "CASE", None)
    if not isinstance(found, Case):
        raise KsemError(f"{path}: has no CASE = Case(...)")
    if not callable(getattr(module, "observe", None)):
        raise KsemError(f"{path}: has no function observe(lab, ...)")
    if not compiled.of(cases).is_checked(path, text):
        _check(found, path)
        _check_call(module.observe, found, path)
        _check_names(vars(module), path)
    return Behaviour(name, path, text, found, str(module.__doc__ or "").strip())


def _check_call(observe: Callable[..., Any], case: Case, path: Path) -> None:
    """That it can be called with what it will be called with; of what has no signature nobody can tell."""
    with contextlib.suppress(ValueError):
        signature = inspect.signature(observe)
        try:
            signature.bind(None, **combinations(case)[0])
        except TypeError:
            given = ", ".join(case.params) or "lab alone"
            raise KsemError(f"{path}: observe{signature} cannot be called with {given}: lab, then what params has") from None


def _check_names(names: dict[str, Any], path: Path) -> None:
    """Nothing by which a case would ask the machine that it runs on: that need not have the kernel under test."""
    for name, value in names.items():
        origin = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if isinstance(origin, str) and origin.partition(".")[0] in OUTSIDE:
            raise KsemError(f"{path}: {name} asks the machine that observe runs on, which is not always the one with the "
                            "kernel under test: use what lab has")


def _check(case: Case, path: Path) -> None:
    """What every case must have, so that nothing runs for minutes before it fails."""
    if not case.claim or not isinstance(case.claim, str) or not case.cites or not _is_texts(case.cites):
        raise KsemError(f"{path}: a case needs a claim and at least one source in cites, a tuple")
    if not _is_texts(case.options) or not isinstance(case.documented, str):
        raise KsemError(f"{path}: options must be a tuple of texts, and documented a text")
    if isinstance(case.deadline, bool) or not isinstance(case.deadline, int | float) or not 0 < case.deadline <= LONGEST:
        raise KsemError(f"{path}: deadline must be a number of seconds above 0, {LONGEST} at most")
    try:
        if math.prod(len(values) for values in case.params.values()) > SETS:
            raise KsemError(f"more than {SETS} parameter sets: params is too much")
        for name, values in case.params.items():
            # A text is a sequence too: of its letters, which nobody means.
            if isinstance(values, str | set) or not values or not all(isinstance(value, str | int | bool) for value in values):
                raise KsemError(f"{path}: the values of {name} must be texts, numbers or booleans, and at least one")
            if twice := [value for number, value in enumerate(values) if value in values[:number]]:
                raise KsemError(f"{path}: the values of {name} have {twice[0]!r} twice")
        if not combinations(case):
            raise KsemError(f"{path}: where= leaves no parameter set over")
        if not any(case.shown_with.items() <= params.items() for params in combinations(case)):
            raise KsemError(f"{path}: shown_with= is in no parameter set")
        if not all(isinstance(rule, Rule) and isinstance(rule.cites, str) and _is_texts(tuple(rule.backports))
                   and not isinstance(rule.backports, str) for rule in rules_of(case)):
            raise KsemError("a rule must be a Rule, with texts in cites and backports")
        for pattern, why in case.survivors.items():
            if pattern.partition(" ")[0] not in ("drop", "flip") or not why:
                raise KsemError(f"{path}: survivors= is why, by `drop CALL` or `flip CALL`, not {pattern!r}: {why!r}")
        for params in combinations(case):
            if case.dirties_kernel and "alone" not in needs_of(case, params):
                raise KsemError(f"{path}: what dirties its kernel needs one that is ksem's own: needs=(\"alone\", ...)")
            for need in needs_of(case, params):
                kind, _, name = need.partition(":")
                if kind not in NEEDS:
                    hint = ", and needs is a tuple" if len(need) == 1 else ""
                    raise KsemError(f"{path}: unknown need {need!r}: {', '.join(NEEDS)} are known{hint}")
                _check_need(kind, name)
            _check_rules(case, params)
    except KsemError as problem:
        raise KsemError(str(problem) if str(path) in str(problem) else f"{path}: {problem}") from None
    except Exception as error:
        raise KsemError(f"{path}: its data cannot be computed: {type(error).__name__}: {error}") from None


def _check_need(kind: str, name: str) -> None:
    """Raise KsemError for a name that no kernel has: what needs it would be unsupported everywhere, and seem to be right."""
    for one, word, known, where in (("syscall", "system call", SIGNATURES, "ksem/guest/syscalls.py"),
                                    ("fs", "filesystem", FILESYSTEMS, "ksem/filesystems.py")):
        if kind == one and name not in known:
            raise KsemError(f"unknown {word} {name!r}{nearest(name, known)}: {where} lists those that there are")


def _is_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)


def _check_rules(case: Case, params: Params) -> None:
    rules = rules_of(case)
    if rules[-1].since is not None:
        raise KsemError("the last of its rules must hold for every release (no since)")
    for rule in rules:
        for release in [rule.since, *rule.backports]:
            if release is not None:
                release_key(release)
        expected = expected_by(rule, params)
        if not isinstance(expected, dict):
            raise KsemError("an expectation must be a dict")
        # What JSON cannot say, no observation is.
        _ENCODE(expected)


def entries(root: Path) -> list[Column]:
    """The columns that a project's vms/catalog.toml names, in its order; without that file none."""
    path = root / "vms" / "catalog.toml"
    try:
        tables = toml(path)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise KsemError(f"{path}: {error}") from None
    return [_entry(name, table, path) for name, table in tables.items()]


def toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises OSError, UnicodeDecodeError, and ValueError for whatever else tomllib raises."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        # Arrays in arrays in arrays. A number of thousands of digits is a ValueError, though not a TOMLDecodeError.
        raise ValueError(str(error)) from None


def _entry(name: str, table: Any, path: Path) -> Column:
    if not isinstance(table, dict):
        raise KsemError(f"{path}: {name} must be a table: [{name}]")
    if not name or name.startswith("-"):
        raise KsemError(f"{path}: a column needs a name that can be asked for, and the name {name!r} cannot")
    for key in ("backend", "kernel"):
        if not isinstance(table.get(key), str):
            inner = next((f"{name}.{word}" for word, value in table.items() if isinstance(value, dict)), "")
            hint = f": quote a name that has a dot: [\"{inner}\"]" if inner else ""
            raise KsemError(f"{path}: [{name}] lacks {key} = \"...\"{hint}")
    for key in sorted(table.keys() - KEYS):
        raise KsemError(f"{path}: [{name}] has the unknown key {key!r}{nearest(key, KEYS)}")
    if table["backend"] not in backends.names():
        raise KsemError(f"{path}: [{name}] has the unknown backend {table['backend']!r}: "
                        f"{', '.join(backends.names())} are known")
    if table["kernel"].partition(":")[0] not in kernels.names():
        raise KsemError(f"{path}: [{name}] has the unknown kernel source {table['kernel']!r}: "
                        f"{', '.join(kernels.names())} are known")
    if not isinstance(table.get("modules", ""), str):
        raise KsemError(f"{path}: [{name}] has modules that are no text: modules = \"DIR\"")
    if not isinstance(table.get("machine", ""), str):
        raise KsemError(f"{path}: [{name}] has a machine that is no text: machine = \"NAME\"")
    if not isinstance(table.get("default", True), bool):
        raise KsemError(f"{path}: [{name}] has default = {table['default']!r}: true or false")
    if "modules" in table and not table["kernel"].startswith(image.PREFIX):
        raise KsemError(f"{path}: [{name}] has modules, which only kernel = \"image:PATH\" takes: leave them out")
    root = path.parents[1]
    modules = root / table["modules"] if "modules" in table else None
    return Column(name, table["backend"], _placed(table["kernel"], root), modules, machine=table.get("machine", ""),
                  default=table.get("default", True))


def _placed(source: str, root: Path) -> str:
    """What an entry's kernel comes from, with the whole path where that is a file."""
    path = source.removeprefix(image.PREFIX)
    return source if path == source else f"{image.PREFIX}{root / path}"


def columns(root: Path, names: Iterable[str], modules: Path | None = None, deadline: float | None = None,
            keep: bool = False, cold: bool = False) -> list[Column]:
    """The columns of these names, each once, as a run wants them; what is None stays as the catalogue has it.

    Raises KsemError for a name that there is not, and for modules that no kernel of them would take.
    """
    known = entries(root)
    found = [column(name, known) for name in dict.fromkeys(names)]
    if modules is not None and not any(one.source.startswith(image.PREFIX) for one in found):
        raise KsemError("--modules is for the kernel of an image:PATH column, and none of these columns is one: leave it out")
    return [dataclasses.replace(one, modules=modules or one.modules, deadline=deadline or one.deadline, keep=keep,
                                cold=cold, vms=root / "vms") for one in found]


def column(name: str, known: Iterable[Column]) -> Column:
    """The column of that name: an entry of the catalogue, or what a kernel source makes of it."""
    listed = {entry.name: entry for entry in known}
    sources = (kernels.source(source).column(name) for source in kernels.names())
    found = listed.get(name) or next((made for made in sources if made is not None), None)
    if found is None:
        raise KsemError(f"unknown column {name!r}{nearest(name, [*listed, 'local'])}: `ksem kernels` lists the columns")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """For a message about a name that does not exist: ` (did you mean X?)`, or nothing where no other comes close.

    A misspelled one comes close, and the only one of which it is a part: `recipe` of readonly_root.recipe.
    """
    known = list(known) if len(name) <= LONG else []
    near = max(known, key=lambda other: _likeness(name, other), default="")
    whole = [other for other in known if _is_part(name, other)]
    if near and _likeness(name, near) >= LIKE:
        return f" (did you mean {near}?)"
    return f" (did you mean {whole[0]}?)" if len(whole) == 1 else ""


def _likeness(name: str, other: str) -> float:
    """How alike two names are where they differ, from 0 to 1: that both are of one area says nothing."""
    if name.lower() == other.lower():
        return 1
    one, two = _pieces(name), _pieces(other)
    # Another number is another thing, not a slip: 6.13 is not 6.1.
    if [piece for piece in one if piece.isdecimal()] != [piece for piece in two if piece.isdecimal()]:
        return 0
    while one and two and one[0] == two[0]:
        one, two = one[1:], two[1:]
    while one and two and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    return difflib.SequenceMatcher(None, " ".join(one), " ".join(two)).ratio()


def _is_part(name: str, other: str) -> bool:
    rest = iter(_pieces(other))
    return bool(name) and all(piece in rest for piece in _pieces(name))


def _pieces(name: str) -> list[str]:
    """Words and numbers: `debian`, `6`, `12`."""
    return re.findall(r"[^\W\d_]+|\d+", name.lower())

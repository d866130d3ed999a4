"""What a piece of software relies on: designs/*.toml, loaded and checked against the cases that there are.

Contract: `model`, `catalog`, `selection` and the standard library. Whatever is wrong with a design is a KsemError that names
the file, the claim and, for a name that does not exist, the nearest one: what is misspelled must not look like what holds.

A design is a title, prose (`about`), and a list of claims:

    [[claim]]
    case = "readonly_root.recipe"
    params = {caller = "an ordinary user's sandbox"}     # one value or a list for each; without it all parameter sets
    observation = {"changes.etc.create" = "EROFS"}       # leaf (ksem.matrix.leaves) = what it must be: a list is a choice
    reason = "the store is not to be written by a builder"
    need = "required"                                    # or "wanted"
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ksem.catalog import Behaviour, named, nearest, toml
from ksem.guest.case import Params
from ksem.model import Cell, Evidence, KsemError
from ksem.selection import check_path, known_values, parameter_sets

KEYS = ("title", "about", "claim")
CLAIM_KEYS = ("case", "params", "observation", "reason", "need")
NEEDS = ("required", "wanted")


@dataclass(frozen=True)
class Reliance:
    """One claim that a design relies on.

    sets: the parameter sets in which it does. observation: for each leaf the texts of which one must be seen.
    """

    behaviour: Behaviour
    sets: tuple[Params, ...]
    observation: Mapping[str, tuple[str, ...]]
    reason: str
    required: bool


@dataclass(frozen=True)
class Design:
    """A named list of what one piece of software relies on."""

    name: str
    title: str
    about: str
    reliances: tuple[Reliance, ...]


def names(root: Path) -> list[str]:
    """The designs of a project."""
    return sorted(path.stem for path in (root / "designs").glob("*.toml"))


def find(root: Path, name: str) -> Path:
    """The file of a design, by its name in designs/ or by its path. Raises KsemError, with the nearest name."""
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    if name not in names(root):
        there = ", ".join(names(root)) or "none yet"
        raise KsemError(f"there is no design {name!r}{nearest(name, names(root))}: designs/ has {there}")
    return root / "designs" / f"{name}.toml"


def read(path: Path, behaviours: Iterable[Behaviour], evidence: Iterable[Evidence] = ()) -> Design:
    """A design, checked. Raises KsemError.

    evidence: where values that no expectation knows may come from.
    """
    data = _data(path)
    behaviours = list(behaviours)
    cells: dict[str, list[Cell]] = {}
    for column in evidence:
        for cell in column.cells:
            cells.setdefault(cell.case, []).append(cell)
    _check_keys(data, KEYS, str(path))
    claims = data.get("claim")
    if not isinstance(claims, list) or not claims:
        raise KsemError(f"{path}: a design names at least one claim: [[claim]]")
    for key in ("title", "about"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise KsemError(f"{path}: lacks {key} = \"...\"")
    reliances = []
    for number, table in enumerate(claims, 1):
        case = table.get("case") if isinstance(table, dict) else None
        where = f"{path}: claim {number}" + (f" ({case})" if isinstance(case, str) else "")
        try:
            reliances.append(_reliance(table, behaviours, cells))
        except KsemError as problem:
            raise KsemError(f"{where}: {problem}") from None
    return Design(path.stem, data["title"].strip(), " ".join(data["about"].split()), tuple(reliances))


def cases(path: Path) -> set[str]:
    """The names that a design has for cases, right or wrong. Raises KsemError for a file that cannot be read."""
    claims = _data(path).get("claim")
    names = (table.get("case") for table in claims if isinstance(table, dict)) if isinstance(claims, list) else ()
    return {name for name in names if isinstance(name, str)}


def _data(path: Path) -> dict[str, Any]:
    try:
        return toml(path)
    except UnicodeDecodeError:
        raise KsemError(f"{path} is not UTF-8") from None
    except (OSError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        raise KsemError(f"{path}: {text}") from None


def _reliance(table: Any, behaviours: list[Behaviour], cells: Mapping[str, list[Cell]]) -> Reliance:
    if not isinstance(table, dict):
        raise KsemError("is no table: [[claim]]")
    _check_keys(table, CLAIM_KEYS)
    for key in ("case", "reason"):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise KsemError(f"lacks {key} = \"...\"")
    need = table.get("need", "required")
    if need not in NEEDS:
        raise KsemError(f"has need = {need!r}{nearest(str(need), NEEDS)}: {' or '.join(NEEDS)}")
    for key in ("params", "observation"):
        if not isinstance(table.get(key, {}), dict):
            raise KsemError(f"has {key} that is no table: {key} = {{\"...\" = \"...\"}}")
    if not table.get("observation"):
        raise KsemError("lacks observation = {\"...\" = \"...\"}: the value that the design relies on")
    for key in ("params", "observation"):
        for name, value in table.get(key, {}).items():
            if value == []:
                raise KsemError(f"has {key} in which {name!r} may be nothing at all: name at least one value")
            if not all(isinstance(one, str | int | float) for one in (value if isinstance(value, list) else [value])):
                raise KsemError(f"has {key} in which {name!r} is neither text, number nor boolean, nor a list of such")
    behaviour = named(behaviours, table["case"])
    wanted = {name: value if isinstance(value, list) else [value] for name, value in table.get("params", {}).items()}
    sets = parameter_sets(behaviour, wanted)
    observation = {path: _texts(value) for path, value in table["observation"].items()}
    known = [known_values(behaviour, params, cells.get(behaviour.name, ())) for params in sets]
    for path, texts in observation.items():
        check_path(behaviour, path, known)
        for params, values in zip(sets, known, strict=True):
            _check_values(path, texts, values, params)
    return Reliance(behaviour, tuple(sets), observation, " ".join(table["reason"].split()), need == "required")


def _check_values(path: str, texts: Iterable[str], values: Mapping[str, set[str]], params: Params) -> None:
    """Each text must be one that the leaf is expected to be on some release, or was."""
    if path not in values:
        raise KsemError(f"with {_spelled(params)} there is no {path!r}: choose the parameter sets that have it with params")
    for text in texts:
        if text not in values[path]:
            there = "; ".join(sorted(values[path]))
            raise KsemError(f"{path!r} is never {text!r}{nearest(text, values[path])}: with {_spelled(params)} it is {there}")


def _texts(value: Any) -> tuple[str, ...]:
    """The values that will do. Numbers and booleans as `leaves` spells them."""
    return tuple(one if isinstance(one, str) else json.dumps(one) for one in (value if isinstance(value, list) else [value]))


def _spelled(params: Params) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items()) or "its one parameter set"


def _check_keys(table: Mapping[str, Any], keys: tuple[str, ...], where: str = "") -> None:
    for key in table:
        if key not in keys:
            text = f"unknown key {key!r}{nearest(key, keys)}: {', '.join(keys)} are known"
            raise KsemError(f"{where}: {text}" if where else text)

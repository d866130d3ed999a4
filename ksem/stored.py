"""What all files of evidence have in common: they say their schema, and one that cannot be read is set aside, not overwritten.

Contract: the standard library, `model`, `ksem.guest.wire` (for JSON that is sound).

Schema 1: the first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ksem.guest.wire import loads
from ksem.model import KsemError

SCHEMA = 1


class Unreadable(KsemError):
    """A results file of a future schema, cut short, or of another kind."""


def load(path: Path) -> Any:
    """What such a file holds. Raises Unreadable."""
    try:
        data = loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValueError:
        raise Unreadable(f"{path} is cut short or no JSON: restore it from version control or move it away") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise Unreadable(f"{path} has schema {schema}, this ksem reads up to {SCHEMA}: use a newer ksem")
    if schema != SCHEMA:
        raise Unreadable(f"{path} is no results file of ksem: move it away")
    return data


def set_aside(path: Path) -> Path:
    """Call it otherwise, as nothing else is called."""
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    os.rename(path, aside)
    return aside

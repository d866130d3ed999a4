"""What a matrix is turned into. A module of this package is a format; its name is what `--format` calls it.

Contract of such a module: a function `render(matrix: Matrix) -> str`, pure, whose text ends with a newline. tabulate is
known here only.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import traceback
from collections.abc import Callable
from pathlib import Path

from ksem.matrix import Matrix
from ksem.model import KsemError


def names() -> list[str]:
    """The formats that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def renderer(name: str) -> Callable[[Matrix], str]:
    """The function that renders a format, which must be one of `names()`. Raises KsemError for a module that has none."""
    try:
        render: Callable[[Matrix], str] | None = getattr(importlib.import_module(f"{__name__}.{name}"), "render", None)
    except (ImportError, SyntaxError) as error:
        raise KsemError(f"the format {name!r} cannot be imported: {type(error).__name__}: {error}") from None
    if not callable(render):
        raise KsemError(f"the format {name!r} is no renderer: its module {__name__}.{name} lacks render(matrix)")
    return functools.partial(_rendered, name, render)


def _rendered(name: str, render: Callable[[Matrix], object], matrix: Matrix) -> str:
    """What a format makes of a matrix. Raises KsemError for a format that fails at it: formats are anybody's to add."""
    try:
        text = render(matrix)
    except KsemError:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise KsemError(f"the format {name!r} failed at {Path(where.filename).name}:{where.lineno}: "
                        f"{type(error).__name__}: {error}") from error
    if not isinstance(text, str):
        raise KsemError(f"the format {name!r} gave no text: render(matrix) returned {type(text).__name__}")
    return text

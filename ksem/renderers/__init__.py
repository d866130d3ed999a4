"""What a matrix is turned into. A module of this package is a format; its name is what `--format` calls it.

Contract of such a module: a function `render(matrix: Matrix) -> str`, pure, whose text ends with a newline. tabulate is
known here only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from ksem.matrix import Matrix


def names() -> list[str]:
    """The formats that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def renderer(name: str) -> Callable[[Matrix], str]:
    """The function that renders a format, which must be one of `names()`."""
    render: Callable[[Matrix], str] = importlib.import_module(f"{__name__}.{name}").render
    return render

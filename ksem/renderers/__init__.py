"""What a matrix is turned into. A module of this package is a format; its name is what `--format` calls it.

Contract of such a module: a function `render(matrix: Matrix) -> str`, pure, whose text ends with a newline. tabulate is
known here only.
"""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Callable

from ksem.matrix import Matrix
from ksem.model import KsemError


def names() -> list[str]:
    """The formats that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def renderer(name: str) -> Callable[[Matrix], str]:
    """The function that renders a format, which must be one of `names()`. Raises KsemError for a module that has none.

    The function raises KsemError, with the module, where that one's raises anything else or gives no text.
    """
    module = f"{__name__}.{name}"
    try:
        render: Callable[[Matrix], object] | None = getattr(importlib.import_module(module), "render", None)
    except Exception as error:
        raise KsemError(f"the format {name!r} cannot be imported: {_told(error)}") from None
    if not callable(render):
        raise KsemError(f"the format {name!r} is no renderer: its module {module} lacks render(matrix)")

    def checked(matrix: Matrix) -> str:
        try:
            text = render(matrix)
        except KsemError:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise KsemError(f"the format {name!r} cannot be rendered: {module} raised {_told(error)}"
                            f" ({last.filename}, line {last.lineno})") from None
        if not isinstance(text, str):
            raise KsemError(f"the format {name!r} is no renderer: render(matrix) of {module} returned no text,"
                            f" but {type(text).__name__}")
        return text

    return checked


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())

"""The matrix as one HTML file: everything in it, nothing fetched, no framework.

Contract: `matrix`, `content`, jinja2. Data travels as JSON that no markup can leave, and is put into the document as text
only; a content security policy lets nothing run but the script beside this file, should either fail.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources

import jinja2
from markupsafe import Markup

from ksem import __version__
from ksem.matrix import Matrix
from ksem.renderers.html import content

# In this order they are one script.
SCRIPTS = ("page.js", "grid.js", "evidence.js", "cite.js", "start.js")


def render(matrix: Matrix) -> str:
    """One page; the same matrix gives the same bytes."""
    built, matrix = matrix, content.by_environment(matrix)
    script, style = "".join(map(_file, SCRIPTS)), _file("page.css")
    return _template().render(
        script=Markup(script), style=Markup(style), script_hash=_source(script), style_hash=_source(style),
        version=__version__, overview=content.overview(matrix), evidence=content.packed(matrix, built)) + "\n"


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.from_string(_file("page.html"))


def _file(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> Markup:
    """What a content security policy calls this text."""
    return Markup(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")

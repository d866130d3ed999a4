"""Where documentation and kernels disagree: each claim with what is documented, what kernels do, and the calls that show it.

Contract: pure; `model`, `matrix`, `cite`, `decider`, `wrap` and the case's data. Like what `cite` prints, it is ASCII and at
most 72 columns wide: made for a mail to who maintains the pages. What no kernel has confirmed is told apart from what is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from ksem import cite
from ksem.decider import decider_of
from ksem.matrix import Matrix, Section
from ksem.model import Verdict
from ksem.wrap import ascii_only, fill

# A manual page as chown(2), or a file of the kernel's documentation.
_PAGE = re.compile(r"[\w.-]+\(\d\w*\)|[\w/-]+\.rst")
# Calls that an entry shows.
CALLS = 8
NOWHERE = "no page in particular"


def drifting(sections: Iterable[Section]) -> list[Section]:
    """The claims that are documented otherwise, or not at all."""
    return [section for section in sections if section.behaviour.case.documented]


def pages(section: Section) -> list[str]:
    """The pages that a claim is about, the first one first; a file of the kernel's by its name alone."""
    named = (page.rpartition("/")[2] for page in _PAGE.findall(section.behaviour.case.documented))
    return list(dict.fromkeys(named)) or [NOWHERE]


def by_page(matrix: Matrix, wanted: Collection[str] = ()) -> dict[str, list[Section]]:
    """The claims by the page that they name first. wanted: by the first of these pages, `chown(2)` or `chown`, and only those
    that name one; all without any."""
    found: dict[str, list[Section]] = {}
    names = {page.rpartition("/")[2] for page in wanted}
    for section in drifting(matrix.sections):
        named = [page for page in pages(section) if not names or {page, page.partition("(")[0]} & names]
        if named:
            found.setdefault(named[0], []).append(section)
    return dict(sorted(found.items()))


def is_confirmed(section: Section) -> bool:
    """Whether some kernel does as the claim says, and none otherwise."""
    verdicts = {result.verdict for row in section.rows for result in row.results}
    return Verdict.CONFORMS in verdicts and Verdict.DIFFERS not in verdicts


def text(matrix: Matrix, wanted: Collection[str] = (), calls: int = CALLS) -> str:
    """The list, by page; first how long it is."""
    found = by_page(matrix, wanted)
    confirmed = sum(is_confirmed(section) for sections in found.values() for section in sections)
    releases = list(dict.fromkeys(column.release for column in matrix.columns))
    span = f"{releases[0]} to {releases[-1]}" if len(releases) > 1 else "".join(releases)
    parts = [_filled(f"{_counted(found)} where documentation says something else than kernels do, or says nothing;"
                     f" {confirmed} of them confirmed on Linux {span}.")]
    for page, sections in found.items():
        parts.append(f"{ascii_only(page)}\n{'=' * len(page)}")
        parts += [entry(matrix, section, calls) for section in sections]
    return "\n\n".join(parts) + "\n"


def _counted(found: Mapping[str, Sequence[Section]]) -> str:
    """How many claims there are, about how many pages: those about none in particular are told apart."""
    total, elsewhere = sum(map(len, found.values())), len(found.get(NOWHERE, ()))
    claims, pages = _number(total, "claim"), _number(len(found.keys() - {NOWHERE}), "page")
    if not elsewhere:
        return f"{claims} about {pages}"
    if elsewhere == total:
        return f"{claims} about {NOWHERE}"
    return f"{claims}, {total - elsewhere} about {pages} and {elsewhere} about {NOWHERE},"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def entry(matrix: Matrix, section: Section, calls: int = CALLS) -> str:
    """One claim: documentation, kernels, evidence."""
    case, name = section.behaviour.case, section.behaviour.name
    parts = [f"{name}\n{'-' * len(name)}\n" + _filled(f"Documented: {case.documented}"), _filled(f"Kernels: {case.claim}")]
    if not is_confirmed(section):
        return "\n\n".join([*parts, _filled("Not confirmed: no kernel, or not every one, is seen to do so.")])
    decider = decider_of(matrix, section, section.rows)
    return "\n\n".join([*parts, cite.seen_text(matrix, section, section.rows, decider.row), cite.sources(section),
                        cite.trace_text(matrix, section, decider, calls), cite.again(section, decider)])


def _filled(paragraph: str) -> str:
    return fill(ascii_only(paragraph), cite.WIDTH)

"""The matrix as Markdown, to be committed beside the evidence.

Contract: `matrix`, `model`, tabulate. Whatever comes from a kernel is escaped: a release cannot add markup.
"""

from __future__ import annotations

from itertools import groupby

from tabulate import tabulate

from ksem.matrix import Matrix, Relatives, Section, relatives, table
from ksem.model import Verdict
from ksem.wrap import escaped

_ESCAPED = str.maketrans({character: "\\" + character for character in "\\`*_[]<>|"})
LEGEND = """Rendered from the evidence beside this file by `ksem matrix --format markdown`; every cell can be run again with
`ksem run COLUMN -k CASE`. *ok*: as expected, and the same on all columns of the group. A value: as expected, where kernels
differ. **DIFFERS**: not as expected. *unsupported*: the kernel, or what is at hand of it, lacks what the case needs.
*broken*: the case failed to set up. *lost*: the machine went away, twice. *flaky*: it went away once, and answered at the
second try. *unknown*: not run."""


def render(matrix: Matrix) -> str:
    """The columns, then the cases by area."""
    parts = ["# Compatibility matrix", LEGEND, _columns(matrix)]
    for area, sections in groupby(matrix.sections, key=lambda section: section.behaviour.area):
        parts.append(f"## {escape(area)}")
        parts += [_section(section, matrix) for section in sections]
    pairs = relatives(matrix)
    parts += ["## The same release in another environment"] if pairs else []
    parts += [_relatives(pair) for pair in pairs]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return escaped(text, keep="\n").translate(_ESCAPED).replace("\n", " ")


def _columns(matrix: Matrix) -> str:
    shown = [verdict for verdict in Verdict if any(result.verdict is verdict for result in matrix.results())]
    rows = []
    for column in matrix.columns:
        counts = matrix.counts(column.column)
        surroundings = ", ".join(str(column.environment.get(key)) for key in ("backend", "accelerator", "package")
                                 if column.environment.get(key))
        rows.append([escape(text) for text in (column.column, column.release, surroundings)]
                    + [str(counts[verdict] or "") for verdict in shown] + [escape(column.remark)])
    head = ["column", "release", "environment", *(verdict.value for verdict in shown), "remark"]
    return tabulate(rows, head, tablefmt="pipe", disable_numparse=True)


def _relatives(pair: Relatives) -> str:
    names = escape(" and ".join(pair.columns))
    head = f"**{names}**, {escape(pair.release)}: {pair.same} cells agree, {len(pair.other)} differ."
    lines = [*pair.other, f"environment: {'; '.join(pair.environment)}"]
    return "\n\n".join([head, "\n".join(f"- {escape(line)}" for line in lines)])


def _section(section: Section, matrix: Matrix) -> str:
    case = section.behaviour.case
    found = table(section, matrix.columns)
    rows = [[escape(line.label), *(escape(text) for text in line.texts)] for line in found.lines]
    parts = [f"### {escape(section.behaviour.name)}", escape(case.claim),
             tabulate(rows, ["parameters", *map(escape, found.groups)], tablefmt="pipe", disable_numparse=True)]
    parts += [f"\\[{number}\\] {escape(note)}" for number, note in enumerate(found.notes, 1)]
    if case.documented:
        parts.append(f"The manual says otherwise: {escape(case.documented)}")
    return "\n\n".join([*parts, f"Sources: {escape('; '.join(case.cites))}"])

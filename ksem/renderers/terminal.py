"""The matrix for a terminal: what differs between kernels is spelled out, what agrees takes one line.

Contract: `matrix`, `model`, tabulate. Plain ASCII of its own, so that any locale and any pipe takes it.
"""

from __future__ import annotations

import shutil
import textwrap

from tabulate import tabulate

from ksem.matrix import Matrix, Relatives, Section, Table, relatives, table
from ksem.model import NO_RELEASE, Verdict
from ksem.wrap import escaped


def render(matrix: Matrix) -> str:
    """The columns, then a table for each case."""
    width = max(40, min(160, shutil.get_terminal_size((110, 24)).columns))
    parts = [_section(section, matrix, width) for section in matrix.sections]
    parts += [_columns(matrix, width), *(_relatives(pair, width) for pair in relatives(matrix))]
    # What a kernel said must not speak to the terminal.
    return escaped("\n\n".join(parts), keep="\n") + "\n"


def _columns(matrix: Matrix, width: int) -> str:
    """Which kernels these are, and how many cells of each say what."""
    shown = [verdict for verdict in Verdict if any(result.verdict is verdict for result in matrix.results())]
    rows = []
    for column in matrix.columns:
        counts = matrix.counts(column.column)
        remark = " ".join((column.problem or column.remark).split())
        release = "-" if column.release == NO_RELEASE else column.release
        rows.append([column.column, release, *(counts[verdict] or "-" for verdict in shown), remark])
    head = ["column", "release", *(verdict.value for verdict in shown), "remark"]
    table_of_all = tabulate(rows, head, disable_numparse=True, maxcolwidths=[*(None for _ in head[1:]), max(30, width - 60)])
    if _fits(table_of_all, width):
        return table_of_all
    # Too narrow for a table: a paragraph for each column.
    told = []
    for row in rows:
        cells = [f"{count} {verdict}" for verdict, count in zip(head[2:-1], row[2:-1], strict=True) if count != "-"]
        words = ", ".join([*cells, str(row[-1])] if row[-1] else cells)
        told.append(_filled(f"{row[0]} ({row[1]}): {words}", width, "", "  "))
    return "\n".join(told)


def _fits(text: str, width: int) -> bool:
    return max(map(len, escaped(text, keep="\n").splitlines()), default=0) <= width


def _filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    return textwrap.fill(escaped(text, keep="\n"), width, initial_indent=first, subsequent_indent=rest)


def _relatives(pair: Relatives, width: int) -> str:
    """The same release in another environment."""
    title = f"{' and '.join(pair.columns)}: the same release, {pair.release}, in another environment."
    cells = f"{pair.same} cells agree, {len(pair.other)} differ" + (":" if pair.other else ".")
    lines = [*pair.other, f"environment: {'; '.join(pair.environment)}"]
    return "\n".join([_filled(f"{title} {cells}", width), *(_filled(line, width, "  ", "    ") for line in lines)])


def _section(section: Section, matrix: Matrix, width: int) -> str:
    case = section.behaviour.case
    found = table(section, matrix.columns)
    title = _filled(f"{section.behaviour.name}: {case.claim}", width, "", "  ")
    if len(found.lines) == 1 and len(found.groups) == 1 and found.lines[0].texts == ("ok",):
        told = f"ok: {found.lines[0].label}, {found.groups[0]}".replace("ok: -, ", "ok: ")
        return f"{title}\n{_filled(told, width, '  ', '    ')}"
    body = _table(found, width - 2)
    notes = [_filled(f"[{number}] {note}", width - 2, "", "    ")
             for number, note in enumerate(found.notes, 1)]
    drift = [_filled(f"The manual says otherwise: {case.documented}", width - 2)] if case.documented else []
    return "\n".join([title, *(textwrap.indent(text, "  ") for text in [body, *notes, *drift])])


def _table(found: Table, width: int) -> str:
    room = max(16, (width - 22) // max(1, len(found.groups)) - 2)
    body = tabulate([[line.label, *line.texts] for line in found.lines], ["", *found.groups], tablefmt="simple",
                    maxcolwidths=[24, *(room for _ in found.groups)], maxheadercolwidths=[24, *(room for _ in found.groups)])
    if _fits(body, width):
        return body
    # Too narrow for a table: below each group of columns a paragraph for each line.
    return "\n".join("\n".join([_filled(f"{group}:", width, "", "  "), *(
        _filled(f"{line.label}: {line.texts[number]}".removeprefix("-: "), width, "  ", "    ") for line in found.lines)])
        for number, group in enumerate(found.groups))

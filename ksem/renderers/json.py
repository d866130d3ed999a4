"""The matrix as JSON: a list of objects, one a cell.

Contract: `matrix`, the standard library. Each has at least case, params, column, release, verdict, observed.
"""

from __future__ import annotations

import json

from ksem.matrix import Matrix


def render(matrix: Matrix) -> str:
    """One object a line, in the order of the cases and the columns."""
    lines = [json.dumps({
        "case": result.cell.case, "params": dict(result.cell.params), "column": result.column, "release": result.release,
        "verdict": result.verdict.value, "observed": result.cell.observation, "expected": result.expected,
        "cites": result.cites, "reason": result.cell.reason,
    }, sort_keys=True) for result in matrix.results()]
    return "[\n" + ",\n".join(lines) + "\n]\n"

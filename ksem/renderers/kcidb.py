"""The matrix as a report for KCIDB, the kernel CI systems' common database: I/O schema 5.3 (kernelci/kcidb-io).

Contract: `matrix`, `model`. A column is a build with its checkout, a cell a test run; what was not run is left out. conforms is
PASS, differs FAIL, unsupported SKIP, broken ERROR, lost and flaky MISS; but where the kernel's own last words are a panic or an
oops, the kernel is at fault: FAIL, and an incident of an issue that such panics share.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ksem.matrix import Matrix, Section, leaves
from ksem.model import Evidence, Result, Verdict, cell_key

VERSION = {"major": 5, "minor": 3}
# Who submits, as KCIDB knows it: who does so in another name replaces it.
ORIGIN = "ksem"
STATUS = {Verdict.CONFORMS: "PASS", Verdict.DIFFERS: "FAIL", Verdict.UNSUPPORTED: "SKIP", Verdict.BROKEN: "ERROR",
          Verdict.LOST: "MISS", Verdict.FLAKY: "MISS"}
EXCERPT = 16384
# What a kernel says that died of itself; the same words are the same issue.
_DEATH = re.compile(r"(Kernel panic - not syncing: .*|kernel BUG at .*|BUG: .*|Oops: .*|general protection fault.*)")
# Addresses, numbers of processes and registers differ from one death to the next.
_PASSING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|#\d+|\b\d+\b")


def render(matrix: Matrix) -> str:
    """One object a line."""
    report = {
        "version": VERSION,
        "checkouts": [_checkout(column) for column in matrix.columns],
        "builds": [_build(column) for column in matrix.columns],
        "tests": list(_tests(matrix)),
        **_deaths(matrix),
    }
    blocks = (f'"{name}": {_block(value)}' for name, value in report.items() if value)
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _block(value: Any) -> str:
    if isinstance(value, list):
        return "[\n " + ",\n ".join(json.dumps(one, sort_keys=True) for one in value) + "\n]"
    return json.dumps(value)


def _identity(*parts: str) -> str:
    return _plain(f"{ORIGIN}:{'/'.join(parts)}")


def _build_id(one: Evidence | Result) -> str:
    return _identity(one.column, one.release)


def _plain(text: str) -> str:
    """The schema takes any character but one."""
    return text.replace("\0", "\\x00")


def _checkout(column: Evidence) -> dict[str, Any]:
    return {"id": _build_id(column), "origin": ORIGIN, "git_commit_name": _plain(f"v{column.release}"),
            "comment": _plain(f"Linux {column.release} {column.environment.get('package') or ''}".strip()), "valid": True}


def _build(column: Evidence) -> dict[str, Any]:
    architecture = str(column.environment.get("architecture") or "")
    return {
        "id": _build_id(column), "checkout_id": _build_id(column), "origin": ORIGIN, "status": "PASS",
        **({"architecture": architecture} if re.fullmatch(r"[a-z0-9_]+", architecture) else {}),
        "comment": _plain(" ".join(filter(None, (column.column, column.remark)))),
        "misc": {"column": column.column, "environment": dict(column.environment)},
    }


def _tests(matrix: Matrix) -> Iterator[dict[str, Any]]:
    surroundings = [_surroundings(column) for column in matrix.columns]
    for section in matrix.sections:
        for path, row in zip(_paths(section), section.rows, strict=True):
            for result, about in zip(row.results, surroundings, strict=True):
                if result.verdict is not Verdict.UNKNOWN:
                    yield _test(section, path, result, about)


def _paths(section: Section) -> list[str]:
    """A place in KCIDB's tree of tests for each row: the case, and its values where it has any. Each row has its own."""
    taken: Counter[str] = Counter()
    paths = []
    for row in section.rows:
        words = [ORIGIN, *section.behaviour.name.split("."), *(["-".join(leaves(row.params).values())] if row.params else [])]
        path = ".".join(re.sub(r"[^a-zA-Z0-9_-]+", "_", word) or "_" for word in words)
        taken[path] += 1
        paths.append(path if taken[path] == 1 else f"{path}_{taken[path]}")
    return paths


def _surroundings(column: Evidence) -> str:
    known = (column.environment.get(key) for key in ("backend", "accelerator", "caller", "os"))
    return _plain(", ".join(str(one) for one in known if one))


def _test(section: Section, path: str, result: Result, surroundings: str) -> dict[str, Any]:
    cell = result.cell
    return {
        "id": _test_id(result), "build_id": _build_id(result), "origin": ORIGIN, "path": path,
        "status": "FAIL" if _death(result) else STATUS[result.verdict], "comment": _plain(section.behaviour.case.claim),
        "environment": {"comment": surroundings},
        **({"log_excerpt": _plain(cell.reason)[-EXCERPT:]} if cell.reason else {}),
        "misc": {"case": cell.case, "params": dict(cell.params), "verdict": result.verdict.value, "observed": cell.observation,
                 **({"expected": result.expected, "cites": result.cites} if result.verdict is Verdict.DIFFERS else {})},
    }


def _test_id(result: Result) -> str:
    return _identity(result.column, result.release, *cell_key(result.cell.case, result.cell.params))


def _death(result: Result) -> str:
    """The words with which the kernel died under a case, or nothing."""
    words = _DEATH.findall(result.cell.reason) if result.verdict in (Verdict.LOST, Verdict.FLAKY) else []
    return str(words[0]).strip() if words else ""


def _deaths(matrix: Matrix) -> Mapping[str, list[dict[str, Any]]]:
    """Each death is an incident; those whose words agree but for addresses and numbers are one issue."""
    issues: dict[str, dict[str, Any]] = {}
    incidents = []
    for result in matrix.results():
        if words := _death(result):
            fingerprint = hashlib.sha256(_PASSING.sub("#", words).encode(errors="backslashreplace")).hexdigest()[:12]
            issue = issues.setdefault(fingerprint, {
                "id": _identity("died", fingerprint), "version": 1, "origin": ORIGIN, "culprit": {"code": True},
                "comment": _plain(words)})
            incidents.append({"id": _identity("died", fingerprint, _test_id(result)), "origin": ORIGIN, "issue_id": issue["id"],
                              "issue_version": 1, "test_id": _test_id(result), "present": True, "comment": _plain(words)})
    return {"issues": list(issues.values()), "incidents": incidents}

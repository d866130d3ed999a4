"""Made-up cases, cells and columns for the tests, and what notes its calls: small, and the same wherever they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ksem.catalog import Behaviour
from ksem.guest.case import Case
from ksem.guest.wire import Channel
from ksem.model import Cell, Evidence

CASE_TEXT = '''"""What a file is."""

from ksem.guest.case import Case
from ksem.guest.wire import Channel

CASE = Case(claim="A file is a file.", cites=("intro(2)",), params={"kind": ("plain", "other")}, expect={"is": "file"})


def observe(lab, kind):
    return {"is": "file"}
'''


def behaviour(case: Case, name: str = "area.thing") -> Behaviour:
    """A case as the catalogue would give it, without any file."""
    return Behaviour(name, Path(f"cases/{name}.py"), "", case, "Prose.")


def case(expect: Any = None, **fields: Any) -> Case:
    """A case with a claim and a source."""
    return Case(**{"claim": "It is so.", "cites": ("intro(2)",), "expect": {"is": "so"} if expect is None else expect,
                   **fields})


def cell(observation: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None, *, name: str = "area.thing",
         status: str = "observed", reason: str = "", trace: tuple[Any, ...] = ()) -> Cell:
    """A cell of the case `area.thing`."""
    return Cell(name, params or {}, status, observation, reason, trace)


def evidence(column: str, release: str, *cells: Cell, environment: Mapping[str, Any] | None = None,
             remark: str = "") -> Evidence:
    """A column's evidence."""
    return Evidence(column, release, environment or {"backend": "qemu"}, cells, remark=remark)


def project(root: Path, cases: Mapping[str, str] | None = None, catalog: str | None = None) -> Path:
    """A project on disk: {"area/thing": text of the case file}, and vms/catalog.toml if there is to be one."""
    (root / "cases").mkdir()
    for name, text in (cases or {}).items():
        path = root / "cases" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if catalog is not None:
        (root / "vms").mkdir()
        (root / "vms" / "catalog.toml").write_text(catalog)
    return root


class FarSide(Channel):
    """Has what every case needs but `nothing`; answers what it was told to answer else. An exception is raised."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(-1, -1)
        self.answers = list(answers)
        self.sent: list[Any] = []
        self.timeouts: list[float | None] = []

    def send(self, message: Any, timeout: float | None = None) -> None:
        if "needs" in message:
            self.answers.insert(0, {"missing": "there is nothing" if "nothing" in message["needs"] else None})
        self.sent.append(message)

    def receive(self, timeout: float | None = None) -> Any:
        self.timeouts.append(timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def noted(monkeypatch: pytest.MonkeyPatch, name: str, *modules: ModuleType) -> list[Path]:
    """The paths with which a function is called from now on, by the name that these modules have for it."""
    found: list[Path] = []
    original = getattr(modules[0], name)

    def noting(path: Path) -> object:
        found.append(path)
        return original(path)

    for module in modules:
        monkeypatch.setattr(module, name, noting)
    return found

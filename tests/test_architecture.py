"""The rooms of ksem and who may enter them, checked from the imports themselves.

Guards DESIGN.md's table: imports go one way, pytest, tabulate and vagrant are known in one place each, and no file or
function grows until nobody reads it. Whoever adds a module to ksem/ itself says here what it may import; a case, a kernel
source, a backend or a format needs no line.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL, CASE = "ksem.model", "ksem.guest.case"
PACKAGES = ("ksem.guest", "ksem.kernels", "ksem.backends", "ksem.renderers", "ksem.repro", "ksem.commands")

# What a module may import beside the standard library. A package stands for all that is in it.
ALLOWED = {
    "ksem": (),
    "ksem.model": (),
    "ksem.guest": ("ksem.guest",),
    "ksem.filesystems": (),
    "ksem.items": (CASE, "ksem.catalog"),
    "ksem.scheduling": ("ksem.items", "xdist"),
    "ksem.lines": ("ksem.guest.trace",),
    "ksem.cache": (MODEL, "platformdirs"),
    "ksem.init": ("ksem.guest",),
    "ksem.initramfs": (MODEL, "ksem.init"),
    "ksem.kernel_modules": (MODEL, "ksem.cache", "ksem.initramfs", "zstandard"),
    "ksem.disks": (MODEL, "ksem.cache", "ksem.guest"),
    "ksem.bzimage": (MODEL, "zstandard"),
    "ksem.qmp": (),
    "ksem.losses": (MODEL,),
    "ksem.repeating": (MODEL, CASE, "ksem.judge", "ksem.lines"),
    "ksem.mutating": (MODEL, "ksem.strace"),
    "ksem.survivors": (CASE, "ksem.mutating", "ksem.wrap"),
    "ksem.snapshots": (MODEL, "ksem.cache"),
    "ksem.vm": (MODEL, "ksem.guest", "ksem.directing", "ksem.init", "ksem.machine", "ksem.qmp"),
    "ksem.bootstrap": ("ksem.machine", "ksem.guest.wire"),
    "ksem.conversation": (MODEL, "ksem.guest.wire"),
    "ksem.machine": (MODEL, "ksem.guest", "ksem.lines", "ksem.losses", "ksem.conversation"),
    "ksem.directing": ("ksem.bootstrap", "ksem.guest.modules", "ksem.guest.wire", "ksem.machine"),
    "ksem.judge": (MODEL, CASE),
    "ksem.matrix": (MODEL, CASE, "ksem.judge", "ksem.catalog"),
    "ksem.store": (MODEL, "ksem.cache", "ksem.guest.wire", "ksem.lines", "ksem.stored", "ksem.traces"),
    "ksem.stored": (MODEL, "ksem.guest.wire"),
    "ksem.traces": ("ksem.cache", "ksem.lines", "ksem.stored"),
    "ksem.wrap": (),
    "ksem.seen": (MODEL, "ksem.matrix"),
    "ksem.selection": (MODEL, CASE, "ksem.catalog", "ksem.matrix"),
    "ksem.designs": (MODEL, CASE, "ksem.catalog", "ksem.selection"),
    "ksem.decide": (MODEL, CASE, "ksem.designs", "ksem.matrix", "ksem.seen", "ksem.wrap"),
    "ksem.history": (MODEL, CASE, "ksem.judge", "ksem.matrix", "ksem.seen", "ksem.wrap"),
    "ksem.compare": (MODEL, CASE, "ksem.catalog", "ksem.matrix", "ksem.seen", "ksem.wrap"),
    "ksem.collected": (MODEL, CASE, "ksem.catalog", "ksem.compare", "ksem.lines", "ksem.store"),
    "ksem.against": (MODEL, "ksem.compare", "ksem.store"),
    "ksem.interrupts": ("ksem.guest.flags",),
    "ksem.compiled": (MODEL, "ksem.cache"),
    "ksem.merging": (MODEL,),
    "ksem.bisect": (MODEL, CASE, "ksem.seen"),
    "ksem.agreement": (CASE, "ksem.matrix", "ksem.seen", "ksem.wrap"),
    "ksem.decider": (MODEL, CASE, "ksem.agreement", "ksem.matrix", "ksem.seen", "ksem.strace"),
    "ksem.strace": ("ksem.guest.syscalls", "ksem.wrap"),
    "ksem.grouped": (CASE, "ksem.agreement", "ksem.matrix", "ksem.seen", "ksem.wrap"),
    "ksem.cite": (MODEL, CASE, "ksem.agreement", "ksem.decider", "ksem.grouped", "ksem.history", "ksem.matrix",
                  "ksem.seen", "ksem.selection", "ksem.strace", "ksem.wrap"),
    "ksem.drift": (MODEL, "ksem.cite", "ksem.decider", "ksem.matrix", "ksem.wrap"),
    "ksem.catalog": (MODEL, CASE, "ksem.filesystems", "ksem.guest.syscalls", "ksem.kernels", "ksem.backends", "ksem.compiled"),
    "ksem.kernels": (MODEL, "ksem.kernels", "ksem.bzimage", "ksem.cache", "ksem.initramfs"),
    "ksem.backends": (MODEL, "ksem.backends", "ksem.bzimage", "ksem.cache", "ksem.disks", "ksem.guest", "ksem.initramfs",
                      "ksem.kernel_modules", "ksem.machine", "ksem.bootstrap", "ksem.directing", "ksem.qmp",
                      "ksem.snapshots", "ksem.vm"),
    "ksem.backends.vagrant": ("vagrant",),
    "ksem.renderers": (MODEL, "ksem", "ksem.matrix", "ksem.renderers", "ksem.wrap", "tabulate"),
    "ksem.renderers.html": ("jinja2", "markupsafe"),
    "ksem.renderers.html.content": ("ksem.guest.syscalls", "ksem.seen"),
    "ksem.renderers.html.mail": ("ksem.cite", "ksem.decider"),
    "ksem.runners": (MODEL, "ksem.runner"),
    "ksem.runner": (MODEL, "ksem.guest", "ksem.backends", "ksem.kernels", "ksem.catalog", "ksem.judge",
                    "ksem.losses", "ksem.machine", "ksem.mutating", "ksem.store"),
    "ksem.repro": (MODEL, "ksem.repro", "ksem.catalog", "ksem.disks", "ksem.guest"),
}
# Only these wire things together, and nothing but an entry point imports them.
WIRING = ("ksem.__main__", "ksem.plugin", "ksem.workers", "ksem.cli", "ksem.commands")
PYTEST = ("pytest", "_pytest", "xdist", "pluggy", "hypothesis")


def name_of(path: Path) -> str:
    """The dotted name of a module of ksem."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted((ROOT / "ksem").rglob("*.py"))}
CASES = sorted((ROOT / "cases").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in [*FILES.values(), *CASES]}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it: of ksem by its full name, else by its first."""
    found = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(FILES)
            found |= inner | ({str(node.module)} if len(inner) < len(node.names) else set())
    return {name if name.split(".")[0] == "ksem" else name.split(".")[0] for name in found}


def foreign(path: Path) -> set[str]:
    """The imports of a file that are not of the standard library."""
    return imports(path) - sys.stdlib_module_names


def within(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether a module is one of these or lies in one of these packages; `ksem` is its `__init__` alone."""
    return any(name == one or (one in PACKAGES and name.startswith(one + ".")) for one in allowed)


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and inner ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_is_something_to_check() -> None:
    assert {"ksem.model", "ksem.guest.agent", "ksem.kernels.debian", "ksem.cli"} <= set(FILES)
    assert CASES
    assert imports(FILES["ksem.guest.agent"]) >= {"os", "ksem.guest.case", "ksem.guest.lab"}
    assert "ksem.cache" in imports(FILES["ksem.kernels.debian"])


@pytest.mark.parametrize("name", [name for name in FILES if not within(name, WIRING)])
def test_a_module_imports_what_its_room_may(name: str) -> None:
    room = next((package for package in PACKAGES if name == package or name.startswith(package + ".")), name)
    assert room in ALLOWED, f"say in {__file__} what {name} may import"
    allowed = ALLOWED[room] + (ALLOWED.get(name, ()) if name != room else ())
    assert {one for one in foreign(FILES[name]) if not within(one, allowed)} == set()


@pytest.mark.parametrize("path", CASES, ids=[str(path.relative_to(ROOT)) for path in CASES])
def test_a_case_imports_what_travels_with_it(path: Path) -> None:
    assert {one for one in foreign(path) if not within(one, ("ksem.guest",))} == set()


@pytest.mark.parametrize(("libraries", "rooms"), [
    (PYTEST, ("ksem.plugin", "ksem.workers", "ksem.commands.run", "ksem.scheduling")),
    (("tabulate",), ("ksem.renderers",)),
    (("jinja2", "markupsafe"), ("ksem.renderers.html",)),
    (("vagrant",), ("ksem.backends.vagrant",)),
    (("platformdirs",), ("ksem.cache",)),
])
def test_a_library_is_known_in_one_place(libraries: tuple[str, ...], rooms: tuple[str, ...]) -> None:
    knowing = {name for name, path in FILES.items() if imports(path) & set(libraries)}
    assert {name for name in knowing if not within(name, rooms)} == set()


def test_nothing_imports_what_wires_things_together() -> None:
    """A command knows what commands share, and the entry point knows the commands."""
    assert {name for name, path in FILES.items() if not within(name, WIRING)
            and any(within(one, WIRING) for one in imports(path))} == set()
    known = {"ksem.__main__": {"ksem.cli"}, "ksem.cli": {"ksem.commands"}, "ksem.plugin": {"ksem.workers"}}
    known |= {name: {"ksem.commands._common"} for name in FILES if name.startswith("ksem.commands.")}
    assert {name for name in FILES if within(name, WIRING)
            and {one for one in imports(FILES[name]) if within(one, WIRING)} - known.get(name, set())} == set()


def test_imports_make_no_circle() -> None:
    graph = {name: imports(path) & set(FILES) - {name} for name, path in FILES.items()}
    graphlib.TopologicalSorter(graph).prepare()


def test_what_travels_stands_alone() -> None:
    assert {name for name, path in FILES.items() if name.startswith("ksem.guest") and foreign(path) - set(FILES)} == set()


@pytest.mark.parametrize("name", FILES)
def test_a_module_states_its_contract(name: str) -> None:
    text = ast.get_docstring(TREES[FILES[name]]) or ""
    assert text
    assert name == "ksem" or "Contract" in text


@pytest.mark.parametrize("name", FILES)
def test_what_others_may_use_says_what_it_does(name: str) -> None:
    assert [node.name for node in TREES[FILES[name]].body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_") and not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", CASES, ids=[str(path.relative_to(ROOT)) for path in CASES])
def test_a_case_opens_with_prose(path: Path) -> None:
    assert ast.get_docstring(TREES[path])


@pytest.mark.parametrize("name", FILES)
def test_files_and_functions_stay_short(name: str) -> None:
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= 400
    assert [node.name for node in functions(TREES[FILES[name]]) if (node.end_lineno or 0) - node.lineno >= 50] == []

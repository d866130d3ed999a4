"""Case files are compiled once for each text, whatever became of what was kept.

Guards: an edited case must never run as it was, and a damaged cache must not end the interpreter, nor a read-only one a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ksem import compiled
from ksem.compiled import Compiled

CASES = Path("/project/cases")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ksem" / "cases"


def value(of: Compiled, text: str, path: Path = CASES / "a.py") -> Any:
    names: dict[str, Any] = {}
    exec(of.code(path, text), names)
    return names["value"]


def refuse(*arguments: Any, **options: Any) -> None:
    raise AssertionError("compiled")


def test_what_was_kept_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    first = Compiled(CASES)
    assert value(first, "value = 1") == 1
    first.keep([(CASES / "a.py", "value = 1")])
    assert len(list(kept.iterdir())) == 1
    monkeypatch.setattr("builtins.compile", refuse)
    assert value(Compiled(CASES), "value = 1") == 1
    with pytest.raises(AssertionError, match="compiled"):
        value(Compiled(CASES), "value = 2")
    with pytest.raises(AssertionError, match="compiled"):
        value(Compiled(CASES), "value = 1", CASES / "b.py")
    with pytest.raises(AssertionError, match="compiled"):
        value(Compiled(Path("/other/cases")), "value = 1")


def test_what_is_no_more_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Compiled(CASES)
    value(first, "value = 1")
    value(first, "value = 2")
    first.keep([(CASES / "a.py", "value = 1"), (CASES / "a.py", "value = 2")])
    first.keep([(CASES / "a.py", "value = 2")])
    monkeypatch.setattr("builtins.compile", refuse)
    assert value(Compiled(CASES), "value = 2") == 2
    with pytest.raises(AssertionError, match="compiled"):
        value(Compiled(CASES), "value = 1")


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data + b"x",
                                    lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:]])
def test_what_is_damaged_is_compiled_again(damage: Any, kept: Path) -> None:
    first = Compiled(CASES)
    value(first, "value = 1")
    first.keep([(CASES / "a.py", "value = 1")])
    [file] = kept.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good))
    again = Compiled(CASES)
    assert value(again, "value = 1") == 1
    again.keep([(CASES / "a.py", "value = 1")])
    assert file.read_bytes() == good


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    first = Compiled(CASES)
    assert value(first, "value = 1") == 1
    first.keep([(CASES / "a.py", "value = 1")])


def test_a_file_that_is_no_python_says_so_where_it_is() -> None:
    with pytest.raises(SyntaxError) as caught:
        Compiled(CASES).code(CASES / "a.py", "value = (")
    assert caught.value.filename == "/project/cases/a.py"


def test_what_was_kept_is_sound_to_the_very_code_that_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Compiled(CASES)
    value(first, "value = 1")
    assert not first.is_checked(CASES / "a.py", "value = 1")
    first.keep([(CASES / "a.py", "value = 1")])
    assert Compiled(CASES).is_checked(CASES / "a.py", "value = 1")
    assert not Compiled(CASES).is_checked(CASES / "a.py", "value = 2")
    monkeypatch.setattr(compiled, "_judges", lambda: "another ksem")
    assert not Compiled(CASES).is_checked(CASES / "a.py", "value = 1")


def test_another_ksem_is_told_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "guest").mkdir()
    names = (tmp_path / "catalog.py", tmp_path / "guest" / "lab.py")
    for path in names:
        path.touch()
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    known = {compiled._judges()}
    for path in names:
        path.write_text("edited")
        known.add(compiled._judges())
    (tmp_path / "guest" / "flags.py").touch()
    known.add(compiled._judges())
    assert len(known) == 4

"""Parameter sets and values by the names that a user gives them; what does not exist comes with what comes nearest.

Guards: a name that is misspelled must never select nothing and look like an answer. What a cell tells is decided here too.
"""

from __future__ import annotations

from pathlib import Path

import project
import pytest
from made import behaviour, case, cell

from ksem import store
from ksem.guest import disks, modules, needs, syscalls
from ksem.guest.beside import Beside
from ksem.guest.case import Rule
from ksem.model import Cell, KsemError
from ksem.seen import ABSENT, is_told, values, why_unknown
from ksem.selection import check_path, known_values, matching, parameter_sets, parsed

PARAMS = {"caller": ("root", "an owner"), "count": (1, 2), "deep": (True, False)}
THING = behaviour(case((Rule(lambda caller, count, deep: {"is": "new", caller: count}, since="6.6"), Rule({"is": "old"})),
                       params=PARAMS, where=lambda caller, count, deep: count == 1 or deep))


def test_values_are_given_as_they_are_shown() -> None:
    wanted = parsed(["caller=an owner", "count=1", "count=2", "deep=true"])
    assert wanted == {"caller": ["an owner"], "count": ["1", "2"], "deep": ["true"]}
    assert parameter_sets(THING, wanted) == [{"caller": "an owner", "count": number, "deep": True} for number in (1, 2)]
    assert parameter_sets(THING, {"count": [2], "deep": [True], "caller": ["root"]}) == [
        {"caller": "root", "count": 2, "deep": True}]
    assert len(parameter_sets(THING, {})) == 6


@pytest.mark.parametrize(("texts", "words"), [
    (["caler=root"], "no parameter 'caler' (did you mean caller?): it has caller, count, deep"),
    (["caller=rot"], "no caller=rot (did you mean root?): there are root; an owner"),
    (["count=2", "deep=false"], "no parameter set with count=2 deep=false together"),
    (["caller"], "'caller' selects nothing: it should look like caller=root"),
    (["=root"], "'=root' selects nothing"),
])
def test_what_does_not_exist_comes_with_the_nearest(texts: list[str], words: str) -> None:
    with pytest.raises(KsemError) as caught:
        parameter_sets(THING, parsed(texts))
    assert words in str(caught.value)


def test_other_cases_simply_have_no_such_sets() -> None:
    assert matching(THING, {"fs": ["tmpfs"]}) == []
    assert matching(THING, {"caller": ["nobody"]}) == []


def test_a_leaf_has_the_values_of_every_release_and_of_what_was_seen() -> None:
    params = {"caller": "root", "count": 1, "deep": True}
    known = known_values(THING, params, [cell({"is": "odd"}, params), cell({"is": "other"}, {"caller": "an owner"}),
                                         cell({"is": "else"}, params, name="area.else")])
    assert known == {"is": {"new", "old", "odd"}, "root": {"1"}}
    check_path(THING, "is", [known])
    with pytest.raises(KsemError, match=r"observes no 'iss' \(did you mean is\?\): there are is; root"):
        check_path(THING, "iss", [known])


def unsupported(reason: str) -> Cell:
    return cell(None, status="unsupported", reason=reason)


@pytest.mark.parametrize(("given", "told", "why"), [
    (cell({"is": "so"}), True, ""), (unsupported("no system call mount_setattr"), True, ""),
    (unsupported("no user namespaces: unshare(CLONE_NEWUSER) = EPERM"), True, ""),
    (None, False, "not run"), (cell(None, status="unknown"), False, "not run"),
    (cell(None, status="broken", reason="oops\nTraceback"), False, "broken: oops"), (cell(None, status="lost"), False, "lost"),
    (unsupported("no filesystem xfs: there is none"), False, "could not be run: no filesystem xfs: there is none"),
])
def test_a_cell_tells_of_its_kernel_or_says_why_not(given: Cell | None, told: bool, why: str) -> None:
    assert is_told(given) is told
    assert (values(given) is not None) is told
    assert told or why_unknown(given) == why


def test_the_values_of_a_cell() -> None:
    found = values(cell({"is": "so"}))
    assert found
    assert (found.at("is"), found.at("else")) == ("so", ABSENT)
    lacking = values(unsupported("no system call x"))
    assert lacking
    assert lacking.at("is") == "unsupported: no system call x"


def test_the_reasons_of_the_probes_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the guest really says: what its machine lacks tells nothing of the kernel, a system call that is missing does."""
    arena = Beside()
    monkeypatch.setattr(modules, "load", lambda *_: "its module is not at hand")
    reasons = [needs.PROBES["fs"](arena, "nosuchfs")]
    monkeypatch.setattr(modules, "load", lambda *_: None)
    reasons.append(needs.PROBES["fs"](arena, "nosuchfs"))
    monkeypatch.setattr(modules, "ORDER", str(tmp_path / "gone"))
    reasons.append(disks.attach(arena, "xfs"))
    arena.around = arena.around._replace(uid=1000)
    reasons.append(needs.PROBES["root"](arena, ""))
    assert len(reasons) == 4
    assert [reason for reason in reasons if reason is None or is_told(unsupported(reason))] == []
    monkeypatch.setattr(syscalls, "execute", lambda task, call, arguments: (None, "ENOSYS"))
    missing = needs.PROBES["syscall"](arena, "mount_setattr")
    assert missing is not None
    assert is_told(unsupported(missing))


def test_what_the_committed_evidence_lacks_is_told_where_it_is_the_kernel_that_lacks_it() -> None:
    """The archive has lost modules of some kernels; others have no such call, or no such mounts."""
    columns = [one for one in store.read(project.ROOT / "results") if one.column.startswith("debian-")]
    reasons = {one.reason: is_told(one) for column in columns for one in column.cells if one.status == "unsupported"}
    assert {told for reason, told in reasons.items() if reason.startswith(("no system call", "no idmapped mounts"))} == {True}
    assert {told for reason, told in reasons.items() if "module" in reason or "disk" in reason} == {False}


def test_what_the_machine_lacks_is_told_to_be_unknown(tmp_path: Path) -> None:
    """As the guest says it, here and now: no machine without disks of ours has these."""
    needs = {name: project.FINE.replace("expect=", f'needs=("fs:{name}",), expect=') for name in ("befs", "xfs")}
    made = project.make(tmp_path, **needs)
    project.ksem(made, "run", "local", "-q")
    cells = [one for column in store.read(made / "results") for one in column.cells]
    assert [(one.status, is_told(one)) for one in cells] == [("unsupported", False)] * 2, cells

"""What is wrong with a case file or an entry of vms/catalog.toml is told before anything boots, with the file's name.

Guards: a mistake is one line for its author, never a traceback, and never a run of minutes that fails at its end.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from made import CASE_TEXT, behaviour, case, project

from ksem import catalog
from ksem.model import Column, KsemError

ENTRY = '["debian-6.12"]\nbackend = "qemu"\nkernel = "debian:6.12"\n'
OBSERVE = "\ndef observe(lab, **params):\n    return {}\n"
CASES = {
    "no python": ("case = (", "cannot be imported: SyntaxError"),
    "raises": ("1 / 0", "cannot be imported: ZeroDivisionError"),
    "imports what is not there": ("import no_such_module", "cannot be imported: ModuleNotFoundError"),
    "nothing in it": ("", "has no CASE"),
    "CASE of another kind": ("CASE = {}" + OBSERVE, "has no CASE"),
    "no observe": ("CASE = Case('It is.', ('x',), {})", "has no function observe"),
    "observe that is no function": ("CASE = Case('It is.', ('x',), {})\nobserve = 1", "has no function observe"),
    "no claim": ("CASE = Case('', ('x',), {})" + OBSERVE, "needs a claim"),
    "no source": ("CASE = Case('It is.', (), {})" + OBSERVE, "source in cites"),
    "a source without its tuple": ("CASE = Case('It is.', ('x'), {})" + OBSERVE, "source in cites"),
    "a parameter without values": ("CASE = Case('It is.', ('x',), {}, {'a': ()})" + OBSERVE, "values of a "),
    "a value that is no scalar": ("CASE = Case('It is.', ('x',), {}, {'a': (1, [2])})" + OBSERVE, "values of a "),
    "a value that is there twice": ("CASE = Case('It is.', ('x',), {}, {'a': ('ro', 'rw', 'ro')})" + OBSERVE,
                                    "the values of a have 'ro' twice"),
    "a number and a boolean that are one": ("CASE = Case('It is.', ('x',), {}, {'a': (0, 1, True)})" + OBSERVE,
                                            "the values of a have True twice"),
    "an observe of other parameters": ("CASE = Case('It is.', ('x',), {}, {'flag': (1,)})\ndef observe(lab, flags): return 1\n",
                                       "observe(lab, flags) cannot be called with flag"),
    "an observe of no parameters": ("CASE = Case('It is.', ('x',), {})\ndef observe(lab, flag): return {}\n",
                                    "observe(lab, flag) cannot be called with lab alone"),
    "a text as values": ("CASE = Case('It is.', ('x',), {}, {'a': 'ro'})" + OBSERVE, "values of a "),
    "a number as values": ("CASE = Case('It is.', ('x',), {}, {'a': 3})" + OBSERVE, "cannot be computed: TypeError"),
    "parameters that are no mapping": ("CASE = Case('It is.', ('x',), {}, ['a'])" + OBSERVE,
                                       "cannot be computed: AttributeError"),
    "where of other parameters": ("CASE = Case('It is.', ('x',), {}, {'a': (1,)}, lambda b: True)" + OBSERVE, "TypeError"),
    "shown with what there is not": ("CASE = Case('It is.', ('x',), {}, {'a': (1,)}, shown_with={'a': 2})" + OBSERVE,
                                     "shown_with= is in no parameter set"),
    "an unknown need": ("CASE = Case('It is.', ('x',), {}, needs=('luck',))" + OBSERVE, "unknown need 'luck': root, alone"),
    "a need without its tuple": ("CASE = Case('It is.', ('x',), {}, needs=('root'))" + OBSERVE, "unknown need 'r'"),
    "a misspelled filesystem": ("CASE = Case('It is.', ('x',), {}, needs=('fs:ovrlay',))" + OBSERVE,
                                "unknown filesystem 'ovrlay' (did you mean overlay?): ksem/filesystems.py"),
    "a filesystem without a name": ("CASE = Case('It is.', ('x',), {}, needs=('fs',))" + OBSERVE, "unknown filesystem ''"),
    "a misspelled filesystem of some sets": (
        "CASE = Case('It is.', ('x',), {}, {'a': ('xfs', 'btrsf')}, needs=lambda a: ('fs:' + a,))" + OBSERVE,
        "unknown filesystem 'btrsf' (did you mean btrfs?)"),
    "a misspelled system call": ("CASE = Case('It is.', ('x',), {}, needs=('syscall:mount_setattrr',))" + OBSERVE,
                                 "unknown system call 'mount_setattrr' (did you mean mount_setattr?): ksem/guest/syscalls.py"),
    "no rule": ("CASE = Case('It is.', ('x',), ())" + OBSERVE, "cannot be computed: IndexError"),
    "a last rule with since": ("CASE = Case('It is.', ('x',), (Rule({}, since='6.1'),))" + OBSERVE,
                               "must hold for every release"),
    "since that is no release": ("CASE = Case('It is.', ('x',), (Rule({}, since='new'), Rule({})))" + OBSERVE,
                                 "'new' is no kernel"),
    "a backport that is no release": ("CASE = Case('It is.', ('x',), (Rule({}, '6.1', ('x',)), Rule({})))" + OBSERVE,
                                      "'x' is no kernel"),
    "an expectation that raises": ("CASE = Case('It is.', ('x',), lambda: 1 / 0)" + OBSERVE, "ZeroDivisionError"),
    "an expectation of other parameters": ("CASE = Case('It is.', ('x',), lambda b: {})" + OBSERVE, "TypeError"),
    "an expectation that is no dict": ("CASE = Case('It is.', ('x',), lambda: 'so')" + OBSERVE, "must be a dict"),
    "a later rule that is no dict": ("CASE = Case('It is.', ('x',), (Rule([], '6.1'), Rule({})))" + OBSERVE, "must be a dict"),
}
ENTRIES = {
    "no TOML": ('["debian-6.12"\n', "line 1"),
    "no table": ('local = "host"\n', "local must be a table"),
    "no backend": ('[local]\nkernel = "host"\n', "lacks backend"),
    "no name": ('[""]\nbackend = "local"\nkernel = "host"\n', "the name ''"),
    "a name that no command line tells from an option": ('["-q"]\nbackend = "local"\nkernel = "host"\n', "the name '-q'"),
    "no kernel": ('[local]\nbackend = "local"\n', "lacks kernel"),
    "a kernel of another kind": ('[local]\nbackend = "local"\nkernel = 6.12\n', "lacks kernel"),
    "an unknown key": (ENTRY + 'module = "x"\n', "unknown key 'module' (did you mean modules?)"),
    "an unknown backend": (ENTRY.replace('"qemu"', '"xen"'), "unknown backend 'xen': local, qemu"),
    "an unknown kernel source": (ENTRY.replace("debian:", "gentoo:"),
                                 "unknown kernel source 'gentoo:6.12': debian, host, image"),
    "modules that are no text": (ENTRY + "modules = 3\n", "modules"),
    "modules of a kernel that has its own": (ENTRY + 'modules = "x"\n', "only kernel = \"image:PATH\" takes"),
}


@pytest.mark.parametrize(("text", "complaint"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong_with_a_case_names_its_file(tmp_path: Path, text: str, complaint: str) -> None:
    root = project(tmp_path, {"area/thing": "from ksem.guest.case import Case, Rule\n" + text})
    with pytest.raises(KsemError) as caught:
        catalog.behaviours(root)
    message = str(caught.value)
    assert message.startswith(f"{root}/cases/area/thing.py: ")
    assert complaint in message
    assert "\n" not in message


def test_a_case_that_is_no_utf8_names_its_file(tmp_path: Path) -> None:
    root = project(tmp_path, {"area/thing": ""})
    (root / "cases/area/thing.py").write_bytes(b"# \xff")
    with pytest.raises(KsemError, match=r"area/thing\.py"):
        catalog.behaviours(root)


def test_every_file_below_cases_is_a_case_but_those_with_an_underscore(tmp_path: Path) -> None:
    root = project(tmp_path, {"b/thing": CASE_TEXT, "a/deep/thing": CASE_TEXT, "a/_shared": "", "_top": "", "alone": CASE_TEXT})
    found = catalog.behaviours(root)
    assert [one.name for one in found] == ["a.deep.thing", "alone", "b.thing"]
    assert [one.area for one in found] == ["a.deep", "", "b"]
    assert {one.text for one in found} == {CASE_TEXT}
    assert found[0].prose == "What a file is."


def test_reading_cases_leaves_no_bytecode(tmp_path: Path) -> None:
    root = project(tmp_path, {"area/thing": CASE_TEXT})
    catalog.behaviours(root)
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["thing.py"]


def test_the_modules_of_a_case_follow_from_the_filesystems_that_it_needs() -> None:
    one = case(params={"fs": ("xfs", "tmpfs")}, needs=lambda fs: ("root", f"fs:{fs}", "syscall:mount_setattr"),
               expect=lambda fs: {})
    assert behaviour(one).modules == {"xfs", "tmpfs"}


@pytest.mark.parametrize(("text", "complaint"), ENTRIES.values(), ids=ENTRIES.keys())
def test_what_is_wrong_with_an_entry_names_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    root = project(tmp_path, catalog=text)
    with pytest.raises(KsemError) as caught:
        catalog.entries(root)
    message = str(caught.value)
    assert message.startswith(f"{root}/vms/catalog.toml: ")
    assert complaint in message
    assert "\n" not in message


def test_a_catalogue_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    root = project(tmp_path, catalog="")
    (root / "vms/catalog.toml").write_bytes(b"\xff")
    with pytest.raises(KsemError, match=r"catalog\.toml"):
        catalog.entries(root)


def test_entries_are_columns_in_the_files_order(tmp_path: Path) -> None:
    root = project(tmp_path, catalog=ENTRY + '[mine]\nbackend = "qemu"\nkernel = "image:k"\nmodules = "built/lib"\n'
                                             '[local]\nbackend = "local"\nkernel = "host"\n')
    assert catalog.entries(root) == [
        Column("debian-6.12", "qemu", "debian:6.12"), Column("mine", "qemu", f"image:{root}/k", root / "built/lib"),
        Column("local", "local", "host")]


def test_no_catalogue_is_no_entry(tmp_path: Path) -> None:
    assert catalog.entries(project(tmp_path)) == []


@pytest.mark.parametrize(("name", "expected"), [
    ("mine", Column("mine", "qemu", "image:/k")),
    ("local", Column("local", "local", "host")),
    ("debian-6.12", Column("debian-6.12", "qemu", "debian:6.12")),
    ("debian-6.12.90+deb13", Column("debian-6.12.90+deb13", "qemu", "debian:6.12.90+deb13")),
    ("image:/boot/bzImage", Column("image:/boot/bzImage", "qemu", "image:/boot/bzImage")),
])
def test_a_column_is_an_entry_or_what_a_kernel_source_makes_of_its_name(name: str, expected: Column) -> None:
    assert catalog.column(name, [Column("mine", "qemu", "image:/k")]) == expected


def test_an_entry_wins_over_a_kernel_source() -> None:
    own = Column("local", "qemu", "image:/k")
    assert catalog.column("local", [own]) == own


def test_what_a_run_wants_is_in_its_columns(tmp_path: Path) -> None:
    one, = catalog.columns(tmp_path, ["image:/k", "image:/k"], Path("/modules"), 5.0, keep=True)
    assert (one.modules, one.deadline, one.keep, one.vms) == (Path("/modules"), 5.0, True, tmp_path / "vms")


def test_modules_that_no_kernel_would_take_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match=r"--modules is for the kernel of an image:PATH column, and none"):
        catalog.columns(tmp_path, ["debian-6.12", "local"], Path("/modules"))
    assert len(catalog.columns(tmp_path, ["debian-6.12", "image:/k"], Path("/modules"))) == 2


KNOWN = ["readonly_root.recipe", "readonly_root.pivot", "chown_setid.chmod", "chown_setid.cleared", "debian-6.1", "debian-6.12",
         "debian-7.3", "guix-daemon", "ro", "local"]


@pytest.mark.parametrize(("name", "near"), [
    ("readonly_root.recip", "readonly_root.recipe"), ("readonly_rot.pivot", "readonly_root.pivot"), ("r", "ro"),
    ("debain-6.12", "debian-6.12"), ("Debian-7.3", "debian-7.3"), ("CHOWN_SETID.CLEARED", "chown_setid.cleared"),
    ("guixdaemon", "guix-daemon"), ("guix", "guix-daemon"), ("recipe", "readonly_root.recipe"), ("lcoal", "local"),
    ("chown.cleared", "chown_setid.cleared"),
    # One of an area or of a series is no better guess than another, and another number is another thing.
    ("readonly_root", ""), ("readonly_root.xyz", ""), ("chown_setid.foo", ""), ("foo", ""), ("", ""),
    ("debian-6.13", ""), ("debian-6", ""), ("debian", ""), ("debian-6.3", ""), ("debian-six", ""),
])
def test_only_what_comes_close_is_suggested(name: str, near: str) -> None:
    assert catalog.nearest(name, KNOWN) == (f" (did you mean {near}?)" if near else "")
    assert catalog.nearest(name, []) == ""


@pytest.mark.parametrize(("name", "suggested"), [
    ("debain-6.12", "did you mean debian-6.12?"), ("locale", "did you mean local?"),
])
def test_an_unknown_column_comes_with_the_nearest_one(name: str, suggested: str) -> None:
    with pytest.raises(KsemError, match=name) as caught:
        catalog.column(name, [Column("debian-6.12", "qemu", "debian:6.12")])
    assert suggested in str(caught.value)
    assert "`ksem kernels`" in str(caught.value)


def test_an_unknown_column_without_any_near_one_suggests_none() -> None:
    with pytest.raises(KsemError) as caught:
        catalog.column("zzz", [])
    assert "did you mean" not in str(caught.value)


def test_a_project_is_found_from_inside_it(tmp_path: Path) -> None:
    root = project(tmp_path, {"area/thing": CASE_TEXT})
    assert catalog.project(root / "cases" / "area") == root
    assert catalog.project(root) == root


def test_outside_of_a_project_the_mend_is_named(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match="change to one"):
        catalog.project(tmp_path)


def test_the_cases_and_columns_of_this_project_are_sound() -> None:
    root = catalog.project(Path(__file__).parent)
    assert catalog.behaviours(root)
    assert "debian-6.12" in [column.name for column in catalog.entries(root)]


@pytest.mark.parametrize("line", ["import os", "from time import sleep", "from pathlib import Path", "import os.path as p"])
def test_a_case_that_would_ask_another_machine_is_refused(tmp_path: Path, line: str) -> None:
    root = project(tmp_path, {"area/thing": f"{line}\n{CASE_TEXT}"})
    with pytest.raises(KsemError, match=r"thing\.py: \w+ asks the machine that observe runs on"):
        catalog.behaviours(root)

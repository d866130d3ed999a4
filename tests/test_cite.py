"""What is pasted into a mail: 72 columns of ASCII, whatever a kernel says, with the calls that decide and an honest count.

Guards: a mail that a kernel's release could write into, a trace that was cut without saying so, evidence of the wrong kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import project
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem import catalog, cite, drift, matrix, store, strace
from ksem.guest.case import Case, Rule
from ksem.matrix import Matrix
from ksem.model import Evidence, KsemError
from ksem.seen import is_told
from ksem.wrap import ascii_only, fill, printable

Event = list[Any]


def call(name: str = "chown", result: str = "0", process: str = "main",
         arguments: Sequence[str] = ('"file"', "0", "0")) -> Event:
    return [process, "mnt:1 user:0", name, list(arguments), result]


def made(rules: Case, *columns: Evidence) -> Matrix:
    return matrix.build([behaviour(rules)], columns)


def text(found: Matrix, **options: Any) -> str:
    return cite.cite(found, found.sections[0], **options)


RULES = case((Rule({"is": "new"}, since="6.6", backports=("6.1.50",), cites="abc"), Rule({"is": "old"})),
             cites=("chown(2), 'DESCRIPTION'",), documented="chown(2) does not say so.")


def column(release: str, value: str, *events: Event, name: str = "", **environment: str) -> Evidence:
    surroundings = {"backend": "qemu", "accelerator": "tcg", "architecture": "x86_64",
                    "package": f"{release}-cloud-amd64 {release}-1", **environment}
    return evidence(name or f"debian-{release.rpartition('.')[0]}", release, cell({"is": value}, trace=tuple(events)),
                    environment=surroundings)


OLD = column("5.10.7", "old", call("chmod"), call(result="EPERM"))
NEW = column("6.12.3", "new", call("chmod"), call())
NEWEST = column("7.3.4", "new", call("chmod"), call())


def test_a_mail_has_all_that_a_sceptic_asks_for() -> None:
    assert text(made(RULES, OLD, NEW, NEWEST)) == """\
It is so.

Sources:
  chown(2), 'DESCRIPTION'

Documentation that says otherwise, or less:
  chown(2) does not say so.

Seen on Linux, as expected on 3 of 3 releases; where they differ:
  5.10.7:
    is: old
  6.12.3, 7.3.4:
    is: new
  since 6.6 (abc), seen between 5.10.7 and 6.12.3; backported to 6.1.50

On Linux 6.12.3-cloud-amd64 6.12.3-1, x86_64, qemu (tcg):
  (2 calls)
  main, in mnt:1 user:0:
    chmod("file", 0, 0) = 0
    chown("file", 0, 0) = 0
        (on 5.10.7: -1 EPERM)

Run it again:
  ksem run debian-6.12.3 -k area.thing
"""


def test_kernels_that_agree_take_one_line_and_the_newest_is_shown() -> None:
    told = text(made(case(), *(column(f"6.{number}.1", "so", call()) for number in range(4))))
    assert "  all 4 releases from 6.0.1 to 6.3.1 agree with the claim\n" in told
    assert "On Linux 6.3.1-cloud-amd64" in told


def test_the_column_whose_calls_are_shown_can_be_chosen() -> None:
    told = text(made(RULES, OLD, NEW, NEWEST), on="debian-5.10")
    assert "On Linux 5.10.7-cloud-amd64" in told
    assert 'chown("file", 0, 0) = -1 EPERM' in told
    with pytest.raises(KsemError, match=r"nothing is known of area.thing on debian-9"):
        text(made(RULES, OLD), on="debian-9")


def test_what_nobody_knows_cannot_be_cited() -> None:
    with pytest.raises(KsemError, match=r"nothing is known of area.thing on any column: `ksem run` makes evidence$"):
        text(made(RULES, evidence("debian-6.1", "6.1.9")))
    lacking = evidence("debian-6.1", "6.1.9", cell(None, status="unsupported", reason="needs root outside"))
    with pytest.raises(KsemError, match=r"nothing is known of area.thing on debian-6.1: could not be run: needs root outside$"):
        text(made(RULES, lacking), on="debian-6.1")


def test_what_is_not_known_is_told_with_its_reason_and_is_no_kernel_that_agrees() -> None:
    missing = evidence("debian-6.9", "6.9.1", cell(status="unsupported", reason="no filesystem xfs: there is no such module"))
    told = text(made(case(), column("6.1.9", "so", call()), missing, column("6.12.3", "so", call())))
    assert "  6.1.9, 6.12.3 agree with the claim\n  not known of 6.9.1: could not be run: no filesystem xfs: there is" in told


def test_one_release_in_two_environments_is_one_kernel_unless_they_disagree() -> None:
    machine = column("6.12.3", "new", call(), name="debian-13-vagrant", backend="vagrant")
    assert "  6.12.3 agrees with the claim\n" in text(made(RULES, NEW, machine))
    assert "  6.12.3 (debian-13-vagrant):\n    is: odd\n" in text(made(RULES, NEW, column(
        "6.12.3", "odd", call(), name="debian-13-vagrant")))


def test_a_kernel_booted_by_itself_decides_before_a_machine() -> None:
    """Anybody can run it again, and nothing but the kernel is in it."""
    def machine(release: str, value: str, result: str) -> Evidence:
        return column(release, value, call("chmod"), call(result=result), name=f"machine-{release}", backend="vagrant")

    told = text(made(RULES, machine("5.10.6", "old", "EROFS"), OLD, machine("6.12.3", "new", "0"), NEW, NEWEST))
    assert "ksem run debian-6.12.3 " in told
    assert "(on 5.10.7: -1 EPERM)" in told
    told = text(made(RULES, OLD, machine("6.1.40", "old", "EROFS"), machine("6.12.1", "new", "0"), NEW, NEWEST))
    assert "ksem run debian-6.12.3 " in told
    assert "(on 5.10.7: -1 EPERM)" in told
    # What no other tells, a machine does.
    assert "ksem run machine-6.12.1 " in text(made(RULES, OLD, machine("6.12.1", "new", "0")))
    assert "(on 6.1.40: -1 EROFS)" in text(made(RULES, machine("6.1.40", "old", "EROFS"), NEW))
    agreed = text(made(RULES, NEW, machine("7.3.4", "new", "0")))
    assert "ksem run debian-6.12.3 " in agreed


def test_what_is_not_as_expected_is_said() -> None:
    told = text(made(RULES, column("6.12.3", "old", call())))
    assert "  6.12.3 does not agree with the claim\n" in told
    assert "  not as expected on debian-6.12:\n    is: old; expected: new\n" in told
    both = [column(release, "old", call()) for release in ("6.12.3", "7.3.4")]
    assert "  6.12.3, 7.3.4 agree with each other, not with the claim\n" in text(made(RULES, *both))


def test_what_is_not_as_expected_is_told_with_the_expectation_and_a_trace_of_it() -> None:
    """Also where other parameter sets are the ones that the claim speaks of, and where it is not the newest kernel."""
    rules = case({"is": "EPERM"}, claim="With ro it is EPERM.", params=SETS, shown_with={"flag": "ro"})
    columns = [seen_with("6.1.1", "EPERM", "EPERM"), seen_with("6.2.1", "EPERM", "EIO"), seen_with("6.3.1", "EPERM", "EPERM")]
    wrong = "  not as expected on debian-6.2:\n    is [flag=nosuid]: EIO; expected: EPERM\n"
    for seen in (columns[1:2], columns):
        told = text(made(rules, *seen))
        assert wrong in told
        assert "On Linux 6.2.1, qemu:\n  with flag=nosuid\n  (1 call)\n" in told
        assert "= -1 EIO\n" in told
    assert wrong not in text(made(rules, *columns), sets=[{"flag": "ro"}])
    assert "On Linux 6.1.1, qemu:\n  with flag=nosuid\n" in text(made(rules, *columns), on="debian-6.1")


def test_the_calls_that_are_shown_are_of_the_value_that_is_not_as_expected() -> None:
    events = [call("chown", "EIO", arguments=['"a"']), *(call("mkdir", "EPERM", arguments=['"b"']) for _ in range(9))]
    rules = case({"is": "so"}, claim="It is EPERM.")
    told = text(made(rules, evidence("debian-6.1", "6.1.1", cell({"is": "EIO"}, trace=tuple(events)))), calls=1)
    assert '    chown("a") = -1 EIO\n' in told
    told = text(made(rules, evidence("debian-6.1", "6.1.1", cell({"is": "so"}, trace=tuple(events)))), calls=1)
    assert '    mkdir("b") = -1 EPERM\n' in told


def test_columns_that_differ_alike_are_told_once_and_of_many_values_some() -> None:
    values = {str(number): str(number) for number in range(9)}
    odd = dict.fromkeys(values, "odd")
    columns = [evidence(f"debian-{release}", release, cell(one, trace=(call(),))) for release, one in (
        ("6.1.1", odd), ("6.2.1", odd), ("6.3.1", {**values, "3": ""}), ("6.4.1", {"was": "so"}))]
    told = text(made(case(values), *columns))
    assert "  not as expected on debian-6.1.1, debian-6.2.1:\n    0: odd; expected: 0\n    1: odd; expected: 1\n" in told
    assert "    5: odd; expected: 5\n    (and 3 more values)\n  not as expected on debian-6.3.1:\n    3: (nothing); ex" in told
    assert "  not as expected on debian-6.4.1:\n    0: absent; expected: 0\n" in told


def test_on_how_many_releases_it_is_as_expected_is_said_first() -> None:
    """The claim is of new kernels: an older one that all is expected of may show nothing of it."""
    told = text(made(RULES, OLD, NEW, column("7.3.4", "odd", call())))
    assert "\nSeen on Linux, as expected on 2 of 3 releases; where they differ:\n" in told
    assert "  5.10.7 agrees with what is expected of older releases\n" in text(made(RULES, OLD))


def test_what_has_another_shape_is_not_told_as_absent() -> None:
    rules = case((Rule({"call": {"result": "ok", "flags": ""}}, since="6.6", cites="abc"), Rule({"call": "EINVAL"})))
    found = made(rules, *(evidence(f"debian-{release}", release, cell(one, trace=(call(),))) for release, one in (
        ("6.1.9", {"call": "EINVAL"}), ("6.12.3", {"call": {"result": "ok", "flags": ""}}))))
    assert "  6.1.9:\n    call: EINVAL\n  6.12.3:\n    call.result: ok\n    call.flags: (nothing)\n" in text(found)
    absent = made(case({"is": "so"}), column("6.1.9", "so", call()), evidence("debian-6.12", "6.12.3", cell({"was": "so"})))
    assert "  6.12.3:\n    is: absent\n    was: so\n" in text(absent)


def test_alternatives_with_commas_in_them_are_told_apart() -> None:
    flags = {"flag": ("ro", "ro, nosuid", "nodev")}
    rules = case({"is": "so"}, params=flags)
    columns = [evidence(f"debian-{release}", release, *(cell({"is": value if flag != "nodev" else "so"}, {"flag": flag}, trace=(
        call(),)) for flag in flags["flag"])) for release, value in (("6.1.9", "so"), ("6.12.3", "odd"))]
    assert "    is [flag=ro | ro, nosuid]: odd\n" in text(made(rules, *columns))


def test_the_parameter_set_is_the_one_that_the_claim_speaks_of() -> None:
    rules = case({"is": "so"}, claim="A stranger gets EPERM.", params={"caller": ("root", "a stranger")})
    cells = [cell({"is": "so"}, {"caller": "root"}, trace=(call(),)),
             cell({"is": "so"}, {"caller": "a stranger"}, trace=(call(result="EPERM"), *(call("statx") for _ in range(9))))]
    told = text(made(rules, evidence("debian-6.1", "6.1.9", *cells)), calls=3)
    assert "  with caller=a stranger\n  (3 of 10 calls; left out: 7 after these)\n" in told
    assert "= -1 EPERM" in told
    assert "with caller=root" in text(made(rules, evidence("debian-6.1", "6.1.9", *cells)), sets=[{"caller": "root"}])


SETS = {"flag": ("ro", "nosuid")}


def seen_with(release: str, *seen: str | None) -> Evidence:
    """A column of the two flags; None is a parameter set that was not run."""
    cells = (cell({"is": one}, {"flag": flag}, trace=(call(result=one),))
             for one, flag in zip(seen, SETS["flag"], strict=True) if one)
    return evidence(f"debian-{release.rpartition('.')[0]}", release, *cells)


def test_a_kernel_agrees_only_in_what_was_run_there() -> None:
    told = text(made(case(params=SETS), *(seen_with(f"6.{number}.1", "so", "so") for number in range(3)),
                     seen_with("6.3.1", "so", None), seen_with("6.4.1", "so", "so")))
    assert "  6.0.1 to 6.2.1, 6.4.1 (4 releases) agree with the claim\n  6.3.1 agrees in 1 of 2 parameter sets; the" in told
    assert "all 5" not in told


def test_a_kernel_is_in_no_group_by_what_was_not_run_there() -> None:
    told = text(made(case(params=SETS), seen_with("6.0.1", "so", "old"), seen_with("6.1.1", "so", None),
                     seen_with("6.2.1", "so", "new")))
    assert "  6.0.1:\n    is [flag=nosuid]: old\n  6.2.1:\n    is [flag=nosuid]: new\n" in told
    assert "  6.1.1 is known in 1 of 2 parameter sets; the others: not run\n" in told


def test_no_two_groups_look_alike_where_only_some_of_the_values_are_shown() -> None:
    seen = [{**{f"v{number}": str(release > 1) for number in range(9)}, "z": str(release > 2)} for release in (1, 2, 3)]
    told = text(made(case({"is": "so"}), *(evidence(f"debian-6.{number}", f"6.{number}.1", cell(one, trace=(call(),)))
                                           for number, one in enumerate(seen))))
    blocks = [block.partition("\n")[2] for block in told.split("\n  6.")[1:]]
    assert len({block.partition("    (and 4 more values)")[0] for block in blocks}) == 3


def test_a_value_that_two_groups_could_have_makes_no_member() -> None:
    """Nothing contradicts 6.1.1 in either; what was seen of it is told."""
    rules = case(lambda flag: {"is": flag}, params=SETS)
    told = text(made(rules, seen_with("6.0.1", "a", "old"), seen_with("6.1.1", "a", None), seen_with("6.2.1", "a", "new"),
                     seen_with("6.3.1", "b", "new")))
    assert "  6.1.1:\n    is [flag=ro]: a\n    is [flag=nosuid]: not known\n" in told


def test_the_values_of_kernels_that_support_it_are_shown() -> None:
    """What they differ in first; and where one lacks the call they all tell what they do."""
    lacks = evidence("debian-5.10", "5.10.7", cell(status="unsupported", reason="no system call new"))
    told = text(made(case({"is": "so"}), lacks, column("6.1.1", "ENOENT", call()), column("6.2.1", "ENOENT")))
    assert "  5.10.7:\n    unsupported: no system call new\n  6.1.1, 6.2.1:\n    is: ENOENT\n" in told
    told = text(made(case({"is": "so"}), lacks, column("6.1.1", "one", call()), column("6.2.1", "two", call())))
    assert "  6.1.1:\n    is: one\n  6.2.1:\n    is: two\n" in told
    assert "supported\n" not in told


def test_kernels_that_all_lack_the_call_do_not_agree_that_it_is_so() -> None:
    lacks = [evidence(f"debian-{series}", f"{series}.7", cell(None, {"flag": flag}, status="unsupported", reason="no call"),
                      cell({"is": "so"}, {"flag": other}, trace=(call(),)))
             for series in ("6.1", "6.2") for flag, other in [SETS["flag"]]]
    assert "  6.1.7, 6.2.7:\n    [flag=ro]: unsupported: no call\n" in text(made(case(params=SETS), *lacks))
    with pytest.raises(KsemError, match=r"area.thing was not seen on debian-6.1: unsupported: no call"):
        text(made(case(params=SETS), *lacks), sets=[{"flag": "ro"}], on="debian-6.1")


def many(release: str, *told: dict[str, str] | None) -> Evidence:
    """A column of the two flags, with several values each; None is what it lacks."""
    cells = [cell(one, {"flag": flag}, trace=(call(),)) if one else
             cell(None, {"flag": flag}, status="unsupported", reason="no call")
             for one, flag in zip(told, SETS["flag"], strict=True)]
    return evidence(f"debian-{release.rpartition('.')[0]}", release, *cells)


def test_values_that_change_together_take_one_line() -> None:
    rules, values = case(params=SETS), ("a.b.result", "a.c/d.result", "a.e.result")
    told = text(made(rules, *(many(release, dict.fromkeys(values, value), dict.fromkeys(values, "0"))
                              for release, value in (("6.1.1", "EPERM"), ("6.2.1", "ok")))))
    assert "  6.1.1:\n    a.{b | c/d | e}.result [flag=ro]: EPERM\n  6.2.1:\n    a.{b | c/d | e}.result [flag=ro]: ok\n" in told


def test_of_many_values_that_change_together_some_are_named() -> None:
    values = [f"a.{number}" for number in range(20)]
    told = text(made(case(), *(evidence(f"debian-{release}", release, cell(dict.fromkeys(values, value), trace=(call(),)))
                               for release, value in (("6.1.1", "EPERM"), ("6.2.1", "ok")))))
    assert "  6.2.1:\n    a.{0 | 1 | 2 | 3 | 4 | 5 | and 14 more}: ok\n" in told


def test_what_only_some_kernels_support_is_as_expected_or_is_listed() -> None:
    """That one kernel lacks a call makes no table of what the others do with it."""
    values = {str(number): str(number) for number in range(9)}
    rules = case(lambda flag: values, params=SETS)
    lacks, has = many("5.10.7", None, values), many("6.1.7", values, values)
    assert ("  5.10.7:\n    [flag=ro]: unsupported: no call\n  6.1.7:\n    [flag=ro]: supported, 9 values as expected\n"
            in text(made(rules, lacks, has)))
    odd = text(made(rules, lacks, many("6.1.7", {**values, "3": "odd"}, values)))
    assert "  6.1.7:\n    [flag=ro]: supported, 8 values as expected\n    3 [flag=ro]: odd\n  not as expected on" in odd


def test_what_others_merely_lack_is_no_difference_beside_those_that_are() -> None:
    """Three values in which 6.1.7 differs, and four that are only there because it has the call."""
    had = {f"b{number}": str(number) for number in range(4)}
    new, old = ({f"a{number}": f"{age}{number}" for number in range(3)} for age in ("new", "old"))
    rules = case((Rule(lambda flag: had if flag == "ro" else new, since="6.6", cites="abc"),
                  Rule(lambda flag: had if flag == "ro" else old)), params=SETS)
    told = text(made(rules, many("5.10.7", None, new), many("6.1.7", had, old), many("6.12.3", had, new)))
    assert "more value" not in told
    assert "  6.1.7:\n    [flag=ro]: supported, 4 values as expected\n    a0 [flag=nosuid]: old0\n" in told
    few = text(made(rules, many("5.10.7", None, new), many("6.1.7", {"b0": "0"}, old), many("6.12.3", {"b0": "0"}, new)))
    assert "  6.1.7:\n    a0 [flag=nosuid]: old0\n    b0 [flag=ro]: 0\n" in few


def test_where_not_all_parameter_sets_could_be_run_is_said_with_how_many_releases_agree() -> None:
    values = {"is": "so"}
    whole = [many(release, values, values) for release in ("6.1.7", "6.2.7")]
    told = " ".join(text(made(case(params=SETS), many("5.10.7", None, values), *whole)).split())
    assert "as expected on 3 of 3 releases (all 2 parameter sets on 2 of them, some on 5.10.7); where they differ:" in told
    odd = " ".join(text(made(case(params=SETS), many("5.10.7", None, {"is": "odd"}), *whole)).split())
    assert "as expected on 2 of 3 releases (all 2 parameter sets on 2 of them, some on 5.10.7); where" in odd
    none = " ".join(text(made(case(params=SETS), many("5.10.7", None, values), many("6.1.7", values, None))).split())
    assert "as expected on 2 of 2 releases (all 2 parameter sets on none of them, some on 5.10.7, 6.1.7); where" in none


def test_of_many_groups_each_tells_what_is_not_as_the_one_above() -> None:
    told = text(made(case(), *(evidence(f"debian-6.{number}", f"6.{number}.1", cell(
        {"ABI": str(number), "a": str(number > 0), "b": str(number > 1)}, trace=(call(),))) for number in range(4))))
    assert "  6.0.1:\n    ABI: 0\n    a: False\n    b: False\n  6.1.1:\n    ABI: 1\n    a: True\n    b: False\n" in told
    assert "  6.2.1:\n    ABI: 2\n    a: True\n    b: True\n  6.3.1, as above but:\n    ABI: 3\n" in told


def test_a_change_that_every_kernel_has_says_who_has_it_by_a_backport() -> None:
    told = " ".join(text(made(RULES, column("6.1.60", "new", call()), NEW)).split())
    assert ("6.1.60, 6.12.3 agree with the claim since 6.6 (abc);"
            " backported to 6.1.50: so 6.1.60 has it too; no kernel without it was asked"
            in told)
    assert "6.12.3 agrees with the claim since 6.6 (abc); backported to 6.1.50; no kernel without it was asked" in " ".join(
        text(made(RULES, NEW)).split())


def test_a_backport_that_some_values_do_not_show_is_had_in_part() -> None:
    rules = case((Rule({"is": "new"}, since="6.6", backports=("5.10.5",), cites="abc"), Rule({"is": "old"})), params=SETS)
    told = " ".join(text(made(rules, seen_with("5.10.7", "new", "old"), seen_with("6.12.3", "new", "new"))).split())
    assert "since 6.6 (abc), seen between 5.10.7 and 6.12.3; backported to 5.10.5: so 5.10.7 has some of it not as" in told


def test_what_a_kernel_lacks_in_some_sets_is_one_line() -> None:
    lacks = evidence("debian-5.10", "5.10.7", cell(None, {"flag": "ro"}, status="unsupported", reason="no call"),
                     cell({"is": "so", "also": "so"}, {"flag": "nosuid"}, trace=(call(),)))
    has = evidence("debian-6.1", "6.1.7", *(cell({"is": "so", "also": "so"}, {"flag": flag}, trace=(call(),))
                                            for flag in SETS["flag"]))
    assert "  5.10.7:\n    [flag=ro]: unsupported: no call\n  6.1.7:\n    {is | also} [flag=ro]: so\n" in text(
        made(case(params=SETS), lacks, has))


def test_where_kernels_differ_is_shown_then_what_is_cited_then_what_is_claimed() -> None:
    rules = case(lambda flag: {"is": "so"}, claim="With ro it is EPERM.", params=SETS)
    told = text(made(rules, seen_with("6.1.1", "EPERM", "old"), seen_with("6.2.1", "EPERM", "new")))
    assert '  with flag=nosuid\n  (1 call)\n' in told
    assert '= new\n        (on 6.1.1: old)\n' in told
    assert "  ksem run debian-6.2.1 -k area.thing --params flag=nosuid\n" in told
    cited = case((Rule(lambda flag: {"is": "new" if flag == "nosuid" else "EPERM"}, since="6.2", cites="abc"),
                  Rule({"is": "EPERM"})), claim="With ro it is EPERM.", params=SETS)
    assert "with flag=nosuid" in text(made(cited, seen_with("6.2.1", "EPERM", "new")))
    assert "with flag=ro" in text(made(rules, seen_with("6.2.1", "EPERM", "new")))


def test_what_another_kernel_answered_is_noted_as_long_as_it_is_asked_the_same() -> None:
    one = [call("a"), call("b", "EPERM"), call("c"), call("d")]
    assert strace.answers(one, [call("a"), call("b", "0"), call("c", "3"), call("e")]) == {1: "0", 2: "3", 3: "not made"}
    assert strace.answers(one, one[:2]) == {2: "not made"}
    assert strace.answers(one, one) == strace.answers(one[:2], one) == {}


def test_of_a_table_of_files_the_line_of_the_one_in_focus_is_kept() -> None:
    events = [call("chown", str(number), arguments=[f'"{file}"']) for file in "abcdefgh" for number in range(6)]
    assert strace.cut(events, 20, 6) == (list(range(18, 24)), "42 about other files")
    # Room that is left has what came right before.
    assert strace.cut(events, 20, 9) == (list(range(15, 24)), "39 about other files")
    assert strace.cut([*events[:18], call("fork", arguments=()), *events[18:]], 21, 6) == (
        list(range(18, 24))[:1] + list(range(19, 24)), "42 about other files, 1 after these")


def test_of_a_table_of_files_other_lines_that_show_the_same_are_named_once_each() -> None:
    """A claim of many files, or flags, is not shown by what became of the last of them."""
    events = [call("chown", result="EPERM" if number % 2 else "0", arguments=[f'"{file}"', str(number)])
              for file in "abcdefgh" for number in range(6)]
    telling = [number for number in range(48) if number % 2]
    assert strace.cut(events, 47, 12, telling) == ([1, 7, 13, 19, 25, 31, *range(42, 48)], "36 about other files")
    assert strace.cut(events, 47, 6, telling) == ([1, 7, 13, 45, 46, 47], "39 about other files, 3 before these")


def test_what_a_file_is_in_is_about_it() -> None:
    mount = call("mount", arguments=['"top"', '"top"'])
    files = ("other", "topmost", "top")
    events = [mount, *(call(arguments=[f'{{AF_UNIX, "{file}/file"}}']) for file in files for _ in range(9))]
    assert strace.cut(events, 27, 10) == ([0, *range(19, 28)], "18 about other files")
    # Without the mount nobody knows what is asked.
    assert strace.cut(events, 27, 4) == ([0, 25, 26, 27], "18 about other files, 6 before these")


OPENED = call("open", "3", arguments=['"a"', "0", "0000"])
SOCKET = ["AF_UNIX", "SOCK_STREAM", "0"]


@pytest.mark.parametrize(("events", "expected"), [
    ([OPENED, call("fchmod", arguments=["3", "0644"])], "fchmod(3<a>, 0644) = 0"),
    ([OPENED, call("close", arguments=["3"]), call("fchmod", "EBADF", arguments=["3", "0"])],
     "fchmod(3, 0) = -1 EBADF"),
    ([OPENED, call("close_range", arguments=["3", "9", "0"]),
      call("fchmod", "EBADF", arguments=["3", "0"])], "fchmod(3, 0) = -1 EBADF"),
    ([OPENED, call("close_range", arguments=["3", "9", "CLOSE_RANGE_CLOEXEC"]),
      call("fchmod", arguments=["3", "0"])], "fchmod(3<a>, 0) = 0"),
    ([call("open", "ENOENT", arguments=['"a"', "0", "0000"]), call("fchmod", "EBADF", arguments=["ENOENT", "0"])],
     "fchmod(ENOENT, 0) = -1 EBADF"),
    ([call("socket", "3", arguments=SOCKET), call("copy_file_range", "9", arguments=["4", "NULL", "3", "NULL", "9", "0"])],
     "copy_file_range(4, NULL, 3<socket>, NULL, 9, 0) = 9"),
    # A child has what its parent had, and no more.
    ([OPENED, call("fork", "<child>", arguments=[]),
      call("open", "4", arguments=['"b"', "0", "0000"]),
      call("copy_file_range", "9", "child", ["3", "NULL", "4", "NULL", "9", "0"])],
     "copy_file_range(3<a>, NULL, 4, NULL, 9, 0) = 9"),
    ([OPENED, call("fchmod", "EBADF", "other", ["3", "0"])], "fchmod(3, 0) = -1 EBADF"),
    # The other one is of the process that is asked.
    ([call("pidfd_open", "3", arguments=["getppid()", "0"]), call("pidfd_getfd", "4", arguments=["3", "3", "0"])],
     "pidfd_getfd(3<pidfd_open>, 3, 0) = 4"),
])
def test_of_a_descriptor_it_is_said_what_it_is_where_nobody_sees_it_opened(events: list[Event], expected: str) -> None:
    last = len(events) - 1
    assert strace.spelled(events[last], strace.origins(events, [last]).get(last, {})) == expected
    assert strace.origins(events, range(len(events))) == {}


def test_of_parameter_sets_that_are_spoken_of_alike_the_one_with_more_words_is_shown() -> None:
    rules = case({"is": "so"}, claim="An owner outside the group without CAP_FSETID loses it.", params={
        "caller": ("owner", "owner outside the group", "owner outside the group with CAP_FSETID")})
    cells = [cell({"is": "so"}, {"caller": caller}, trace=(call(),)) for caller in rules.params["caller"]]
    assert "with caller=owner outside the group" in text(made(rules, evidence("debian-6.1", "6.1.9", *cells)))


def test_what_a_case_says_is_shown_comes_before_what_its_words_tell() -> None:
    rules = case({"is": "so"}, claim="With nosuid it is so.", params=SETS, shown_with={"flag": "ro"})
    assert "with flag=ro" in text(made(rules, seen_with("6.1.1", "so", "so")))
    assert "with flag=nosuid" in text(made(rules, seen_with("6.1.1", None, "so")))


def test_a_reproducer_is_added_as_it_is() -> None:
    told = text(made(RULES, NEW), reproducer="int main(void)\n{\n}\n")
    assert told.endswith("\n\nA program that shows it:\n\nint main(void)\n{\n}\n")


HOSTILE = "6.1.9\n\n.\nFrom: me\n<b>\x1b[2J\u2028\U0001F600" + "x" * 90


def test_a_kernel_cannot_write_into_the_mail() -> None:
    hostile = evidence(f"debian-{HOSTILE}", HOSTILE, cell({"is": HOSTILE}, {}, reason=HOSTILE, trace=(
        [HOSTILE, HOSTILE, "chown", [f'"{HOSTILE}"'], HOSTILE],)), environment={"backend": HOSTILE, "package": HOSTILE})
    told = text(made(case({"is": HOSTILE}, claim=HOSTILE, documented=HOSTILE), hostile))
    assert told.isascii()
    assert all(line.isprintable() and not line.startswith(("From:", ".", "<b>")) for line in told.splitlines())


@given(st.text(max_size=200), st.text(max_size=300))
def test_a_mail_is_as_wide_as_a_mail(words: str, value: str) -> None:
    found = made(case({"is": value}, claim=words or "x"), evidence("debian-6.1", "6.1.9", cell({"is": value}, trace=(
        call(result=value), call(arguments=[value]))), environment={"backend": words}))
    told = text(found)
    assert told.isascii()
    assert max(map(len, told.splitlines())) <= cite.WIDTH


@given(st.lists(st.sampled_from((call(), call("close"), call("mkdir"), call("mkdir", "EEXIST"), call("open", "3"))), min_size=1,
                max_size=40), st.integers(1, 12), st.data())
def test_what_is_left_out_of_a_trace_is_counted(events: list[Event], room: int, data: st.DataObject) -> None:
    focus = data.draw(st.integers(0, len(events) - 1))
    numbered = [[*event[:3], [str(number)], event[4]] for number, event in enumerate(events)]
    kept, told = strace.cut(numbered, focus, room)
    counts = [int(part.split()[0]) for part in told.split(", ") if part]
    assert len(kept) + sum(counts) == len(events)
    assert len(kept) <= max(room, 1)
    assert focus in kept
    assert kept == sorted(kept)


@pytest.mark.parametrize(("event", "expected"), [
    (call(result="EPERM"), 'chown("file", 0, 0) = -1 EPERM'), (call(result="3"), 'chown("file", 0, 0) = 3'),
    (call("mountinfo", "{}", arguments=['"top"']), 'mountinfo("top") -> {}'),
    (call("mountinfo", "ENOENT", arguments=['"top"']), 'mountinfo("top") -> ENOENT'),
    (call("read_file", "x" * 300, arguments=[]), f"read_file() -> {'x' * 200}... (100 more characters)"),
    (call(arguments=[f'"{"x" * 64}"', f'"{"x" * 65}"']), f"""chown("{'x' * 64}", "{'x' * 64}"...) = 0"""),
    (call("bind", arguments=[f'{{AF_UNIX, "{"x" * 80}"}}', "110"]), f"""bind({{AF_UNIX, "{'x' * 64}"...}}, 110) = 0"""),
    (call("write", arguments=["4", r'"%s"' % (r"\000" * 40 + r'\"' * 40), "80"]),
     r'write(4, "%s"..., 80) = 0' % (r"\000" * 40 + r'\"' * 24)),
    (call("mount", arguments=['"a"', "MS_BIND|" * 20, '"b"']), f'mount("a", {"MS_BIND|" * 20}, "b") = 0'),
    (call("getxattr", "\x01\udcff\udc80", arguments=[]), r"getxattr() = \x01\xff\x80"),
])
def test_a_call_is_spelled_as_strace_does(event: Event, expected: str) -> None:
    assert strace.spelled(event) == expected


def test_another_process_or_namespace_has_a_heading_and_flags_break_between_them() -> None:
    flags = "|".join(f"MS_FLAG{number}" for number in range(12))
    told = strace.lines([call(), call(process="child"), call("mount", arguments=[flags])], range(3), {}, 72, {})
    assert [line for line in "\n".join(told).splitlines() if not line.startswith("    ")] == [
        "  main, in mnt:1 user:0:", "  child, in mnt:1 user:0:", "  main, in mnt:1 user:0:"]
    assert "".join(line.strip() for line in told[-1].splitlines()) == f"mount({flags}) = 0"
    assert all(line.endswith(("|", "= 0")) for line in told[-1].splitlines())


@given(st.text(), st.integers(20, 100))
def test_a_paragraph_holds_no_control_character_and_fits(words: str, width: int) -> None:
    told = fill(words, width, "  ", "    ", "|", (" = ",))
    assert all(line.isprintable() and len(line) <= max(width, 24) for line in told.split("\n"))
    assert printable(printable(words)) == printable(words)
    assert ascii_only(words).isascii()


def test_drift_lists_what_is_documented_otherwise_by_page() -> None:
    quiet = case({"is": "so"})
    both = [behaviour(RULES, "area.thing"), behaviour(quiet, "area.quiet"),
            behaviour(case({"is": "so"}, documented="See overlayfs.rst and chown(2)."), "area.dark")]
    found = matrix.build(both, [OLD, NEW])
    assert {page: [one.behaviour.name for one in sections] for page, sections in drift.by_page(found).items()} == {
        "chown(2)": ["area.thing"], "overlayfs.rst": ["area.dark"]}
    assert [list(drift.by_page(found, [page])) for page in ("chown", "chown(2)", "mount")] == [["chown(2)"], ["chown(2)"], []]
    assert drift.text(found, ["chown"]).startswith("2 claims about 1 page where")
    told = drift.text(found)
    assert told.startswith("2 claims about 2 pages where documentation says something else than")
    assert "1 of them confirmed on Linux 5.10.7 to\n6.12.3." in told
    assert "\nchown(2)\n========\n\narea.thing\n----------\nDocumented: chown(2) does not say so.\n\nKernels: It is so." in told
    assert "\narea.dark\n---------\nDocumented: See overlayfs.rst and chown(2).\n\nKernels: It is so.\n\nNot conf" in told


def test_claims_about_no_page_are_counted_by_themselves() -> None:
    texts = ("Nothing says so.", "See chown(2).", "See chown(2) too.")
    found = matrix.build([behaviour(case(documented=one), f"area.n{number}") for number, one in enumerate(texts)], [NEW])
    told = " ".join(drift.text(found).split())
    assert told.startswith("3 claims, 2 about 1 page and 1 about no page in particular, where documentation says something")
    assert drift.text(found, ["chown"]).startswith("2 claims about 1 page where documentation")
    assert drift.text(found, [drift.NOWHERE]).startswith("1 claim about no page in particular where documentation")


def test_a_file_of_the_kernel_is_one_page_however_it_is_spelled() -> None:
    texts = ("See overlayfs.rst.", "See Documentation/filesystems/overlayfs.rst.")
    found = matrix.build([behaviour(case(documented=one), f"area.n{number}") for number, one in enumerate(texts)], [NEW])
    for wanted in ([], ["overlayfs.rst"], ["Documentation/filesystems/overlayfs.rst"]):
        assert {page: len(sections) for page, sections in drift.by_page(found, wanted).items()} == {"overlayfs.rst": 2}


def test_a_claim_that_a_kernel_contradicts_is_not_confirmed() -> None:
    assert drift.is_confirmed(made(RULES, OLD, NEW).sections[0])
    assert not drift.is_confirmed(made(RULES, OLD, column("6.12.3", "odd")).sections[0])
    assert not drift.is_confirmed(made(RULES, evidence("a", "6.1")).sections[0])


def test_every_claim_of_the_project_can_be_cited_and_its_drift_is_confirmed() -> None:
    """Those of which there is evidence: a new case, or a new question of an old one, comes before it."""
    columns = [one for one in store.read(project.ROOT / "results") if one.column.startswith("debian-")]
    cited = 0
    for one in catalog.behaviours(project.ROOT):
        found = matrix.build([one], columns)
        if any(is_told(result.cell) for result in found.results()):
            told = text(found)
            cited += 1
            assert told.isascii()
            assert max(map(len, told.splitlines())) <= cite.WIDTH, one.name
            assert not one.case.documented or drift.is_confirmed(found.sections[0]), one.name
    assert cited > 90

"""Debian's archive: which kernels it offers, and which of them a column means.

Guards: what a kernel is packaged as changed three times, packages of a kernel vanish one by one, and a backport has
nearly the version of its original. The wrong pick would put evidence under the wrong release.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ksem.kernels import debian
from ksem.kernels.debian import Offer
from ksem.model import Column, Say, Unavailable

LARGE, SMALL = 46_000_000, 1_400


def package(name: str, version: str, size: int) -> str:
    """A record as `apt-cache dumpavail` prints it, shortened."""
    return (f"Package: {name}\nSource: linux-signed-amd64 ({version.replace('-', '+')})\nVersion: {version}\n"
            f"Installed-Size: 73728\nArchitecture: amd64\nDepends: kmod, linux-base (>= 4.3~)\n"
            f"Description-en: Linux\n Package: not this one\n Size: nor this\nFilename: pool/main/l/{name}.deb\nSize: {size}\n"
            "SHA256: 00\n")


AVAILABLE = "\n".join([
    package("bash", "5.2.15-2+b9", 1_000_000),
    # The old layout, and the package that always names the newest.
    package("linux-image-5.10.0-46-cloud-amd64", "5.10.262-1", LARGE),
    package("linux-image-cloud-amd64", "5.10.262-1", SMALL),
    package("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2", LARGE),
    package("linux-image-6.1.0-56-amd64", "6.1.192-2", LARGE),
    package("linux-image-6.1.0-56-cloud-amd64-dbg", "6.1.192-2", LARGE),
    package("linux-image-6.1.0-56-cloud-amd64-unsigned", "6.1.192-2", LARGE),
    package("linux-headers-6.1.0-56-cloud-amd64", "6.1.192-2", LARGE),
    # Two versions of one name.
    package("linux-image-6.12.90+deb13-cloud-amd64", "6.12.90-1", LARGE),
    package("linux-image-6.12.90+deb13-cloud-amd64", "6.12.90-2", LARGE),
    # The split layout whose modules are gone.
    package("linux-image-6.19.6+deb13-cloud-amd64", "6.19.6-2~bpo13+1", SMALL),
    package("linux-binary-6.19.6+deb13-cloud-amd64", "6.19.6-2~bpo13+1", LARGE),
    # The split layout, whole.
    package("linux-image-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", SMALL),
    package("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", LARGE),
    package("linux-base-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", 200_000),
    package("linux-modules-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", LARGE),
    # What is left of a kernel without its image.
    package("linux-modules-7.2.1+deb14-cloud-amd64", "7.2.1-1", LARGE),
])


def offer(version: str, name: str = "", *packages: str) -> Offer:
    """An offer named after its version; whole unless its packages are given."""
    return Offer(name or f"{version.partition('-')[0]}+deb13-cloud-amd64", version, packages or ("image",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of Debian's kernels, the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ksem" / "debian"


def fetch(home: Path, made: Offer, *paths: str) -> None:
    """Put a kernel into the cache as if it had been fetched."""
    tree = home / "kernels" / made.directory
    for name in paths:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text("")
    (tree / "offer.json").write_text(json.dumps({"name": made.name, "version": made.version, "packages": list(made.packages)}))


def test_offers_are_read_from_apts_list_of_packages() -> None:
    assert list(debian._offers(AVAILABLE)) == [
        Offer("5.10.0-46-cloud-amd64", "5.10.262-1", ("image",)),
        Offer("6.1.0-56-cloud-amd64", "6.1.192-2", ("image",)),
        Offer("6.12.90+deb13-cloud-amd64", "6.12.90-1", ("image",)),
        Offer("6.12.90+deb13-cloud-amd64", "6.12.90-2", ("image",)),
        Offer("6.19.6+deb13-cloud-amd64", "6.19.6-2~bpo13+1", ("binary",)),
        Offer("7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", ("base", "binary", "modules")),
    ]


def test_no_list_offers_nothing() -> None:
    assert list(debian._offers("")) == []


@pytest.mark.parametrize(("name", "release", "complete"), [
    ("5.10.0-46-cloud-amd64", "5.10.262", True), ("6.1.0-56-cloud-amd64", "6.1.192", True),
    ("6.19.6+deb13-cloud-amd64", "6.19.6", False), ("7.3.4+deb13-cloud-amd64", "7.3.4", True),
])
def test_an_offer_knows_its_release_and_whether_it_has_modules(name: str, release: str, complete: bool) -> None:
    found = next(one for one in debian._offers(AVAILABLE) if one.name == name)
    assert (found.release, found.complete) == (release, complete)


def test_a_candidate_is_a_release_of_its_own() -> None:
    assert offer("6.19~rc4-1~exp1").release == "6.19-rc4"


@pytest.mark.parametrize(("wanted", "version"), [
    ("6.12", "6.12.117-1"), ("6.12.90", "6.12.90-2"), ("6.12.90+deb13", "6.12.90-2"),
    ("6.12.90+deb13-cloud-amd64", "6.12.90-2"),
    ("6.1", "6.1.192-2"), ("6.1.192", "6.1.192-2"), ("6.1.0-56", "6.1.192-2"), ("6.1.0-56-cloud-amd64", "6.1.192-2"),
    ("6.19-rc4", "6.19~rc4-1"), ("6.19", "6.19.1-1"),
])
def test_a_column_is_a_series_a_release_or_a_name(wanted: str, version: str) -> None:
    offers = [offer("6.12.90-1"), offer("6.12.117-1"), offer("6.12.90-2"), offer("6.1.192-2", "6.1.0-56-cloud-amd64"),
              offer("6.1.190-1", "6.1.0-55-cloud-amd64"), offer("6.19~rc4-1"), offer("6.19.1-1")]
    assert debian.matching(wanted, offers)[0].version == version


@pytest.mark.parametrize("wanted", ["6.2", "6.12.9", "6", "6.1.0", "12.90", ""])
def test_a_column_that_nothing_is_offered_for_matches_nothing(wanted: str) -> None:
    assert debian.matching(wanted, [offer("6.12.90-1"), offer("6.1.192-2", "6.1.0-56-cloud-amd64")]) == []


def test_a_whole_kernel_is_better_than_a_newer_one_without_modules() -> None:
    whole, newer = offer("6.19.6-1"), offer("6.19.14-1", "", "binary")
    assert debian.matching("6.19", [newer, whole]) == [whole, newer]
    assert debian.matching("6.19", [whole, newer]) == [whole, newer]


@pytest.mark.parametrize(("older", "newer"), [
    ("6.12.90-1~bpo12+1", "6.12.90-1"), ("6.12.90-1", "6.12.90-1+b1"), ("6.12.90-1", "6.12.90-2~bpo12+1"),
    ("6.12.90-9", "6.12.90-10"), ("6.12.9-1", "6.12.10-1"), ("6.12~rc7-1~exp1", "6.12.1-1"),
    ("6.12.90-1~bpo12+1", "6.12.90-1~bpo13+1"),
    ("6.12.117-1~deb12u1", "6.12.117-1"), ("6.12.117-1~deb12u9", "6.12.117-1~deb12u10"),
])
def test_offers_are_ordered_as_debian_orders_versions(older: str, newer: str) -> None:
    assert debian.order(offer(older)) < debian.order(offer(newer))
    if older.startswith("6.12.90"):
        assert [one.version for one in debian.matching("6.12", [offer(older), offer(newer)])] == [newer, older]


@pytest.mark.parametrize(("name", "source"), [
    ("debian-6.12", "debian:6.12"), ("debian-6.12.90+deb13", "debian:6.12.90+deb13"), ("debian-six", None), ("debian-", None),
    ("6.12", None), ("fedora-6.12", None),
])
def test_a_columns_name_says_whether_it_is_debians(name: str, source: str | None) -> None:
    assert debian.column(name) == (Column(name, "qemu", source) if source else None)


def test_a_kernel_that_was_fetched_is_known_without_the_archive(home: Path) -> None:
    made = offer("6.12.90-1")
    fetch(home, made, f"boot/vmlinuz-{made.name}", f"boot/config-{made.name}", f"lib/modules/{made.name}/kernel/fs/xfs.ko")
    assert debian.known() == [made]
    kernel = debian.at_hand(Column("debian-6.12", "qemu", "debian:6.12"))
    assert kernel is not None
    tree = home / "kernels" / made.directory
    assert (kernel.release, kernel.image, kernel.modules, kernel.config, kernel.remark) == (
        "6.12.90", tree / f"boot/vmlinuz-{made.name}", tree / "lib/modules" / made.name, tree / f"boot/config-{made.name}", "")


def test_a_kernel_of_the_split_layout_lies_below_usr(home: Path) -> None:
    made = offer("7.3.4-1", "", "base", "binary", "modules")
    place = f"usr/lib/modules/{made.name}"
    fetch(home, made, f"{place}/vmlinuz", f"{place}/config", f"{place}/kernel/fs/xfs.ko.xz")
    kernel = debian.at_hand(Column("debian-7.3", "qemu", "debian:7.3"))
    tree = home / "kernels" / made.directory / place
    assert kernel is not None
    assert (kernel.image, kernel.modules, kernel.config) == (tree / "vmlinuz", tree, tree / "config")


def test_a_kernel_whose_modules_are_gone_says_so(home: Path) -> None:
    made = offer("6.19.14-1", "", "binary")
    fetch(home, made, f"usr/lib/modules/{made.name}/vmlinuz")
    kernel = debian.at_hand(Column("debian-6.19", "qemu", "debian:6.19"))
    assert kernel is not None
    assert (kernel.modules, kernel.remark) == (None, "its modules are gone from the archive")


def test_what_was_only_offered_is_not_at_hand(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "index.json").write_text(json.dumps([{"name": "6.12.90-cloud-amd64", "version": "6.12.90-1",
                                                  "packages": ["image"]}]))
    assert [one.name for one in debian.known()] == ["6.12.90-cloud-amd64"]
    assert debian.at_hand(Column("debian-6.12", "qemu", "debian:6.12")) is None


@pytest.mark.parametrize("text", ["", "[", "\0"])
def test_an_index_that_cannot_be_read_is_as_good_as_none(home: Path, text: str) -> None:
    home.mkdir(parents=True)
    (home / "index.json").write_text(text)
    assert debian.known() == []


def test_a_kernel_at_hand_is_given_although_the_archive_cannot_be_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "refresh", lambda say: "no network")
    made = offer("6.12.90-1")
    fetch(home, made, f"boot/vmlinuz-{made.name}")
    assert debian.resolve(Column("debian-6.12", "qemu", "debian:6.12"), print).release == "6.12.90"
    with pytest.raises(Unavailable, match=r"debian-6\.1: no network"):
        debian.resolve(Column("debian-6.1", "qemu", "debian:6.1"), print)


def test_a_kernel_that_the_archive_does_not_have_is_unavailable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "refresh", lambda say: "")
    with pytest.raises(Unavailable, match="ksem kernels --all"):
        debian.resolve(Column("debian-4.4", "qemu", "debian:4.4"), print)


def test_a_kernel_that_cannot_be_fetched_gives_way_to_the_next(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(one: Offer, say: Say) -> None:
        raise Unavailable(f"{one.version} is gone")

    said: list[str] = []
    made = offer("6.12.90-1")
    fetch(home, made, f"boot/vmlinuz-{made.name}")
    monkeypatch.setattr(debian, "refresh", lambda say: "")
    monkeypatch.setattr(debian, "known", lambda: [made, offer("6.12.117-1")])
    monkeypatch.setattr(debian, "_fetch", gone)
    assert debian.resolve(Column("debian-6.12", "qemu", "debian:6.12"), said.append).release == "6.12.90"
    assert said == ["6.12.117-1 is gone"]


def test_the_archive_is_not_asked_again_within_a_day(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_configure", lambda: pytest.fail("asked again"))
    home.mkdir(parents=True)
    (home / "index.json").write_text("[]")
    assert debian.refresh(print) == ""


def test_without_apt_the_other_way_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="image:PATH"):
        debian.mirrors()

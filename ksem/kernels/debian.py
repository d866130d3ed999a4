"""Debian's kernels, through apt with a state of its own: the machine's sources and lists are neither read into nor changed.

Contract: the standard library, `cache`, `model`. The mirror is the one that the machine's apt is configured with, the
signatures are checked by apt against Debian's keyring. A kernel that was fetched stays below the cache and is usable offline.

What a kernel is made of changed: up to 6.18 `linux-image-V` holds image, configuration and modules; since 6.19 they are in
`linux-binary-V`, `linux-base-V` and `linux-modules-V`, and the archive drops the latter two first.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ksem import cache
from ksem.model import Column, Kernel, Say, Unavailable, release_key, series_of, upstream_release

PREFIX = "debian-"
FLAVOUR = "-cloud-amd64"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid", "experimental")
SECURITY_SUITES = ("bullseye-security", "bookworm-security", "trixie-security")
INDEX_AGE = 24 * 3600.0
_NAME = re.compile(rf"linux-(image|binary|modules|base)-(\d\S*{FLAVOUR})")


@dataclass(frozen=True)
class Offer:
    """A kernel of the archive: its name (`uname -r`), the version of its packages, which of them there are."""

    name: str
    version: str
    packages: tuple[str, ...]

    @property
    def release(self) -> str:
        """The upstream release: 6.1.192 where uname says 6.1.0-56."""
        return upstream_release(self.version, "")

    @property
    def complete(self) -> bool:
        """Whether its modules can be had."""
        return any(kind in self.packages for kind in ("modules", "image"))

    @property
    def directory(self) -> str:
        """Its place in the cache."""
        return f"{self.name}_{self.version}"


def column(name: str) -> Column | None:
    """The column of a series (`debian-6.12`) or an exact release (`debian-6.12.90`, `debian-6.12.90+deb13`)."""
    wanted = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or not re.fullmatch(r"\d+\.\d+(\.\d+)?([-+~].*)?", wanted):
        return None
    return Column(name, "qemu", f"debian:{wanted}")


def at_hand(column: Column) -> Kernel | None:
    """The newest kernel of the column that was fetched before."""
    fetched = [offer for offer in matching(_wanted(column), known()) if _place(offer).is_dir()]
    return _kernel(fetched[0]) if fetched else None


def check(column: Column) -> None:
    """Raise Unavailable where a kernel that is not at hand could not even be asked for."""
    if at_hand(column) is None:
        _program("apt-get")


def resolve(column: Column, say: Say) -> Kernel:
    """The newest kernel of a series, or an exact one. Raises Unavailable when none can be had."""
    wanted = _wanted(column)
    with cache.locked(cache.directory("debian")):
        problem = refresh(say)
        offers = matching(wanted, known())
        for offer in offers:
            if not _place(offer).is_dir():
                try:
                    _fetch(offer, say)
                except Unavailable as failure:
                    problem = str(failure)
                    say(problem)
                    continue
            return _kernel(offer)
    if offers or problem:
        raise Unavailable(f"{column.name}: {problem}")
    raise Unavailable(f"{column.name}: Debian's archive offers no such kernel now; `ksem kernels --all` lists what it has")


def matching(wanted: str, offers: list[Offer]) -> list[Offer]:
    """The offers that a column means, best first: with modules before without, then the newest."""
    found = [offer for offer in offers
             if wanted in (offer.release, series_of(offer.release)) or offer.name in (wanted, wanted + FLAVOUR)]
    return sorted(found, key=lambda offer: (offer.complete, order(offer)), reverse=True)


def order(offer: Offer) -> tuple[tuple[int, int, int, int], str]:
    """Offers from old to new. A tilde comes before the end of the text (deb-version(7)): a backport before its original."""
    numbers_padded = re.sub(r"\d+", lambda number: number.group().zfill(9), offer.version)
    return release_key(offer.release), numbers_padded.replace("~", "\0") + "\1"


def known() -> list[Offer]:
    """What the archive offered when it was last asked, and what was fetched before."""
    try:
        listed = json.loads(_index_path().read_text())
    except (OSError, ValueError):
        listed = []
    fetched = [json.loads(path.read_text()) for path in sorted(cache.directory("debian", "kernels").glob("*/offer.json"))]
    # What was fetched is described by itself, whatever the archive says of it now.
    return list({offer.directory: offer for offer in map(_offer, [*listed, *fetched])}.values())


def _offer(entry: dict[str, object]) -> Offer:
    packages = entry["packages"]
    assert isinstance(packages, list)
    return Offer(str(entry["name"]), str(entry["version"]), tuple(packages))


def refresh(say: Say, age: float = INDEX_AGE) -> str:
    """Ask the archive what it offers, unless that was done lately: '' or why it could not be asked."""
    try:
        if time.time() - _index_path().stat().st_mtime < age:
            return ""
    except OSError:
        pass
    started = time.monotonic()
    say("asking Debian's archive for its kernels")
    try:
        _configure()
        update = _apt("apt-get", "-q", "update")
        offers = list(_offers(_apt("apt-cache", "dumpavail").stdout))
    except Unavailable as problem:
        return str(problem)
    if not offers:
        complaints = [line for line in update.stderr.splitlines() if line.startswith(("E:", "W:"))]
        return f"the archive could not be asked ({complaints[0] if complaints else 'no package lists'}): is there a network?"
    cache.write_atomically(_index_path(), json.dumps([asdict(offer) for offer in offers], indent=1).encode())
    say(f"the archive offers {len(offers)} kernels ({time.monotonic() - started:.0f} s)")
    return ""


def newest(suites: tuple[str, ...], say: Say) -> Offer:
    """The kernel that is installed by default from these suites. Raises Unavailable when that cannot be told."""
    problem = refresh(say)
    _configure()
    default = f"linux-image{FLAVOUR}"
    for line in _apt("apt-cache", "madison", default).stdout.splitlines():  # the newest comes first
        _, version, place = (field.strip() for field in line.split("|"))
        if place.split()[1].partition("/")[0] in suites:
            shown = _apt("apt-cache", "show", f"{default}={version}").stdout
            depends = re.search(rf"^Depends:.* linux-image-(\d\S*{FLAVOUR})", shown, re.MULTILINE)
            if depends:
                return Offer(depends.group(1), version, ("image",))
    raise Unavailable(problem or f"Debian's archive offers no {default} in {' or '.join(suites)}")


def _offers(available: str) -> Iterator[Offer]:
    """Offers from apt's list of available packages. Small image packages hold nothing: they only depend on others."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in available.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Size): (.*)$", record, re.MULTILINE))
        match = _NAME.fullmatch(fields.get("Package", ""))
        if match and int(fields["Size"]) > 100_000:
            found.setdefault((match.group(2), fields["Version"]), []).append(match.group(1))
    for (name, version), packages in sorted(found.items()):
        if "image" in packages or "binary" in packages:
            yield Offer(name, version, tuple(sorted(packages)))


def _fetch(offer: Offer, say: Say) -> None:
    """Download, unpack and keep a kernel; what is kept is whole. Raises Unavailable."""
    started = time.monotonic()
    kernels = cache.directory("debian", "kernels")
    say(f"fetching {offer.name}")
    with tempfile.TemporaryDirectory(dir=kernels, prefix=".fetch-") as text:
        tree = Path(text) / "tree"
        packages = [f"linux-{kind}-{offer.name}={offer.version}" for kind in offer.packages]
        try:
            size = unpack(packages, tree)
        except Unavailable as problem:
            raise Unavailable(f"{offer.name} cannot be downloaded ({problem}): it may be gone from the archive") from None
        (tree / "offer.json").write_text(json.dumps(asdict(offer)))
        tree.rename(_place(offer))
    say(f"fetched {offer.name}: {size / 1e6:.0f} MB in {time.monotonic() - started:.1f} s")


def unpack(packages: Iterable[str], tree: Path) -> int:
    """Download packages of the archive (`NAME=VERSION`), and unpack them into one directory, which is made; their bytes.

    Where that fails, what is there of the tree is its caller's to remove. Raises Unavailable with what apt says.
    """
    _configure()
    wanted = list(packages)
    with tempfile.TemporaryDirectory(dir=tree.parent, prefix=".packages-") as text:
        download = _apt("apt-get", "-q", "download", *wanted, cwd=Path(text))
        archives = sorted(Path(text).glob("*.deb"))
        if download.returncode or len(archives) != len(wanted):
            raise Unavailable((re.findall(r"^E: (.*)$", download.stderr, re.MULTILINE) or ["no file came"])[0])
        for archive in archives:
            subprocess.run(["dpkg-deb", "-x", archive, tree], check=True)
        return sum(archive.stat().st_size for archive in archives)


def _kernel(offer: Offer) -> Kernel:
    tree = _place(offer)
    merged = tree / "usr/lib/modules" / offer.name
    image = next(path for path in (tree / f"boot/vmlinuz-{offer.name}", merged / "vmlinuz") if path.exists())
    modules = next((path for path in (tree / "lib/modules" / offer.name, merged) if (path / "kernel").is_dir()), None)
    config = next((path for path in (tree / f"boot/config-{offer.name}", merged / "config") if path.exists()), None)
    remark = "" if modules else "its modules are gone from the archive"
    return Kernel(offer.release, f"{offer.name} {offer.version}", image, modules, config, remark)


def _place(offer: Offer) -> Path:
    return cache.directory("debian", "kernels") / offer.directory


def _index_path() -> Path:
    return cache.directory("debian") / "index.json"


def _wanted(column: Column) -> str:
    return column.source.partition(":")[2]


def _configure() -> None:
    """Write the configuration of our own apt: its lists, cache and state, and one line for each suite."""
    root = cache.directory("debian", "apt")
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (root / name).mkdir(parents=True, exist_ok=True)
    if not KEYRING.exists():
        raise Unavailable(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    main, security = mirrors()
    lines = [f"deb [signed-by={KEYRING}] {uri} {suite} main\n"
             for uri, suites in ((main, SUITES), (security, SECURITY_SUITES)) for suite in suites]
    _keep(root / "sources.list", "".join(lines))
    # As root apt would download as the user _apt, who cannot enter a cache below root's home.
    settings = {
        "Dir::State": root / "state", "Dir::State::Lists": root / "lists", "Dir::State::Status": "/dev/null",
        "Dir::Cache": root / "cache", "Dir::Etc::SourceList": root / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
        # Container images switch these off, and every look-up then reads all lists anew (4 s).
        "Dir::Cache::pkgcache": "pkgcache.bin", "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Acquire::Languages": "none", "APT::Architecture": "amd64", "APT::Sandbox::User": "root",
    }
    text = "".join(f'{key} "{value}";\n' for key, value in settings.items())
    hooks = "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n"
    targets = "#clear Acquire::IndexTargets::deb::DEP-11;\n#clear Acquire::IndexTargets::deb::Contents-deb;\n"
    _keep(root / "apt.conf", text + hooks + targets)


def _keep(path: Path, text: str) -> None:
    # Only when it changes: apt builds its package cache anew (4 s) for a list of sources that was touched.
    if not path.exists() or path.read_text() != text:
        cache.write_atomically(path, text.encode())


def mirrors() -> tuple[str, str]:
    """The archive's main and security mirrors, as this machine's apt is configured."""
    found = {"main": "", "security": ""}
    listing = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages").stdout
    for line in listing.splitlines():
        uri, _, suite = line.partition(" ")
        if suite in SECURITY_SUITES or suite.endswith("-security"):
            found["security"] = found["security"] or uri
        elif suite.removesuffix("-updates") in (*SUITES, "stable", "oldstable", "oldoldstable", "testing", "unstable"):
            found["main"] = found["main"] or uri
    if not found["main"]:
        raise Unavailable("this machine's apt has no Debian mirror: add one to its sources, or run image:PATH")
    beside = re.sub(r"/debian/?$", "/debian-security/", found["main"])
    return found["main"], found["security"] or beside


def _apt(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return _run(command[0], "-c", str(cache.directory("debian", "apt") / "apt.conf"), *command[1:], cwd=cwd)


def _run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    _program(command[0])
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def _program(name: str) -> None:
    if shutil.which(name) is None:
        raise Unavailable(f"{name} is missing: Debian's kernels come through apt; elsewhere run image:PATH")

"""A remount with MS_BIND changes the flags of one mount, with MS_REC or without; a tree takes mount_setattr(2).

MS_REC has a meaning together with MS_BIND and with the propagation types only. Together with MS_REMOUNT the kernel
does not reject it, it forgets it: do_reconfigure_mnt() is given the flags of a mount and nothing that would ask for
recursion. So "make / read-only" leaves every mount beneath as it was. Who wants the whole tree changed uses
mount_setattr(2) with AT_RECURSIVE, since Linux 5.12.

The two calls also differ in what becomes of the flags that are not named. The remount replaces: nosuid, nodev, noexec
and nosymfollow are gone unless they are named again; only the kind of access time stays. mount_setattr(2) adds and
takes away.

Each tree is a chain of mounts, the root read-write, observed in full after a change at its root or in its middle.
A write is tried in every mount, because a call that returns 0 may have done nothing.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MS, O
from ksem.guest.lab import mount_flags, mount_options

# Mounts from the root of the tree down, each with its flags. `bound` ones are binds of a directory of the root's
# filesystem, the others filesystems of their own.
TREES = {
    "one mount below": (("top", ""), ("top/a", "")),
    "three mounts below": (("top", ""), ("top/a", ""), ("top/a/b", ""), ("top/a/b/c", "")),
    "mixed flags": (("top", "nosuid"), ("top/a", "nosuid nodev noatime"), ("top/a/b", "ro nodiratime"),
                    ("top/a/b/c", "noexec nosymfollow")),
    "binds of one filesystem": (("top", ""), ("top/a", "bound"), ("top/a/b", "bound nosuid"), ("top/a/b/c", "bound")),
}
TARGETS = {"root of the tree": "top", "middle of the tree": "top/a"}


def expected(tree, target, call):
    start = TARGETS[target]
    alone = {path: after(words.split(), path == start, call) for path, words in TREES[tree]}
    below = {path: after(words.split(), (path + "/").startswith(start + "/"), call) for path, words in TREES[tree]}
    recursive = below if call == "mount_setattr" else alone
    return {"before": {path: mount_of(words.split()) for path, words in TREES[tree]},
            "alone": dict(alone, result="ok"), "recursive": dict(recursive, result="ok")}


def after(words, changed, call):
    """A mount after a change to read-only that reached it, or did not."""
    if not changed:
        return mount_of(words)
    kept = [word for word in words if call == "mount_setattr" or word in ("noatime", "nodiratime")]
    return mount_of(["ro"] + [word for word in kept if word != "ro"])


def mount_of(words):
    return {"flags": mount_options(word for word in words if word != "bound"),
            "write": "EROFS" if "ro" in words else "ok"}


CASE = Case(
    claim="MS_REMOUNT|MS_BIND|MS_RDONLY changes one mount, also with MS_REC, which is ignored without an error;"
          " mount_setattr with AT_RECURSIVE changes every mount of the tree.",
    cites=(
        "mount(2), 'Remounting an existing mount': \"without affecting other mounts\"",
        "mount(2), 'Additional mount flags', MS_REC: a use with MS_BIND and one with the propagation types, no other",
        "path_mount() in fs/namespace.c: do_reconfigure_mnt() is given the flags of a mount only",
        "mount_setattr(2), 'DESCRIPTION', AT_RECURSIVE",
        "2a1867219c7b (\"fs: add mount_setattr()\"), 5.12",
    ),
    params={"call": ("mount", "mount_setattr"), "tree": tuple(TREES), "target": tuple(TARGETS)},
    shown_with={"call": "mount", "tree": "three mounts below"},
    where=lambda call, tree, target: tree != "one mount below" or target == "root of the tree",
    expect=expected,
    needs=lambda call, tree, target: ("syscall:mount_setattr",) if call == "mount_setattr" else (),
    survivors={
        "drop chdir(*": "It keeps two rounds apart, which would not meet in one directory of the other's either.",
    },
)


def observe(lab, call, tree, target):
    make_read_only = {"mount": by_mount, "mount_setattr": by_mount_setattr}[call]
    observation = {}
    for name, recursive in (("alone", False), ("recursive", True)):
        lab.mkdir(name, 0o755)
        lab.chdir(name)
        build(lab, TREES[tree])
        observation.setdefault("before", look(lab, tree))
        result = make_read_only(lab, TARGETS[target], recursive)
        observation[name] = dict(look(lab, tree), result=result)
        lab.chdir("..")
    return observation


def build(lab, mounts):
    for path, words in mounts:
        if "bound" in words:
            source = "top/for " + path.replace("/", " ")
            lab.mkdir(source, 0o755)
            lab.bind(source, path)
        else:
            lab.tmpfs(path)
        lab.file(path + "/file")
    # Only now: nothing could be placed in a read-only mount. A remount with MS_BIND leaves the filesystem read-write.
    for path, words in mounts:
        options = [word for word in words.split() if word != "bound"]
        if options:
            lab.mount(None, path, None, MS.REMOUNT | MS.BIND | mount_flags(options), None)


def by_mount(lab, path, recursive):
    extra = MS.REC if recursive else 0
    return lab.attempt.mount(None, path, None, MS.REMOUNT | MS.BIND | MS.RDONLY | extra, None)


def by_mount_setattr(lab, path, recursive):
    flags = AT.RECURSIVE if recursive else 0
    return lab.attempt.mount_setattr(AT_FDCWD, path, flags, {"attr_set": MOUNT_ATTR.RDONLY})


def look(lab, tree):
    return {path: {"flags": sorted(lab.mountinfo(path)["flags"]), "write": lab.try_open(path + "/file", O.WRONLY)}
            for path, _ in TREES[tree]}

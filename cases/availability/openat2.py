"""openat2(2) walks a path under conditions: nowhere out of a directory, over no symlink, into no other mount (5.6).

A program that opens a path in a tree of somebody else's cannot check it first: what it checked may be another when it is
opened. RESOLVE_BENEATH refuses every step out of the directory (EXDEV), by `..`, by an absolute path or by a
symlink. RESOLVE_IN_ROOT takes the directory for `/` instead, as chroot would, but for this one walk and without any right.
RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS are ELOOP, RESOLVE_NO_XDEV is EXDEV at the first mount.

RESOLVE_CACHED (5.12) opens only what needs no waiting, else it is EAGAIN: always where a file would be created. 5.10 has
it from its 162nd update on, which took io_uring from 5.15 and this along. What a kernel does not know is EINVAL,
unlike with openat(2), which ignores flags that it does not know.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import RESOLVE, O

# Relative to the directory, and to what each condition says about it; "free" is no condition.
PATHS = ("file", "symlink", "absolute symlink", "symlink out", "../outside", "/file", "mounted/file", "magic/file")
FOUND = {"/file": "ENOENT"}
ANSWERS = {
    "free": {},
    # An absolute symlink starts at /, which here is another mount.
    "NO_XDEV": dict.fromkeys(("absolute symlink", "mounted/file", "magic/file"), "EXDEV"),
    "NO_MAGICLINKS": {"magic/file": "ELOOP"},
    "NO_SYMLINKS": dict.fromkeys(("symlink", "absolute symlink", "symlink out", "magic/file"), "ELOOP"),
    "BENEATH": dict.fromkeys(("absolute symlink", "symlink out", "../outside", "/file", "magic/file"), "EXDEV"),
    "IN_ROOT": {"absolute symlink": "ENOENT", "symlink out": "ENOENT", "../outside": "ENOENT", "/file": "ok",
                "magic/file": "ENOENT"},
}


def expected(cached):
    table = {name: {path: dict(FOUND, **answers).get(path, "ok") for path in PATHS} for name, answers in ANSWERS.items()}
    return dict(table, **{
        "CACHED": "ok" if cached else "EINVAL",
        "CACHED and O_CREAT": "EAGAIN" if cached else "EINVAL",
        "BENEATH and IN_ROOT": "EINVAL",
        "unknown condition": "EINVAL",
        "unknown flag": "EINVAL",
        "unknown flag of openat": "ok",
    })


CASE = Case(
    claim="openat2 keeps a path walk beneath a directory, in it as a root, off symlinks and mounts (5.6), off the disk (5.12).",
    cites=(
        "openat2(2), 'DESCRIPTION'",
        "fddb5d430ad9 (\"open: introduce openat2(2) syscall\"), 5.6",
        "build_open_flags() in fs/open.c",
    ),
    expect=(
        Rule(expected(cached=True), since="5.12", backports=("5.10.162",),
             cites="99668f618062 (\"fs: expose LOOKUP_CACHED through openat2() RESOLVE_CACHED\"), 5.12"),
        Rule(expected(cached=False)),
    ),
)


def observe(lab):
    directory = build(lab)
    seen = {}
    for name in ANSWERS:
        how = {"flags": O.CLOEXEC, "resolve": getattr(RESOLVE, name, 0)}
        seen[name] = dict(zip(PATHS, lab.batch(("openat2", directory, path, how) for path in PATHS)))
    single = {
        "CACHED": {"resolve": RESOLVE.CACHED},
        "CACHED and O_CREAT": {"flags": O.CREAT | O.WRONLY, "mode": 0o600, "resolve": RESOLVE.CACHED},
        "BENEATH and IN_ROOT": {"resolve": RESOLVE.BENEATH | RESOLVE.IN_ROOT},
        "unknown condition": {"resolve": 1 << 40},
        "unknown flag": {"flags": 1 << 30},
    }
    seen.update(zip(single, lab.batch(("openat2", directory, "file", how) for how in single.values())))
    seen["unknown flag of openat"] = lab.attempt.openat(directory, "file", 1 << 30, 0)
    return seen


def build(lab):
    lab.mkdir("root", 0o755)
    lab.file("root/file")
    lab.file("outside")
    lab.symlink("file", "root/symlink")
    lab.symlink("/tmp/root/file", "root/absolute symlink")
    lab.symlink("../outside", "root/symlink out")
    lab.tmpfs("root/mounted")
    lab.file("root/mounted/file")
    lab.symlink("/proc/self/cwd/root", "root/magic")
    return lab.open("root", O.PATH | O.DIRECTORY, 0)

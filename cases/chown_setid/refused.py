"""A chown that fails leaves owner, group, mode and capabilities as they were, and says why by the first thing that is wrong.

The path is walked first: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EACCES and EFAULT are about it, and nobody is told more of a
file that he cannot reach. A path that is empty is ENOENT, unless AT_EMPTY_PATH says that the descriptor is meant. Then the
mount is asked (EROFS), which comes before every right to the file, and also where -1, -1 asks for no change. A descriptor
that is none is EBADF, a flag that fchownat(2) does not know EINVAL.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MS, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

LONG, DEEP = "x" * 256, "directory/" * 500
# The call, for the new owner OTHER; {fd} is a descriptor of the file.
CALLS = {
    "no such file": ("chown", "directory/none", OTHER, OTHER), "dangling symlink": ("chown", "dangling", OTHER, OTHER),
    "file as a directory": ("chown", "directory/file/x", OTHER, OTHER),
    "symlinks in a circle": ("chown", "circle", OTHER, OTHER),
    "long name": ("chown", "directory/" + LONG, OTHER, OTHER), "long path": ("chown", DEEP + "file", OTHER, OTHER),
    "no path": ("chown", None, OTHER, OTHER), "empty path": ("chown", "", OTHER, OTHER),
    "closed directory": ("chown", "closed/file", OTHER, OTHER),
    "closed directory, -1, -1": ("chown", "closed/file", -1, -1),
    "read-only mount": ("chown", "read-only/file", OTHER, OTHER),
    "read-only mount, -1, -1": ("chown", "read-only/file", -1, -1),
    "bad descriptor": ("fchown", 190, OTHER, OTHER), "bad directory": ("fchownat", 190, "file", OTHER, OTHER, 0),
    "file as the directory": ("fchownat", "{fd}", "file", OTHER, OTHER, 0),
    "empty path, no flag": ("fchownat", "{fd}", "", OTHER, OTHER, 0),
    "unknown flag": ("fchownat", AT_FDCWD, "directory/file", OTHER, OTHER, AT.RECURSIVE),
    "another's file": ("chown", "directory/file", OTHER, OTHER),
}
ERRORS = {
    "no such file": "ENOENT", "dangling symlink": "ENOENT", "file as a directory": "ENOTDIR", "symlinks in a circle": "ELOOP",
    "long name": "ENAMETOOLONG", "long path": "ENAMETOOLONG", "no path": "EFAULT", "empty path": "ENOENT",
    "read-only mount": "EROFS", "read-only mount, -1, -1": "EROFS", "bad descriptor": "EBADF", "bad directory": "EBADF",
    "file as the directory": "ENOTDIR", "empty path, no flag": "ENOENT", "unknown flag": "EINVAL",
}
CALLERS = {"root": (0, 0), "owner": (OWNER, GROUP), "stranger": (OTHER, OTHER)}
UNTOUCHED = "06755 owner:group, capability kept"


def expected(caller):
    allowed = caller == "root"
    table = dict(ERRORS, **{
        "closed directory": "ok" if allowed else "EACCES", "closed directory, -1, -1": "ok" if allowed else "EACCES",
        "another's file": "ok" if allowed else "EPERM"})
    reached = "00755 other:other, capability removed" if allowed else UNTOUCHED
    return {"results": table, "file": reached, "file in the closed directory": reached, "file of the mount": UNTOUCHED}


CASE = Case(
    claim="A chown that fails changes nothing; what is wrong with the path is told first, then the mount, then the right to the"
          " file.",
    cites=(
        "chown(2), 'ERRORS'; path_resolution(7)",
        "do_fchownat() in fs/open.c: user_path_at(), mnt_want_write(), then chown_common()",
        "IEEE Std 1003.1, chown(), 'ERRORS'",
    ),
    params={"caller": tuple(CALLERS)},
    expect=expected,
    needs=("root",),
    survivors={
        'drop symlink("nowhere", "dangling")': "A link to nowhere is as no link, ENOENT.",
    },
)


def observe(lab, caller):
    for path in ("directory", "closed", "source"):
        lab.mkdir(path, 0o755)
    for path in ("directory/file", "closed/file", "source/file"):
        lab.file(path, 0o6755, OWNER, GROUP)
        lab.setxattr(path, "security.capability", CAPABILITY, len(CAPABILITY), 0)
    lab.chmod("closed", 0o700)
    lab.symlink("nowhere", "dangling")
    lab.symlink("circle", "circle")
    lab.bind("source", "read-only")
    lab.mount(None, "read-only", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
    process = lab if caller == "root" else lab.become(lab.fork("caller"), *CALLERS[caller])
    descriptor = process.open("directory/file", O.PATH, 0)
    results = process.batch(tuple(descriptor if word == "{fd}" else word for word in call) for call in CALLS.values())
    return {"results": dict(zip(CALLS, results)), "file": look(lab, "directory/file"),
            "file in the closed directory": look(lab, "closed/file"), "file of the mount": look(lab, "source/file")}


# VFS_CAP_REVISION_2 and the effective flag, then CAP_NET_BIND_SERVICE as permitted (capabilities(7)).
CAPABILITY = "\x01\x00\x00\x02" + "\x00\x04\x00\x00" + "\x00" * 12


def look(lab, path):
    now = lab.status(path)
    kept = "kept" if lab.attempt.getxattr(path, "security.capability") == "ok" else "removed"
    return "%s %s:%s, capability %s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]), kept)

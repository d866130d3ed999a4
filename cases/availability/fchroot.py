"""fchroot(2) makes an open directory the root, and can take the root away altogether (7.3).

chroot(2) takes a path, so a process that holds a directory has to fchdir there first and loses where it was. With the number
FD_FAILFS_ROOT in place of a descriptor, `/` becomes a directory in which every walk fails: EOPNOTSUPP for all absolute
paths, and for all symlinks that are absolute, while paths from the working directory and from descriptors still work. That
is a sandbox without any preparation: no directory is needed, and no right either once no_new_privs is set, unless the caller is
in a chroot already, whose barrier it would lift.

Without CAP_SYS_CHROOT and without no_new_privs it is EPERM, and the root stays.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import PR, O
from ksem.guest.lab import GROUP, OWNER

FAILFS_ROOT = -10004
WORKS = {
    "not a directory": "ENOTDIR",
    "unknown flag": "EINVAL",
    "directory": {"result": "ok", "root": ["inside"]},
    "no root, by a user": {"result": "EPERM", "absolute": "ok"},
    "no root, by a user with no_new_privs": {"result": "ok", "absolute": "EOPNOTSUPP"},
    "relative": "ok",
    "symlink to an absolute path": "EOPNOTSUPP",
}
ABSENT = dict(
    dict.fromkeys(("not a directory", "unknown flag"), "ENOSYS"),
    **{
        "directory": {"result": "ENOSYS", "root": "as before"},
        "no root, by a user": {"result": "ENOSYS", "absolute": "ok"},
        "no root, by a user with no_new_privs": {"result": "ENOSYS", "absolute": "ok"},
        "relative": "ok",
        "symlink to an absolute path": "ok",
    })

CASE = Case(
    claim="fchroot makes an open directory the root; with FD_FAILFS_ROOT absolute paths end, for any process with"
          " no_new_privs (7.3).",
    cites=("sys_fchroot() in fs/open.c", "failfs_permission() in fs/failfs.c"),
    expect=(Rule(WORKS, since="7.3", cites="20370a5f5d9b (\"fs: add fchroot()\"), 7.3"), Rule(ABSENT)),
    needs=("root",),
    survivors={
        'drop open("place/inside"*': "The unknown flag is refused before the descriptor is looked at.",
    },
)


def observe(lab):
    lab.tmpfs("place")
    lab.mkdir("place/inside", 0o755)
    lab.file("place/file")
    lab.symlink("/tmp/place/file", "place/symlink")
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    directory, file = (lab.open("place/" + name, O.PATH, 0) for name in ("inside", "file"))
    seen = {"not a directory": lab.attempt.fchroot(file, 0), "unknown flag": lab.attempt.fchroot(directory, 1)}
    user.chdir("place")
    steps = [("fchroot", FAILFS_ROOT, 0), ("try_open", "/tmp/place/file", 0)]
    before, absolute = user.batch(steps)
    seen["no root, by a user"] = {"result": before, "absolute": absolute}
    user.prctl(PR.SET_NO_NEW_PRIVS, 1)
    after, absolute, relative, symlink = user.batch([*steps, ("try_open", "file", 0), ("try_open", "symlink", 0)])
    seen["no root, by a user with no_new_privs"] = {"result": after, "absolute": absolute}
    seen["relative"], seen["symlink to an absolute path"] = relative, symlink
    seen["directory"] = rooted(lab)
    return seen


def rooted(lab):
    process = lab.fork("rooted")
    place = process.open("place/inside", O.PATH, 0)
    process.mkdir("place/inside/inside", 0o755)
    result = process.attempt.fchroot(place, 0)
    return {"result": result, "root": process.list_directory("/") if result == "ok" else "as before"}

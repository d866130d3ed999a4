"""Whether a program can be carried out of a shield by a hard link, before it closes: fs.protected_hardlinks keeps most from it.

A hard link is a second way to a file, past every directory above the first. To make one takes no right to the file in the
standard. With fs.protected_hardlinks, which distributions turn on, it takes its ownership, CAP_FOWNER over it, or a file that
is regular, no set-id program, and both readable and writable to the caller. So a stranger can carry out what he could read
and change anyway, and nothing that would lend him another's rights (EPERM). Its owner can, and so can who is root of a user
namespace that maps owner and group.

That is asked at linkat(2) with a path. With a descriptor instead of one, AT_EMPTY_PATH takes CAP_DAC_READ_SEARCH over the
machine (ENOENT), and since 6.10 is enough for who opened the file with the credentials that it has now. By /proc/self/fd
the same link is made on all kernels. The rule about ownership holds for all of them.
"""

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import AT, AT_FDCWD, CAP, CLONE, O, S
from ksem.guest.lab import GROUP, OTHER, OWNER

# owner, group, mode; for the fifo and the symlink their kind.
FILES = {
    "program": 0o755, "writable file": 0o666, "set-user-id program": 0o4755, "writable set-user-id program": 0o4777,
    "set-group-id mark": 0o2766, "fifo": 0o666,
}
SET_ID = ("set-user-id program", "writable set-user-id program")
CALLERS = {
    "owner": (OWNER, GROUP, ()), "stranger": (OTHER, OTHER, ()), "CAP_FOWNER": (OTHER, OTHER, (CAP.FOWNER,)),
    "CAP_DAC_OVERRIDE": (OTHER, OTHER, (CAP.DAC_OVERRIDE,)), "CAP_DAC_READ_SEARCH": (OTHER, OTHER, (CAP.DAC_READ_SEARCH,)),
    "root of a user namespace": (OTHER, OTHER, ()), "root of a user namespace, owner unmapped": (OTHER, OTHER, ()),
}
WAYS = ("by path", "by descriptor", "by /proc/self/fd")


def since_6_10(caller):
    return table(caller, "ok")


def before_6_10(caller):
    return table(caller, "ok" if caller == "CAP_DAC_READ_SEARCH" else "ENOENT")


def table(caller, by_descriptor):
    seen = {}
    for name, mode in FILES.items():
        owns = caller in ("owner", "CAP_FOWNER", "root of a user namespace")
        safe = name not in SET_ID and name != "fifo"
        writes = mode & 0o006 == 0o006 or (caller == "CAP_DAC_OVERRIDE" and safe)
        result = "ok" if owns or (safe and writes) else "EPERM"
        seen[name] = {"by path": result, "by descriptor": by_descriptor if by_descriptor != "ok" else result,
                      "by /proc/self/fd": result}
    return seen


CASE = Case(
    claim="With fs.protected_hardlinks a stranger can link only regular files that he may read and write, and no set-id"
          " programs (EPERM); a descriptor is enough to link from since 6.10.",
    cites=(
        "proc_sys_fs(5), /proc/sys/fs/protected_hardlinks",
        "may_linkat() and safe_hardlink_source() in fs/namei.c",
        "linkat(2), AT_EMPTY_PATH",
        "800179c9b8a1 (\"fs: add link restrictions\"), 3.6",
    ),
    params={"caller": tuple(CALLERS)},
    expect=(
        Rule(since_6_10, since="6.10",
             cites="42bd2af59504 (\"vfs: relax linkat() AT_EMPTY_PATH - aka flink() - requirements\"), 6.10"),
        Rule(before_6_10, cites="linkat(2), AT_EMPTY_PATH"),
    ),
    options=("CONFIG_USER_NS",),
    needs=lambda caller: ("root",) + (("userns",) if "namespace" in caller else ()),
    survivors={
        'drop chmod("inside/fifo"*': "A fifo of another's cannot be linked whatever its mode, as is claimed.",
    },
)


def observe(lab, caller):
    if lab.read_file("/proc/sys/fs/protected_hardlinks") == "0\n":
        raise Unsupported("fs.protected_hardlinks is off on this machine")
    lab.mkdir("inside", 0o755)
    lab.mkdir("outside", 0o777)
    lab.chmod("outside", 0o777)
    for name, mode in FILES.items():
        path = "inside/" + name
        if name == "fifo":
            lab.mknod(path, S.IFIFO | 0o600, 0)
            lab.values([("chown", path, OWNER, GROUP), ("chmod", path, mode)])
        else:
            lab.file(path, mode, OWNER, GROUP)
    process = make(lab, caller)
    return {name: linked(process, "inside/" + name, "outside/" + name) for name in FILES}


def make(lab, caller):
    uid, gid, held = CALLERS[caller]
    process = lab.become(lab.fork("caller"), uid, gid, (), held)
    if "namespace" in caller:
        process.unshare(CLONE.NEWUSER)
        owners = {} if "unmapped" in caller else {1: OWNER}
        lab.map_ids(process, {0: OTHER, **owners}, {0: OTHER, 1: GROUP}, by=lab)
    return process


def linked(process, path, target):
    descriptor = process.open(path, O.PATH, 0)
    results = process.batch([
        ("link", path, target + " 1"), ("linkat", descriptor, "", AT_FDCWD, target + " 2", AT.EMPTY_PATH),
        ("linkat", AT_FDCWD, "/proc/self/fd/%d" % descriptor, AT_FDCWD, target + " 3", AT.SYMLINK_FOLLOW)])
    return dict(zip(WAYS, results))

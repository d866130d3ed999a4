"""A filesystem can be made, configured and attached in separate calls: fsopen, fsconfig, fsmount, move_mount, fspick.

mount(2) does all in one call on a path, with one string of options and one errno. The calls of 5.2 give a descriptor
for each stage: a mount exists before it has a place, and can be handed to another process or given attributes first.
fspick opens the configuration of a mounted filesystem; what it changes is the superblock, which every mount of it shows.

All of that works for root of a user namespace too, on filesystems that may be mounted there, such as tmpfs.
FSCONFIG_CMD_CREATE reuses a superblock that exists, where mount(2) would; FSCONFIG_CMD_CREATE_EXCL (6.6) refuses to
do that. Before, the command was unknown: EOPNOTSUPP, and the context can still be used.

An unknown option is refused when it is given, by name (EINVAL), not when all is over. A context makes one superblock, and
only once (EBUSY).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, FSCONFIG, MOUNT_ATTR, MOVE_MOUNT
from ksem.guest.lab import mount_options


def expected(caller, exclusive):
    return {
        "unknown option": "EINVAL",
        "unknown filesystem": "ENODEV",
        "create exclusively": exclusive,
        "before it is attached": [],
        "attached": mount_options(["ro", "nosuid"]),
        "mode of its root": "00711",
        "superblock after fspick": {"result": "ok", "now": "ro"},
        "second use of the context": "EBUSY",
    }


CASE = Case(
    claim="fsopen, fsconfig, fsmount and fspick make and change a filesystem stage by stage (5.2), also for root of a user"
          " namespace; FSCONFIG_CMD_CREATE_EXCL came with 6.6.",
    cites=(
        "fsopen(2), fsconfig(2), fsmount(2), fspick(2), 'DESCRIPTION'",
        "vfs_fsconfig_locked() in fs/fsopen.c",
        "24dcb3d90a1f (\"vfs: syscall: Add fsopen() to prepare for superblock creation\"), 5.2",
        "93766fbd2696 (\"vfs: syscall: Add fsmount() to create a mount for a superblock\"), 5.2",
    ),
    params={"caller": ("root", "root of a user namespace")},
    expect=(
        Rule(lambda caller: expected(caller, "ok"), since="6.6",
             cites="22ed7ecdaefe (\"fs: add FSCONFIG_CMD_CREATE_EXCL\"), 6.6"),
        Rule(lambda caller: expected(caller, "EOPNOTSUPP")),
    ),
    needs=lambda caller: ("userns",) if caller != "root" else (),
    survivors={
        "drop lab.enter_sandbox": "Root gets the same answers, as is claimed.",
    },
)


def observe(lab, caller):
    if caller != "root":
        lab.enter_sandbox()
    lab.mkdir("place", 0o755)
    context = lab.fsopen("tmpfs", 0)
    seen = {
        "unknown option": lab.attempt.fsconfig(context, FSCONFIG.SET_STRING, "no_such_option", "1", 0),
        "unknown filesystem": lab.attempt.fsopen("no_such_filesystem", 0),
    }
    lab.fsconfig(context, FSCONFIG.SET_STRING, "mode", "711", 0)
    seen["create exclusively"] = lab.attempt.fsconfig(context, FSCONFIG.CMD_CREATE_EXCL, None, None, 0)
    if seen["create exclusively"] != "ok":
        lab.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    mount = lab.fsmount(context, 0, MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID)
    seen["before it is attached"] = lab.mounts_below("place")
    lab.move_mount(mount, "", AT_FDCWD, "place", MOVE_MOUNT.F_EMPTY_PATH)
    seen["attached"] = sorted(lab.mountinfo("place")["flags"])
    seen["mode of its root"] = lab.statx(mount, "", AT.EMPTY_PATH, 0x7FF)["mode"]
    picked = lab.fspick(AT_FDCWD, "place", 0)
    lab.fsconfig(picked, FSCONFIG.SET_FLAG, "ro", None, 0)
    seen["superblock after fspick"] = {"result": lab.attempt.fsconfig(picked, FSCONFIG.CMD_RECONFIGURE, None, None, 0),
                                       "now": lab.mountinfo("place")["superblock"]}
    seen["second use of the context"] = lab.attempt.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    return seen

"""Who may make an idmapped mount: root of the filesystem's user namespace and of the one that brings the map.

An idmapped mount shows the files of a filesystem with other owners than it stores, by the map of a user namespace that
mount_setattr(2) is given. It is the kernel's own way of letting one tree belong to different users in different places, without
any chown. Nobody may lend himself somebody else's files by it: the caller needs CAP_SYS_ADMIN over the mount namespace, over
the user namespace of the map, and over the one that the filesystem was mounted in. So root of a sandbox may do it
with a tmpfs that it mounted itself, and a namespace made inside its own; on what the machine mounted it is EPERM.

The mount must be a detached copy that nobody can have seen (EINVAL for one in the tree), of a filesystem that supports it
(EINVAL; tmpfs does since 6.3), and not idmapped yet (EPERM: a map is never changed, another copy can be made). The initial
user namespace brings no map (EPERM), nor does the filesystem's own, nor one whose maps have not been written (EINVAL; before
6.9 that mapped nobody).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, CAP, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE
from ksem.guest.lab import GROUP, OTHER, OWNER

CALLERS = ("root", "root without CAP_SYS_ADMIN", "a sandbox, the machine's tmpfs", "a sandbox, its own tmpfs")
MAPS = ("a namespace below", "no maps written", "initial", "the filesystem's own")
CAPABILITIES = [CAP.CHOWN, CAP.DAC_OVERRIDE, CAP.FOWNER]


def since_6_9(caller, mapped):
    return outcome(caller, mapped, True)


def since_6_3(caller, mapped):
    return outcome(caller, "a namespace below" if mapped == "no maps written" else mapped, True)


def before_6_3(caller, mapped):
    return outcome(caller, mapped, False)


def outcome(caller, mapped, supported):
    if caller == "root without CAP_SYS_ADMIN":
        return {"detach a copy": "EPERM", "of the mount itself": "EPERM"}
    own = caller == "a sandbox, its own tmpfs" or caller == "root"
    if mapped == "initial":
        # Asked before anything else, like whether the namespace of the map is the caller's to give.
        result = "EPERM"
    elif mapped == "the filesystem's own" or not supported:
        result = "EINVAL"
    elif not own:
        result = "EPERM"
    else:
        result = "ok" if mapped == "a namespace below" else "EINVAL"
    table = {"detach a copy": "ok", "idmap": result, "of the mount itself": "EINVAL" if own and result != "EPERM" else result}
    if result == "ok":
        table.update({"idmap again": "EPERM", "clear it": "EINVAL", "read-only as well": "ok", "attach": "ok"})
    return table


CASE = Case(
    claim="An idmapped mount takes CAP_SYS_ADMIN over the filesystem's user namespace and over the one of the map, and a"
          " detached mount that is not idmapped yet.",
    cites=(
        "mount_setattr(2), 'ID-mapped mounts' and 'ERRORS', EINVAL and EPERM",
        "build_mount_idmapped() and can_idmap_mount() in fs/namespace.c",
        "7a80e5b8c6fa (\"shmem: support idmapped mounts for tmpfs\"), 6.3",
    ),
    params={"caller": CALLERS, "mapped": MAPS},
    # The machine's filesystems have the initial namespace for their own.
    where=lambda caller, mapped: mapped == "a namespace below" or (caller, mapped) in (
        ("root", "no maps written"), ("root", "initial"), ("a sandbox, its own tmpfs", "the filesystem's own")),
    expect=(
        Rule(since_6_9, since="6.9",
             cites="dacfd001eaf2 (\"fs/mnt_idmapping.c: Return -EINVAL when no map is written\"), 6.9"),
        Rule(since_6_3, since="6.3", cites="7a80e5b8c6fa (\"shmem: support idmapped mounts for tmpfs\"), 6.3"),
        Rule(before_6_3, cites="mount_setattr(2), 'ERRORS', EINVAL: the filesystem does not support it"),
    ),
    options=("CONFIG_USER_NS", "CONFIG_TMPFS"),
    needs=("root", "userns", "syscall:mount_setattr"),
    survivors={
        'drop write_file("/proc/<map>/setgroups"*': "Only a writer who lacks CAP_SETGID over the parent must; whoever is"
            " asked here has it.",
    },
)


def observe(lab, caller, mapped):
    lab.mkdir("mapped", 0o755)
    if "own tmpfs" not in caller:
        lab.tmpfs("source")
    if "sandbox" in caller:
        lab.become(lab, OWNER, GROUP)
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(lab, {0: OWNER}, {0: GROUP})
    if "own tmpfs" in caller:
        # On a directory of root's: to mount there takes no right to it.
        lab.mount("own", "mapped", "tmpfs", 0, "mode=755")
        lab.chdir("mapped")
        lab.tmpfs("source")
        lab.mkdir("mapped", 0o755)
    descriptor = namespace(lab, caller, mapped)
    if "without" in caller:
        lab.become(lab, 0, 0, (), CAPABILITIES)
    return attempts(lab, "source", descriptor)


def namespace(lab, caller, mapped):
    """A descriptor of the user namespace that brings the map."""
    if mapped in ("initial", "the filesystem's own"):
        return lab.open("/proc/self/ns/user", 0, 0)
    process = lab.fork("map")
    process.unshare(CLONE.NEWUSER)
    if mapped == "a namespace below":
        pair = (OWNER, OTHER) if "sandbox" not in caller else (7, 0)
        # Written from outside, by one who denies setgroups first where that needs it.
        proc = "/proc/%d/" % process.pid
        lab.values([("write_file", proc + "setgroups", "deny"), ("write_file", proc + "uid_map", "%d %d 1\n" % pair),
                    ("write_file", proc + "gid_map", "%d %d 1\n" % pair)])
    return lab.open("/proc/%d/ns/user" % process.pid, 0, 0)


def attempts(lab, source, descriptor):
    wanted = {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": descriptor}
    copy, error = lab.issue("open_tree", [AT_FDCWD, source, OPEN_TREE.CLONE])
    table = {"detach a copy": error or "ok"}
    if not error:
        table["idmap"] = lab.attempt.mount_setattr(copy, "", AT.EMPTY_PATH, wanted)
    table["of the mount itself"] = lab.attempt.mount_setattr(AT_FDCWD, source, 0, wanted)
    if table.get("idmap") == "ok":
        table["idmap again"] = lab.attempt.mount_setattr(copy, "", AT.EMPTY_PATH, wanted)
        table["clear it"] = lab.attempt.mount_setattr(copy, "", AT.EMPTY_PATH, {"attr_clr": MOUNT_ATTR.IDMAP})
        table["read-only as well"] = lab.attempt.mount_setattr(copy, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.RDONLY})
        table["attach"] = lab.attempt.move_mount(copy, "", AT_FDCWD, "mapped", MOVE_MOUNT.F_EMPTY_PATH)
    return table

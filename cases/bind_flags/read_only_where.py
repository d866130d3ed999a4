"""Read-only can be said of a mount or of its filesystem, and each way of saying it means one of them or both.

A write must be allowed by both. mount(2) with MS_RDONLY says it of both, when it mounts and when it remounts; with
MS_REMOUNT|MS_BIND it says it of the mount alone. With the calls that took mount(2) apart one chooses: "ro" given to
fsconfig(2) is the filesystem, MOUNT_ATTR_RDONLY given to fsmount(2) or mount_setattr(2) the mount.

A bind copies the mount's flag and shares the filesystem, so which of them it was decides what can be done about it. A
bind made writable writes if only the mount was read-only. A read-only filesystem stays so through every mount whose own
flags say rw, until a remount without MS_BIND through any of them; mountinfo tells them apart in its two lists of
options.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, FSCONFIG, MOUNT_ATTR, MOVE_MOUNT, MS, O

# How it was said, and of what.
SAID = {
    "nowhere": "",
    "mount with MS_RDONLY": "mount and filesystem",
    "MS_REMOUNT": "mount and filesystem",
    "MS_REMOUNT|MS_BIND": "mount",
    "mount_setattr": "mount",
    "fsconfig": "filesystem",
    "fsmount": "mount",
    "fsconfig and fsmount": "mount and filesystem",
    "fsconfig with FSCONFIG_CMD_RECONFIGURE": "filesystem",
}


def expected(said):
    mount, filesystem = "mount" in SAID[said], "filesystem" in SAID[said]
    return {
        "original": state(mount, filesystem),
        "bind": state(mount, filesystem),
        "bind remounted with MS_BIND": {"bind": state(False, filesystem), "original": state(mount, filesystem)},
        "bind remounted without": {"bind": state(False, False), "original": state(mount, False)},
    }


def state(mount, filesystem):
    return {"mount": "ro" if mount else "rw", "filesystem": "ro" if filesystem else "rw",
            "write": "EROFS" if mount or filesystem else "ok"}


CASE = Case(
    claim="A mount is read-only by its own flag or by its filesystem's; MS_RDONLY without MS_BIND sets both,"
          " MS_REMOUNT|MS_BIND, mount_setattr and fsmount the first, fsconfig the second.",
    cites=(
        "mount(2), 'Remounting an existing mount'",
        "fsconfig(2) and fsmount(2): parameters of the filesystem, attributes of the mount",
        "__mnt_is_readonly() in fs/namespace.c; path_mount() there makes both of MS_RDONLY",
        "93766fbd2696 (\"vfs: syscall: Add fsmount() to create a mount for a superblock\"), 5.2",
    ),
    params={"said": tuple(SAID)},
    expect=expected,
    needs=lambda said: tuple("syscall:" + name for name in ("mount_setattr", "fsconfig", "fsmount") if name in said)
    + (("syscall:fsopen",) if "fs" in said else ()),
)


def observe(lab, said):
    lab.mkdir("original", 0o755)
    make(lab, said)
    lab.bind("original", "bind")
    observation = {name: look(lab, name) for name in ("original", "bind")}
    for name, flags in (("bind remounted with MS_BIND", MS.REMOUNT | MS.BIND), ("bind remounted without", MS.REMOUNT)):
        lab.mount(None, "bind", None, flags, None)
        observation[name] = {"bind": look(lab, "bind"), "original": look(lab, "original")}
    return observation


def make(lab, said):
    if "fs" in said:
        context = lab.fsopen("tmpfs", 0)
        if "fsconfig" in said and "RECONFIGURE" not in said:
            lab.fsconfig(context, FSCONFIG.SET_FLAG, "ro", None, 0)
        lab.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
        mount = lab.fsmount(context, 0, MOUNT_ATTR.RDONLY if "fsmount" in said else 0)
        lab.move_mount(mount, "", AT_FDCWD, "original", MOVE_MOUNT.F_EMPTY_PATH)
        if "RECONFIGURE" in said:
            lab.fsconfig(context, FSCONFIG.SET_FLAG, "ro", None, 0)
            lab.fsconfig(context, FSCONFIG.CMD_RECONFIGURE, None, None, 0)
        lab.values([("close", mount), ("close", context)])
        return
    lab.mount("tmpfs", "original", "tmpfs", MS.RDONLY if said == "mount with MS_RDONLY" else 0, None)
    if said == "mount_setattr":
        lab.mount_setattr(AT_FDCWD, "original", 0, {"attr_set": MOUNT_ATTR.RDONLY})
    elif said.startswith("MS_REMOUNT"):
        lab.mount(None, "original", None, MS.REMOUNT | MS.RDONLY | (MS.BIND if "BIND" in said else 0), None)


def look(lab, path):
    seen = lab.mountinfo(path)
    return {"mount": "ro" if "ro" in seen["flags"] else "rw", "filesystem": seen["superblock"],
            "write": lab.try_open(path + "/file", O.WRONLY | O.CREAT)}

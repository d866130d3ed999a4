"""An overlay takes lower layers that are read-only in either way; its upper layer must be writable in both when it is mounted.

A lower layer is only read: whether its mount or its filesystem is read-only changes nothing, and files in it can be
written to, as they are copied up first. The upper layer is written to at once, so that one on a read-only mount or
filesystem is refused, also for an overlay that is to be read-only itself. Up to 5.12 only the filesystem was asked; on a
read-only mount it was the attempt to make the work directory that failed, with another errno (EROFS).

Work and upper directory must lie on one mount, not just on one filesystem (EINVAL). Without an upper layer an overlay is
read-only for good: a remount of its filesystem is EROFS, while a remount with MS_BIND is a success that allows no write.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import MS, O

LAYERS = "lowerdir=lower/files,upperdir=upper/files,workdir=upper/work"
READ_ONLY = {"mount": MS.REMOUNT | MS.BIND | MS.RDONLY, "filesystem": MS.REMOUNT | MS.RDONLY}
# Which layer is made read-only and how, the overlay's options and its own flags.
SITUATIONS = {
    "all writable": ("", "", LAYERS, 0),
    "lower on a read-only mount": ("lower", "mount", LAYERS, 0),
    "lower on a read-only filesystem": ("lower", "filesystem", LAYERS, 0),
    "upper on a read-only mount": ("upper", "mount", LAYERS, 0),
    "upper on a read-only filesystem": ("upper", "filesystem", LAYERS, 0),
    "upper on a read-only mount, overlay read-only": ("upper", "mount", LAYERS, MS.RDONLY),
    "overlay read-only": ("", "", LAYERS, MS.RDONLY),
    "work on another mount": ("", "", LAYERS.replace("workdir=upper", "workdir=bind"), 0),
    "no upper layer": ("", "", "lowerdir=lower/files:upper/files", 0),
}


def since_5_13(situation):
    return table(situation, "EINVAL")


def before_5_13(situation):
    return table(situation, "EROFS")


def table(situation, read_only_upper):
    result = "ok"
    if situation in ("upper on a read-only filesystem", "work on another mount"):
        result = "EINVAL"
    elif situation.startswith("upper on a read-only mount"):
        result = read_only_upper
    if result != "ok":
        return {"mount": result}
    fixed, read_only = situation == "no upper layer", situation == "overlay read-only"
    write = "EROFS" if fixed or read_only else "ok"
    return {
        "mount": "ok", "superblock": "ro" if fixed or read_only else "rw",
        "write to a lower file": write, "create": write,
        "remounted read-write": {"MS_REMOUNT|MS_BIND": "ok", "create": "EROFS" if fixed or read_only else "ok",
                                 "MS_REMOUNT": "EROFS" if fixed else "ok", "create then": "EROFS" if fixed else "ok"},
    }


CASE = Case(
    claim="A lower layer of an overlay may be read-only, by its mount or its filesystem; an upper layer may not (EINVAL), and"
          " must share its mount with the work directory.",
    cites=(
        "Documentation/filesystems/overlayfs.rst, 'Upper and Lower'",
        "ovl_get_upper() and ovl_get_workdir() in fs/overlayfs/super.c; ovl_reconfigure() and ovl_force_readonly()",
    ),
    params={"situation": tuple(SITUATIONS)},
    expect=(
        Rule(since_5_13, since="5.13",
             cites="e21a6c57e390 (\"ovl: check that upperdir path is not on a read-only mount\"), 5.13"),
        Rule(before_5_13, cites="ovl_get_workdir() in fs/overlayfs/super.c: mnt_want_write() of the upper mount"),
    ),
    needs=("root", "fs:overlay"),
    documented="Documentation/filesystems/overlayfs.rst asks for an upper layer that is writable, and does not say of mounts"
               " that they count.",
    survivors={
        'drop mount(NULL, "lower", NULL, MS_REMOUNT|MS_BIND, NULL)': "Of a lower layer nothing counts: neither filesystem nor"
            " mount.",
        'drop mount(NULL, "lower", NULL, MS_RDONLY|*': "Of a lower layer nothing counts: neither filesystem nor mount.",
        'drop mount(NULL, "upper", NULL, MS_REMOUNT|MS_BIND, NULL)': "What is read-only as a filesystem is so through every"
            " mount.",
    },
)


def observe(lab, situation):
    layer, how, options, flags = SITUATIONS[situation]
    for name in ("lower", "upper"):
        lab.tmpfs(name)
        lab.mkdir(name + "/files", 0o755)
    lab.file("lower/files/file")
    lab.mkdir("upper/work", 0o755)
    lab.bind("upper", "bind")
    lab.mkdir("overlay", 0o755)
    if layer:
        lab.mount(None, layer, None, READ_ONLY[how], None)
        if how == "filesystem":
            # On the filesystem alone.
            lab.mount(None, layer, None, MS.REMOUNT | MS.BIND, None)
    result = lab.attempt.mount("overlay", "overlay", "overlay", flags, options)
    if result != "ok":
        return {"mount": result}
    seen = {"mount": "ok", "superblock": lab.mountinfo("overlay")["superblock"]}
    create = ("try_open", "overlay/new", O.WRONLY | O.CREAT)
    seen["write to a lower file"], seen["create"] = lab.batch([("try_open", "overlay/file", O.WRONLY), create])
    bind, then, whole, at_last = lab.batch([
        ("mount", None, "overlay", None, MS.REMOUNT | MS.BIND, None), create,
        ("mount", None, "overlay", None, MS.REMOUNT, None), create])
    return dict(seen, **{"remounted read-write": {"MS_REMOUNT|MS_BIND": bind, "create": then, "MS_REMOUNT": whole,
                                                  "create then": at_last}})

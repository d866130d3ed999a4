"""An overlay and its layers become read-only each for itself; only the filesystem of the upper layer takes the overlay along.

An overlay keeps clones of its layers' mounts, made when it was mounted. So MS_REMOUNT|MS_BIND on the mount of the upper
layer is success and stops nothing but writes that go to the layer directly: the overlay goes on writing there.
MS_REMOUNT without MS_BIND reaches the filesystem, and then every write through the overlay is EROFS, though both of its
lists of options in mountinfo say rw. The lower layer is never written to, so nothing done to it is noticed; copying up
works.

The overlay's own filesystem is another one: read-only, it is so through all its mounts, and the upper layer can still
be written to directly. With MS_BIND it is its one mount, as everywhere.
"""

from ksem.guest.case import Case
from ksem.guest.flags import MS, O

TARGETS = {"overlay": "overlay", "upper layer": "upper", "lower layer": "lower"}
CALLS = {"MS_REMOUNT|MS_BIND": MS.REMOUNT | MS.BIND, "MS_REMOUNT": MS.REMOUNT}
FILES = {
    "write to an upper file": "overlay/in upper",
    "write to a lower file": "overlay/in lower",
    "create": "overlay/new",
    "write through a bind": "bind/in upper",
    "write to the upper layer": "upper/files/in upper",
    "write to the lower layer": "lower/files/other in lower",
}


def expected(target, call):
    bind = call == "MS_REMOUNT|MS_BIND"
    through = target == "overlay" or (target == "upper layer" and not bind)
    refused = dict.fromkeys(("write to an upper file", "write to a lower file", "create"), through)
    refused["write through a bind"] = through and not bind
    refused["write to the upper layer"] = target == "upper layer"
    refused["write to the lower layer"] = target == "lower layer"
    own = "ro" if target == "overlay" else "rw"
    return {
        "result": "ok",
        "writes": {name: "EROFS" if refused[name] else "ok" for name in FILES},
        "mountinfo of the overlay": {"mount": own, "superblock": "rw" if bind else own},
    }


CASE = Case(
    claim="A layer's mount remounted read-only with MS_BIND does not make a mounted overlay read-only, nor does anything done"
          " to the lower layer; the upper layer's filesystem does.",
    cites=(
        "Documentation/filesystems/overlayfs.rst, 'Changes to underlying filesystems'",
        "clone_private_mount() in fs/namespace.c, called by ovl_get_upper() and ovl_get_layers(): the overlay's own copies",
        "ovl_want_write() in fs/overlayfs/util.c: asks the clone of the upper mount, and so its superblock",
        "mount(2), 'Remounting an existing mount'",
    ),
    params={"target": tuple(TARGETS), "call": tuple(CALLS)},
    expect=expected,
    needs=("root", "fs:overlay"),
    documented="Documentation/filesystems/overlayfs.rst does not say that the flags of its layers' mounts do not count once"
               " it is mounted.",
)


def observe(lab, target, call):
    for layer in ("upper", "lower"):
        lab.tmpfs(layer)
        lab.mkdir(layer + "/files", 0o755)
        for name in ("in ", "other in "):
            lab.file("%s/files/%s%s" % (layer, name, layer))
    lab.mkdir("upper/work", 0o755)
    lab.mkdir("overlay", 0o755)
    lab.mount("overlay", "overlay", "overlay", 0, "lowerdir=lower/files,upperdir=upper/files,workdir=upper/work")
    lab.bind("overlay", "bind")
    result = lab.attempt.mount(None, TARGETS[target], None, CALLS[call] | MS.RDONLY, None)
    writes = lab.batch([("try_open", path, O.WRONLY | (O.CREAT if name == "create" else 0)) for name, path in FILES.items()])
    seen = lab.mountinfo("overlay")
    return {"result": result, "writes": dict(zip(FILES, writes)),
            "mountinfo of the overlay": {"mount": "ro" if "ro" in seen["flags"] else "rw", "superblock": seen["superblock"]}}

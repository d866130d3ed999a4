"""Whether reading leaves a mark is up to the mount that is read through: noatime, nodiratime, relatime, strictatime, ro.

Each of them is observed by what it does. The time of last access is set, the file is read or the directory listed, and
the time is looked at again. relatime moves it only when it lies before the last change (or is older than a day), so a
file whose time of access is later is read without a mark; strictatime moves it each time, noatime never, and nodiratime
keeps that of directories alone, whatever the kind. A read-only mount moves none, as that would be a write. Whoever opens
with O_NOATIME leaves none anywhere.

It counts for who goes through the mount: read through another mount of the same filesystem, the same file is marked by
the rules of that one.

An overlay goes by its own mount's kind, and moves only what lies in its upper layer. What comes from a lower one is read
without a mark, whatever the mounts say.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import AT_FDCWD, MS, O
from ksem.guest.lab import mount_flags

FLAGS = ("relatime", "noatime", "nodiratime", "strictatime", "noatime nodiratime", "strictatime nodiratime", "ro",
         "ro strictatime")
LAYERS = {"tmpfs": "", "overlay, upper layer": "upper", "overlay, lower layer": "lower"}
# Seconds since 1970, and how a time of access then compares to that of the last change, which is now.
TIMES = {"earlier": 1000000000, "later": 4102444800}


def expected(flags, on):
    words = flags.split()
    lower = on == "overlay, lower layer"

    def moves(kind, when):
        if lower or "ro" in words or "noatime" in words or (kind == "directory" and "nodiratime" in words):
            return False
        return "strictatime" in words or when == "earlier"

    table = {"%s, accessed %s than changed" % (kind, when): moves(kind, when)
             for kind in ("file", "directory") for when in TIMES}
    # That mount is strictatime.
    return dict(table, **{"file by O_NOATIME": False, "file through another mount": not lower})


CASE = Case(
    claim="The time of last access moves by the kind of the mount that is read through, not by that of another mount of the"
          " filesystem; on an overlay only for what is in the upper layer.",
    cites=(
        "mount(2), 'Additional mount flags', MS_NOATIME, MS_NODIRATIME, MS_RELATIME and MS_STRICTATIME",
        "open(2), O_NOATIME",
        "Documentation/filesystems/overlayfs.rst, 'Non-standard behavior', (a): no new st_atime of a file on a lower layer",
        "atime_needs_update() and touch_atime() in fs/inode.c",
        "ovl_file_accessed() in fs/overlayfs/file.c and ovl_update_time() in fs/overlayfs/inode.c",
    ),
    params={"flags": FLAGS, "on": tuple(LAYERS)},
    # What a flag means is the same everywhere; an overlay is asked where it might go its own way.
    where=lambda flags, on: on == "tmpfs" or flags in ("relatime", "noatime", "strictatime"),
    expect=expected,
    needs=lambda flags, on: ("root", "fs:overlay") if "overlay" in on else (),
    survivors={
        "drop write(*": "An empty file is read as well.",
        'drop utimes("*/through another mount"*': "The time that it had is another one too, and later than that of the"
            " modification.",
    },
)


def observe(lab, flags, on):
    top = make(lab, LAYERS[on])
    lab.bind("mount", "other")
    lab.mount(None, "other", None, MS.REMOUNT | MS.BIND | MS.STRICTATIME, None)
    lab.mount(None, "mount", None, MS.REMOUNT | MS.BIND | mount_flags(flags.split()), None)
    seen = {}
    for kind, read in (("file", "read_file"), ("directory", "list_directory")):
        for when, second in TIMES.items():
            name = "%s %s" % (kind, when)
            _, moved = lab.values([(read, "mount/" + name), ("accessed", "%s/%s" % (top, name), second)])
            seen["%s, accessed %s than changed" % (kind, when)] = moved
    descriptor = lab.openat(AT_FDCWD, "mount/by O_NOATIME", O.NOATIME, 0)
    if lab.read(descriptor, 16) != "text":
        raise Broken("nothing was read with O_NOATIME")
    seen["file by O_NOATIME"] = lab.accessed(top + "/by O_NOATIME", TIMES["earlier"])
    lab.read_file("other/through another mount")
    seen["file through another mount"] = lab.accessed(top + "/through another mount", TIMES["later"])
    return seen


def make(lab, layer):
    """What is read is made where it lies, as an overlay would copy it up: the directory in which that is."""
    if not layer:
        lab.tmpfs("mount")
        furnish(lab, "mount")
        return "mount"
    lab.tmpfs("layers")
    for name in ("layers/upper", "layers/lower", "layers/work", "mount"):
        lab.mkdir(name, 0o755)
    furnish(lab, "layers/" + layer)
    lab.mount("overlay", "mount", "overlay", 0, "lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work")
    return "layers/" + layer


def furnish(lab, top):
    files = ["file " + when for when in TIMES] + ["by O_NOATIME", "through another mount"]
    directories = ["directory " + when for when in TIMES]
    for name in files:
        descriptor = lab.open("%s/%s" % (top, name), O.CREAT | O.WRONLY, 0o644)
        lab.values([("write", descriptor, "text", 4), ("close", descriptor)])
    lab.values([("mkdir", "%s/%s" % (top, name), 0o755) for name in directories])
    # What only MS_STRICTATIME moves is what was accessed later.
    seconds = {name: TIMES["later" if "later" in name or "another" in name else "earlier"] for name in files + directories}
    # The modification lies before either, so that the status change, which is now, is what counts.
    lab.values([("utimes", "%s/%s" % (top, name), [second, 1]) for name, second in seconds.items()])

"""A remount replaces the flags of a mount: what it does not name is gone, but for the access time when it names none.

MS_REMOUNT|MS_BIND gives the mount just the flags of the call. Who wants to add one must read the others and name them
again; "remount it read-only" takes nosuid, nodev, noexec and nosymfollow off on the way. A remount of the filesystem
(MS_REMOUNT alone) does the same to the mount that it is called on.

The kind of access time is kept if the call names none (since 3.17). It is one thing, though: naming any of its flags
sets it anew. So nodiratime alone takes noatime off, relatime is what noatime's absence means, and strictatime wins over
both noatime and relatime.

A new mount keeps nothing, of course, and is relatime unless it is told otherwise.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import MS, O
from ksem.guest.lab import mount_flags, mount_options

STARTS = ("relatime", "ro nosuid nodev noexec nosymfollow", "noatime", "nodiratime", "noatime nodiratime", "strictatime",
          "strictatime nodiratime")
NAMED = ("", "ro", "nosuid nodev", "noexec nosymfollow", "relatime", "strictatime", "noatime", "nodiratime",
         "noatime nodiratime", "strictatime nodiratime", "relatime noatime", "strictatime noatime", "nodiratime ro")
ACCESS_TIMES = {"relatime", "strictatime", "noatime", "nodiratime"}
CALLS = {"MS_REMOUNT|MS_BIND": MS.REMOUNT | MS.BIND, "MS_REMOUNT": MS.REMOUNT, "a new mount": 0}


def expected(call, start):
    old = access_time(set(start.split()) & ACCESS_TIMES)
    table = {}
    for named in NAMED:
        words = set(named.split())
        keeps = call != "a new mount" and not words & ACCESS_TIMES
        times = old if keeps else access_time(words & ACCESS_TIMES)
        read_only = "ro" in words
        table[named or "none"] = {
            "flags": sorted((words - ACCESS_TIMES) | times | (set() if read_only else {"rw"})),
            "superblock": "ro" if read_only and call != "MS_REMOUNT|MS_BIND" else "rw",
            "write": "EROFS" if read_only else "ok",
        }
    return table


def access_time(words):
    """What a mount shows that was given these flags."""
    shown = words & {"nodiratime"}
    if "strictatime" in words:
        return shown
    return shown | ({"noatime"} if "noatime" in words else {"relatime"})


CASE = Case(
    claim="MS_REMOUNT, with MS_BIND or without, replaces all flags of the mount by those that it names; only the kind of access"
          " time is kept when none is named.",
    cites=(
        "mount(2), 'Remounting an existing mount'",
        "path_mount() in fs/namespace.c: \"The default atime for remount is preservation\"",
        "set_mount_attributes() and MNT_USER_SETTABLE_MASK in fs/namespace.c and include/linux/mount.h",
        "dab741e0e02b (\"Add a \"nosymfollow\" mount option.\"), 5.10",
    ),
    params={"call": tuple(CALLS), "start": STARTS},
    shown_with={"start": "ro nosuid nodev noexec nosymfollow"},
    where=lambda call, start: call != "a new mount" or start == "relatime",
    expect=expected,
    survivors={
        'drop umount2("mount", 0)': "It makes room for the next mount, which would lie on top.",
    },
)


def observe(lab, call, start):
    lab.mkdir("mount", 0o755)
    return {named or "none": replaced(lab, CALLS[call], start, named) for named in NAMED}


def replaced(lab, call, start, named):
    """One change to a mount that is new each time, and a look at it."""
    flags = mount_flags(named.split())
    if call:
        lab.mount("tmpfs", "mount", "tmpfs", 0, "mode=755")
        lab.mount(None, "mount", None, MS.REMOUNT | MS.BIND | mount_flags(start.split()), None)
        if lab.mount_options_at("mount") != mount_options(start.split()):
            raise Broken("there are no flags to be replaced")
        lab.mount(None, "mount", None, call | flags, None)
    else:
        lab.mount("tmpfs", "mount", "tmpfs", flags, "mode=755")
    seen = lab.mountinfo("mount")
    write = lab.try_open("mount/file", O.WRONLY | O.CREAT)
    lab.umount2("mount", 0)
    return {"flags": sorted(seen["flags"]), "superblock": seen["superblock"], "write": write}

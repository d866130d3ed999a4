"""statmount(2) reads one mount by its id and listmount(2) lists what is mounted below it, without /proc (6.8).

mountinfo is a text of the whole namespace, whose ids are used again. The new calls take an id that never is, from
statx(2) with STATX_MNT_ID_UNIQUE, and name what the caller wants to know. What the kernel filled in it says in the mask: a
field that it does not know is left out, and that is no error. So a caller that asks for all of them sees which
releases brought which: the options of the filesystem with 6.11, its source with 6.13, the id maps of an idmapped
mount and the mask of what is known with 6.15. Those rows are what a sandbox must look at before it relies on a field.

A mount that is gone is ENOENT, also while a descriptor keeps it alive; since 7.0 it can be asked for by that descriptor
(STATMOUNT_BY_FD), and is one without a mount point then. A flag that does not exist is EINVAL, and an unknown call ENOSYS.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import MNT, MOUNT_ATTR, STATMOUNT, O

FIELDS = STATMOUNT.SB_BASIC | STATMOUNT.MNT_BASIC | STATMOUNT.MNT_ROOT | STATMOUNT.MNT_POINT | STATMOUNT.FS_TYPE
LATER = {
    "mnt_ns_id": STATMOUNT.MNT_NS_ID,
    "mnt_opts": STATMOUNT.MNT_OPTS,
    "sb_source": STATMOUNT.SB_SOURCE,
    "supported_mask": STATMOUNT.SUPPORTED_MASK,
}


def expected(*later, **kinds):
    return {
        "statmount": {
            "sb_magic": 0x01021994, "mnt_attr": MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV, "mnt_root": "/",
            "mnt_point": "/tmp/tree/below", "fs_type": "tmpfs",
            "fields": "STATMOUNT_SB_BASIC|STATMOUNT_MNT_BASIC|STATMOUNT_MNT_ROOT|STATMOUNT_MNT_POINT|STATMOUNT_FS_TYPE",
        },
        "listmount": 2,
        "later fields": {name: name in later for name in LATER},
        "unknown flag": "EINVAL",
        "unmounted": "ENOENT",
        "unmounted, by its descriptor": {"fs_type": "tmpfs", "fields": "STATMOUNT_FS_TYPE"} if kinds else "EINVAL",
    }


BY_FD = 1
ABSENT = {"statmount": "ENOSYS", "listmount": "ENOSYS", "later fields": dict.fromkeys(LATER, "ENOSYS"),
          "unknown flag": "ENOSYS", "unmounted": "ENOSYS", "unmounted, by its descriptor": "ENOSYS"}
EARLIER = ("mnt_ns_id", "mnt_opts")

CASE = Case(
    claim="statmount and listmount read mounts by unique ids (6.8); fields that a kernel lacks it leaves out of the mask.",
    cites=(
        "statmount(2), listmount(2), 'DESCRIPTION'",
        "46eae99ef733 (\"add statmount(2) syscall\"), 6.8",
        "b4c2bea8ceaa (\"add listmount(2) syscall\"), 6.8",
    ),
    expect=(
        Rule(expected(*LATER, by_descriptor=True), since="7.0",
             cites="0e5032237ee5 (\"statmount: accept fd as a parameter\"), 7.0"),
        Rule(expected(*LATER), since="6.15",
             cites="8f6116b5b77b (\"statmount: add a new supported_mask field\"), 6.15"),
        Rule(expected(*EARLIER, "sb_source"), since="6.13",
             cites="44010543fc8b (\"fs: add the ability for statmount() to report the sb_source\"), 6.13"),
        Rule(expected(*EARLIER), since="6.11", cites="f9af549d1fd3 (\"fs: export mount options via statmount()\"), 6.11"),
        Rule(expected(), since="6.8", cites="46eae99ef733 (\"add statmount(2) syscall\"), 6.8"),
        Rule(ABSENT),
    ),
)


def observe(lab):
    lab.tmpfs("tree")
    lab.tmpfs("tree/below", ["ro", "nodev"])
    lab.tmpfs("tree/other")
    asked = {name: asking(lab, "tree/below", field) for name, field in LATER.items()}
    seen = {
        "statmount": asking(lab, "tree/below", FIELDS),
        "listmount": counted(lab, "tree"),
        "later fields": {name: seen if isinstance(seen, str) else seen["fields"] != "0" for name, seen in asked.items()},
        "unknown flag": lab.attempt.statmount({"mount": "tree", "param": FIELDS}, 1 << 30),
    }
    # An open descriptor keeps the mount, but it belongs to no namespace any more.
    held = lab.open("tree/other", O.PATH, 0)
    lab.umount2("tree/other", MNT.DETACH)
    seen["unmounted"] = lab.attempt.statmount({"mount": "/proc/self/fd/%d" % held, "param": FIELDS}, 0)
    request = {"fd": held, "param": STATMOUNT.FS_TYPE | STATMOUNT.MNT_POINT}
    seen["unmounted, by its descriptor"] = answer(lab, "statmount", request, BY_FD)
    return seen


def asking(lab, path, fields):
    """What statmount gives, or its errno."""
    return answer(lab, "statmount", {"mount": path, "param": fields}, 0)


def counted(lab, path):
    return answer(lab, "listmount", {"mount": path}, 0)


def answer(lab, call, request, flags):
    value, error = lab.issue(call, [request, flags])
    return error or value

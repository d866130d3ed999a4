"""A bind mount starts with the per-mount flags of the mount that its source lies on.

The kernel clones the source mount, flags and all. Flags passed along with MS_BIND are ignored, so a bind mount
cannot be made read-only in one call: it takes a second one with MS_REMOUNT|MS_BIND.
"""

from ksem.guest.case import Case
from ksem.guest.flags import MS
from ksem.guest.lab import mount_flags


def expected(flag, recursive, passed):
    # Without any other access time flag, mountinfo names relatime: it is the default since 2.6.30.
    atime = {"noatime": ["noatime"], "strictatime": []}.get(flag, ["relatime"])
    own = [] if flag in ("none", "ro", "noatime", "relatime", "strictatime") else [flag]
    flags = ["ro" if flag == "ro" else "rw"] + own + atime
    return {"source": sorted(flags), "copy": sorted(flags)}


CASE = Case(
    claim="A bind mount starts with the per-mount flags of its source; flags passed with MS_BIND are ignored.",
    cites=("mount(2), 'Creating a bind mount'",),
    params={
        "flag": ("none", "ro", "nosuid", "nodev", "noexec", "nosymfollow", "noatime", "nodiratime", "strictatime"),
        "recursive": (False, True),
        "passed": ("none", "ro"),
    },
    expect=expected,
)


def observe(lab, flag, recursive, passed):
    source = lab.tmpfs("source", [] if flag == "none" else [flag])
    lab.mkdir("copy", 0o755)
    extra = MS.REC if recursive else 0
    lab.mount(source, "copy", None, MS.BIND | extra | mount_flags([] if passed == "none" else [passed]), None)
    return {"source": sorted(lab.mountinfo(source)["flags"]), "copy": sorted(lab.mountinfo("copy")["flags"])}

"""Root of a user namespace can mount overlayfs since 5.11, of layers that it may reach, without any help from outside.

That is what makes rootless containers practical: a writable view of a shared, read-only tree, with no copy and no FUSE.
The mounter's own rights are what the filesystem works with: changes go to the upper layer as files of the mounter, and
the xattrs that mark what was removed are in the user.* namespace (userxattr), as trusted.* is not for root of a namespace.
Without userxattr overlayfs mounts all the same, but cannot mark a directory as opaque.

Up to 5.10 it is EPERM, for the filesystem did not say that it may be mounted by others than the machine's root. The upper
layer here is a tmpfs, whose user xattrs came with 6.6: with userxattr an older kernel warns, and mounts.

What is removed from the view leaves a whiteout in the upper layer, a character device 0:0, which root of a user namespace
may make (5.8).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import O

LAYERS = "lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work"


def since_5_11(caller, userxattr):
    return {
        "mount": "ok", "read": "ok", "write": "ok", "unlink": "ok",
        "seen": ["changed", "kept", "made"],
        "lower": ["changed", "kept", "removed"],
        "upper": {"changed": "file", "made": "file", "removed": "chardev"},
    }


def before_5_11(caller, userxattr):
    if caller == "root" and userxattr == "without":
        return since_5_11(caller, userxattr)
    # The option is unknown there, too.
    return {"mount": "EPERM" if caller != "root" else "EINVAL", "lower": ["changed", "kept", "removed"], "upper": {}}


CASE = Case(
    claim="Root of a user namespace can mount overlayfs (5.11); before that it is EPERM.",
    cites=(
        "459c7c565ac3 (\"ovl: unprivieged mounts\"), 5.11",
        "2d2f2d7322ff (\"ovl: user xattr\"), 5.11",
        "a3c751a50fe6 (\"vfs: allow unprivileged whiteout creation\"), 5.8",
        "Documentation/filesystems/overlayfs.rst, 'Permission model'",
    ),
    params={"caller": ("root", "root of a user namespace"), "userxattr": ("without", "with")},
    expect=(
        Rule(since_5_11, since="5.11", cites="459c7c565ac3 (\"ovl: unprivieged mounts\"), 5.11"),
        Rule(before_5_11),
    ),
    needs=lambda caller, userxattr: ("fs:overlay",) + (("userns",) if caller != "root" else ("root",)),
    options=("CONFIG_OVERLAY_FS", "CONFIG_USER_NS"),
    survivors={
        "drop lab.enter_sandbox": "Since 5.11 root of a sandbox gets the same answers as root, as is claimed; before, it is"
            " noticed.",
    },
)


def observe(lab, caller, userxattr):
    if caller != "root":
        lab.enter_sandbox()
    lab.tmpfs("layers")
    for path in ("layers/lower", "layers/upper", "layers/work", "view"):
        lab.mkdir(path, 0o755)
    for name in ("changed", "kept", "removed"):
        lab.file("layers/lower/" + name)
    data = LAYERS + (",userxattr" if userxattr == "with" else "")
    seen = {"mount": lab.attempt.mount("overlay", "view", "overlay", 0, data)}
    if seen["mount"] == "ok":
        seen["read"] = lab.try_open("view/kept", 0)
        seen["write"] = lab.try_open("view/changed", O.WRONLY)
        seen["unlink"] = lab.attempt.unlink("view/removed")
        lab.file("view/made")
        seen["seen"] = lab.list_directory("view")
    seen["lower"] = lab.list_directory("layers/lower")
    seen["upper"] = {name: lab.status("layers/upper/" + name)["type"] for name in lab.list_directory("layers/upper")}
    return seen

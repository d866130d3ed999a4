"""A mount that is attached nowhere has its flags already; they bind whoever has its descriptor, and stay when it is attached.

open_tree(2) with OPEN_TREE_CLONE copies a mount with its flags, as a bind does, and fsmount(2) makes one with the
attributes of its call. Neither shows in mountinfo, and statvfs(3) on the descriptor tells the options. Files are opened
through it with openat(2), and then read-only is EROFS and nosymfollow ELOOP as on any mount.

mount_setattr(2) changes it before anybody can see it: the way to make a bind mount read-only without a moment in which
it is not. The mount that it was copied from is not touched by that, nor does the copy follow a change of that one.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import AT, AT_FDCWD, FSCONFIG, MOUNT_ATTR, MOVE_MOUNT, MS, OPEN_TREE, O
from ksem.guest.lab import ROOT, mount_flags, mount_options

ATTRIBUTES = {
    "ro": MOUNT_ATTR.RDONLY, "nosuid": MOUNT_ATTR.NOSUID, "nodev": MOUNT_ATTR.NODEV, "noexec": MOUNT_ATTR.NOEXEC,
    "noatime": MOUNT_ATTR.NOATIME, "nodiratime": MOUNT_ATTR.NODIRATIME, "strictatime": MOUNT_ATTR.STRICTATIME,
}
FLAGS = ("none", *ATTRIBUTES, "nosymfollow")


def expected(maker, flag):
    words = [] if flag == "none" else [flag]
    added = [*words, *(word for word in ("ro", "nosuid") if word not in words)]
    observation = {
        "as made": mount_options(words),
        "detached": mount_of(words),
        "changed": dict(mount_of(added), result="ok"),
        "attached": dict(mount_of(added), result="ok"),
        "mounts before and after": [False, True],
    }
    if maker == "open_tree":
        observation["source"] = {"after the copy's change": mount_options(words), "copy after its own": mount_options(added)}
    return observation


def mount_of(words):
    return {"flags": mount_options(words), "write": "EROFS" if "ro" in words else "ok",
            "through a symlink": "ELOOP" if "nosymfollow" in words else "ok"}


CASE = Case(
    claim="A detached mount has the flags of its source or of its making, before it is attached and afterwards; mount_setattr"
          " changes them in between.",
    cites=(
        "open_tree(2), OPEN_TREE_CLONE",
        "fsmount(2), attr_flags",
        "mount_setattr(2), 'DESCRIPTION', AT_EMPTY_PATH",
        "a07b20004793 (\"vfs: syscall: Add open_tree(2) to reference or clone a mount\"), 5.2",
        "93766fbd2696 (\"vfs: syscall: Add fsmount() to create a mount for a superblock\"), 5.2",
    ),
    params={"maker": ("open_tree", "fsmount"), "flag": FLAGS},
    shown_with={"flag": "ro"},
    # fsmount knows no nosymfollow before 5.14.
    where=lambda maker, flag: maker == "open_tree" or flag != "nosymfollow",
    expect=expected,
    needs=("syscall:open_tree", "syscall:fsmount", "syscall:mount_setattr"),
    survivors={
        'flip mount_options_at("", *': "Of the mount that is attached, mountinfo tells instead.",
    },
)


def observe(lab, maker, flag):
    lab.mkdir("place", 0o755)
    mount, made = {"open_tree": clone, "fsmount": create}[maker](lab, flag)
    observation = {"as made": made, "detached": look(lab, mount)}
    result = lab.attempt.mount_setattr(mount, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID})
    observation["changed"] = dict(look(lab, mount), result=result)
    if maker == "open_tree":
        after = sorted(lab.mountinfo("source")["flags"])
        lab.mount(None, "source", None, MS.REMOUNT | MS.BIND | MS.NODEV | MS.NOATIME, None)
        if sorted(lab.mountinfo("source")["flags"]) != mount_options(["nodev", "noatime"]):
            raise Broken("the source was not changed")
        observation["source"] = {"after the copy's change": after, "copy after its own": lab.mount_options_at("", mount)}
    before = lab.attempt.mountinfo("place") == "ok"
    result = lab.attempt.move_mount(mount, "", AT_FDCWD, "place", MOVE_MOUNT.F_EMPTY_PATH)
    observation["attached"] = dict(look(lab, mount), result=result, flags=sorted(lab.mountinfo("place")["flags"]))
    observation["mounts before and after"] = [before, lab.attempt.mountinfo("place") == "ok"]
    lab.close(mount)
    return observation


def clone(lab, flag):
    lab.tmpfs("source")
    lab.file("source/file")
    lab.symlink("file", "source/symlink")
    words = [] if flag == "none" else [flag]
    lab.mount(None, "source", None, MS.REMOUNT | MS.BIND | mount_flags(words), None)
    mount = lab.open_tree(AT_FDCWD, "source", OPEN_TREE.CLONE)
    return mount, lab.mount_options_at("", mount)


def create(lab, flag):
    """Nothing can be made on a mount that is read-only: the files come in while it is not."""
    context = lab.fsopen("tmpfs", 0)
    lab.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    mount = lab.fsmount(context, 0, ATTRIBUTES.get(flag, 0))
    made = lab.mount_options_at("", mount)
    if flag == "ro":
        lab.mount_setattr(mount, "", AT.EMPTY_PATH, {"attr_clr": MOUNT_ATTR.RDONLY})
    lab.fchdir(mount)
    lab.file("file")
    lab.symlink("file", "symlink")
    lab.chdir(ROOT)
    if flag == "ro":
        lab.mount_setattr(mount, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.RDONLY})
    return mount, made


def look(lab, mount):
    outcomes = []
    for path, flags in (("file", O.WRONLY), ("symlink", 0)):
        descriptor, error = lab.issue("openat", [mount, path, flags, 0])
        if error is None:
            lab.close(descriptor)
        outcomes.append(error or "ok")
    return {"flags": lab.mount_options_at("", mount), "write": outcomes[0], "through a symlink": outcomes[1]}

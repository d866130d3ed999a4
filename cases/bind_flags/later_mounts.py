"""What is mounted below a mount later has flags of its own: nothing is inherited from the mount that it stands on.

Flags are those of one mount and are not looked up along the path. A filesystem mounted below starts with the flags of
its call, a bind with those of its source. The directory to mount on must exist, for a read-only mount lets none be made
(EROFS), but the mount itself is no write to it and is allowed.

That holds however the flags came about: also after mount_setattr(2) with AT_RECURSIVE, which changes the mounts that
are there and leaves nothing for those to come, and when the flags are locked in a user namespace. A sandbox that makes
its tree read-only does that last, and whoever may mount in it can still add places to write to.

Only a bind whose source lies on the restricted mount is restricted, as its copy.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MS, X_OK, O
from ksem.guest.lab import mount_flags, mount_options

FLAGS = "ro nosuid nodev noexec nosymfollow noatime"
ATTRIBUTES = (MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC | MOUNT_ATTR.NOATIME)
LATER = {
    "new filesystem": ("mount", "tmpfs", "top/place", "tmpfs", 0, "mode=755"),
    "new filesystem with nosuid": ("mount", "tmpfs", "top/place", "tmpfs", MS.NOSUID, "mode=755"),
    "bind from outside": ("mount", "outside", "top/place", None, MS.BIND, None),
    "bind of a directory of it": ("mount", "top/directory", "top/place", None, MS.BIND, None),
    "bind of itself": ("mount", "top", "top/place", None, MS.BIND, None),
}


def expected(made, later):
    words = FLAGS.split()
    if made == "mount_setattr AT_RECURSIVE":
        # nosymfollow is an attribute since 5.14 only, and not needed for the question.
        words.remove("nosymfollow")
    own = words if later in ("bind of a directory of it", "bind of itself") else ["nosuid"] if "nosuid" in later else []
    locked = made == "remount, then locked"
    return {
        "top": mount_options(words), "mkdir on it": "EROFS", "result": "ok", "flags": mount_options(own),
        "write": "EROFS" if own == words else "ok", "execute": "EACCES" if own == words else "ok",
        "made writable": "EPERM" if locked and own == words else "ok",
    }


CASE = Case(
    claim="A mount made later below a restricted one, by whatever call that was restricted, has the flags of its own call or of"
          " its source, and is writable.",
    cites=(
        "mount(2), 'Creating a new mount' and 'Creating a bind mount'",
        "mount_setattr(2), 'DESCRIPTION', AT_RECURSIVE: all mounts in the subtree at the time of the call",
        "do_new_mount() and __do_loopback() in fs/namespace.c: neither looks at the flags of the parent mount",
    ),
    params={"made": ("remount", "mount_setattr AT_RECURSIVE", "remount, then locked"), "later": tuple(LATER)},
    expect=expected,
    needs=lambda made, later: (("syscall:mount_setattr",) if "setattr" in made else ())
    + (("userns",) if "locked" in made else ()),
)


def observe(lab, made, later):
    for path in ("top", "outside"):
        lab.tmpfs(path)
        lab.file(path + "/program", 0o755)
    lab.mkdir("top/place", 0o755)
    lab.mkdir("top/directory", 0o755)
    lab.file("top/directory/program", 0o755)
    restrict(lab, made)
    observation = {"top": sorted(lab.mountinfo("top")["flags"]), "mkdir on it": lab.attempt.mkdir("top/other", 0o755)}
    observation["result"] = lab.batch([LATER[later]])[0]
    observation["flags"] = sorted(lab.mountinfo("top/place")["flags"])
    if "new filesystem" in later:
        lab.file("top/place/program", 0o755)
    observation["write"] = lab.try_open("top/place/program", O.WRONLY)
    observation["execute"] = lab.attempt.access("top/place/program", X_OK)
    observation["made writable"] = lab.attempt.mount(None, "top/place", None, MS.REMOUNT | MS.BIND, None)
    return observation


def restrict(lab, made):
    if made == "mount_setattr AT_RECURSIVE":
        lab.mount_setattr(AT_FDCWD, "top", AT.RECURSIVE, {"attr_set": ATTRIBUTES, "attr_clr": 0x70})
        return
    lab.mount(None, "top", None, MS.REMOUNT | MS.BIND | mount_flags(FLAGS.split()), None)
    if "locked" in made:
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        # Who has no id there cannot make files in what is mounted there.
        lab.map_ids(lab, {0: 0}, {0: 0})

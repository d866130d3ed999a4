"""A bind mount starts with the per-mount flags of the mount that its source lies on, and then goes its own way.

The kernel clones the source mount, flags and all, whether the source is the root of that mount, a directory or a file
in it, and whether the clone is made by mount(2) or by open_tree(2). Flags passed along with MS_BIND are ignored, so a
bind mount cannot be made read-only in one call: it takes a second one with MS_REMOUNT|MS_BIND. A recursive bind
clones every mount of the tree with its own flags; MS_REC changes none of them.

Afterwards source and copy share nothing but the filesystem: a remount of either with MS_BIND leaves the other alone. A
copy of a read-only mount can therefore be made writable again by a remount that leaves MS_RDONLY out.

What mountinfo says is not taken on trust: in each mount a file is opened for writing, asked whether it may be
executed, and opened through a symlink.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, MOVE_MOUNT, MS, OPEN_TREE, X_OK, O
from ksem.guest.lab import mount_flags, mount_options

INNER = ("nosuid", "noexec")
ALL = "ro nosuid nodev noexec nosymfollow noatime nodiratime"


def expected(flag):
    source = mount_of(flag)
    # The opposite of the flags under test, so that a copy that followed would show it.
    changed = mount_of(ALL if flag == "none" else "none")
    plain = mount_of("none")
    copies = ("bind", "recursive bind", "bind with MS_RDONLY", "bind of a directory in it", "copy by open_tree")
    return {
        "source": source,
        "copies": dict.fromkeys(copies, source),
        "bind of a file in it": source["flags"],
        "mount below": dict.fromkeys(("at its place", "in a recursive bind"), mount_options(INNER)),
        "source remounted": {"source": changed, "bind": source},
        "bind remounted without flags": {"source": changed, "bind": plain},
    }


def mount_of(flag):
    """What a mount with these flags shows, and what they mean to its files."""
    words = words_of(flag)
    return {
        "flags": mount_options(words),
        "write": "EROFS" if "ro" in words else "ok",
        "execute": "EACCES" if "noexec" in words else "ok",
        "through a symlink": "ELOOP" if "nosymfollow" in words else "ok",
    }


def words_of(flag):
    return [] if flag == "none" else flag.split()


CASE = Case(
    claim="A bind mount starts with the per-mount flags of its source; flags passed with MS_BIND are ignored.",
    cites=(
        "mount(2), 'Creating a bind mount'",
        "mount(2), 'Remounting an existing mount'",
        "clone_mnt() and path_mount() in fs/namespace.c: do_loopback() is given no flags but MS_REC",
        "dab741e0e02b (\"Add a \"nosymfollow\" mount option.\"), 5.10",
    ),
    params={"flag": ("none", "ro", "nosuid", "nodev", "noexec", "nosymfollow", "noatime", "nodiratime",
                     "strictatime", ALL)},
    shown_with={"flag": "ro"},
    expect=expected,
    needs=("syscall:open_tree",),
)


def observe(lab, flag):
    build_source(lab)
    remount(lab, "source", flag)
    copies = make_copies(lab)
    observation = {
        "source": look(lab, "source"),
        "copies": {name: look(lab, path) for name, path in copies.items()},
        "bind of a file in it": flags_of(lab, "file copy"),
        "mount below": {"at its place": flags_of(lab, "source/inner"),
                        "in a recursive bind": flags_of(lab, copies["recursive bind"] + "/inner")},
    }
    remount(lab, "source", ALL if flag == "none" else "none")
    observation["source remounted"] = {name: look(lab, name) for name in ("source", "bind")}
    remount(lab, "bind", "none")
    observation["bind remounted without flags"] = {name: look(lab, name) for name in ("source", "bind")}
    return observation


def build_source(lab):
    """A filesystem with a file and a symlink, in its root and in a directory, and a mount below."""
    lab.tmpfs("source")
    lab.mkdir("source/directory", 0o755)
    for directory in ("source", "source/directory"):
        lab.file(directory + "/program", 0o755)
        lab.symlink("program", directory + "/symlink")
    lab.tmpfs("source/inner", INNER)


def make_copies(lab):
    """One copy of each kind: how it was made, and where it is."""
    lab.bind("source", "bind")
    lab.bind("source", "rbind", recursive=True)
    lab.mkdir("passed", 0o755)
    lab.mount("source", "passed", None, MS.BIND | MS.RDONLY, None)
    lab.bind("source/directory", "directory")
    lab.mkdir("clone", 0o755)
    tree = lab.open_tree(AT_FDCWD, "source", OPEN_TREE.CLONE)
    lab.move_mount(tree, "", AT_FDCWD, "clone", MOVE_MOUNT.F_EMPTY_PATH)
    lab.file("file copy")
    lab.mount("source/program", "file copy", None, MS.BIND, None)
    return {"bind": "bind", "recursive bind": "rbind", "bind with MS_RDONLY": "passed",
            "bind of a directory in it": "directory", "copy by open_tree": "clone"}


def remount(lab, path, flag):
    """Give one mount these flags. The kind of access time is always named: the kernel would keep it otherwise."""
    words = words_of(flag)
    named = mount_flags(words) if set(words) & {"noatime", "strictatime"} else mount_flags(words) | MS.RELATIME
    lab.mount(None, path, None, MS.REMOUNT | MS.BIND | named, None)


def look(lab, path):
    return {"flags": flags_of(lab, path), "write": lab.try_open(path + "/program", O.WRONLY),
            "execute": lab.attempt.access(path + "/program", X_OK),
            "through a symlink": lab.try_open(path + "/symlink", 0)}


def flags_of(lab, path):
    return sorted(lab.mountinfo(path)["flags"])

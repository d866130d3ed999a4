"""A flag counts for who goes through the mount that has it: not for the filesystem, and not for an overlay made of it.

nosuid keeps a setuid program from becoming its owner, but runs it. nodev refuses to open devices (EACCES), noexec to
execute (EACCES), nosymfollow to go through a symlink (ELOOP), ro to write (EROFS); a device on a read-only mount can be
written to all the same, as nothing of the filesystem changes. A bind has the flags of its source. Another mount of the
same filesystem, made before, has none of them, and there the same files do all that they did.

An overlay is a filesystem of its own with a mount of its own: what flags the mounts of its layers have does not show in
it, on the lower layer or the upper, and a setuid program in a layer that is nosuid becomes root through the overlay. It
must be given nosuid itself.
"""

from ksem.guest.case import Case
from ksem.guest.flags import MS, O, S
from ksem.guest.lab import GROUP, OWNER, mount_flags, mount_options, user_name

NULL = 1 << 8 | 3
FLAGS = ("none", "ro", "nosuid", "nodev", "noexec", "nosymfollow")
ON = ("the mount", "an overlay's lower layer", "an overlay's upper layer")


def expected(flag, on):
    words = [] if flag == "none" else [flag]
    if on == "the mount":
        return {"itself": effects(words), "bind of it": effects(words), "other mount of the filesystem": effects([])}
    return {"layer": effects(words), "overlay": effects([])}


def effects(words):
    return {
        "flags": mount_options(words),
        "setuid program runs as": "EACCES" if "noexec" in words else "owner" if "nosuid" in words else "root",
        "open a device": "EACCES" if "nodev" in words else "ok",
        "write to a device": "EACCES" if "nodev" in words else "ok",
        "write to a file": "EROFS" if "ro" in words else "ok",
        "through a symlink": "ELOOP" if "nosymfollow" in words else "ok",
    }


CASE = Case(
    claim="ro, nosuid, nodev, noexec and nosymfollow bind whoever goes through the mount that has them; through another"
          " mount of the filesystem, or an overlay above it, they do not.",
    cites=(
        "mount(2), 'Additional mount flags'",
        "execve(2): set-user-ID is ignored on a filesystem mounted nosuid",
        "mnt_may_suid(), path_noexec(), may_open_dev() in the kernel: each is given the path that was opened",
        "ovl_get_upper() and ovl_get_layers() in fs/overlayfs/super.c: private clones of the layers' mounts",
        "dab741e0e02b (\"Add a \"nosymfollow\" mount option.\"), 5.10",
    ),
    params={"flag": FLAGS, "on": ON},
    # No overlay can be mounted that is to write to a read-only mount.
    where=lambda flag, on: flag != "ro" or "upper" not in on,
    expect=expected,
    needs=lambda flag, on: ("root",) + (("fs:overlay",) if "overlay" in on else ()),
    documented="mount(2) and Documentation/filesystems/overlayfs.rst do not say that an overlay is without the flags of its"
               " layers' mounts.",
)


def observe(lab, flag, on):
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    lab.tmpfs("plain")
    furnish(lab, "plain")
    lab.bind("plain", "flagged")
    lab.mount(None, "flagged", None, MS.REMOUNT | MS.BIND | mount_flags([] if flag == "none" else [flag]), None)
    if on == "the mount":
        lab.bind("flagged", "copy")
        return {name: look(lab, user, path) for name, path in (
            ("itself", "flagged"), ("bind of it", "copy"), ("other mount of the filesystem", "plain"))}
    lab.tmpfs("other")
    for path in ("other/lower", "other/upper", "other/work", "plain/work", "overlay"):
        lab.mkdir(path, 0o755)
    layers = ("lowerdir=flagged/files,upperdir=other/upper,workdir=other/work" if "lower" in on else
              "lowerdir=other/lower,upperdir=flagged/files,workdir=flagged/work")
    lab.mount("overlay", "overlay", "overlay", 0, layers)
    return {"layer": look(lab, user, "flagged"), "overlay": look(lab, user, "overlay", ".")}


def furnish(lab, path):
    lab.mkdir(path + "/files", 0o755)
    lab.file(path + "/files/program")
    lab.write_program(path + "/files/program")
    lab.chmod(path + "/files/program", 0o4755)
    lab.mknod(path + "/files/null", S.IFCHR | 0o666, NULL)
    lab.chmod(path + "/files/null", 0o666)
    lab.file(path + "/files/file", 0o666)
    lab.symlink("file", path + "/files/symlink")


def look(lab, user, path, directory="files"):
    base = "%s/%s/" % (path, directory)
    ran, device, written, file, symlink = user.batch([
        ("run_program", base + "program"), ("try_open", base + "null", 0), ("try_open", base + "null", O.WRONLY),
        ("try_open", base + "file", O.WRONLY), ("try_open", base + "symlink", 0)])
    return {"flags": sorted(lab.mountinfo(path)["flags"]),
            "setuid program runs as": user_name(ran["euid"]) if isinstance(ran, dict) else ran,
            "open a device": device, "write to a device": written, "write to a file": file, "through a symlink": symlink}

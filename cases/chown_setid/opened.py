"""A file that was given away can still be written to by its former owner, who opened it before or has a link to it.

chown changes an inode. Every name of it shows the new owner and the cleared bits, and so does every descriptor; but
what a descriptor may do was decided when it was opened. The former owner goes on writing to the new owner's file, whatever its
mode is now: a client that gets a build tree gets files that the builder may still hold open, unless every process that could
have is gone first. Opening anew is decided by the new mode (EACCES), through /proc/self/fd too.

What asks for the owner asks for the owner of now: fchmod and fchown on the old descriptor are EPERM, while chown -1, -1
asks for nothing.

If the new owner makes the file a set-user-ID program, a write through the old descriptor clears the bit, which is what saves
the new owner from running foreign code under its id; a store through a mapping that was made before would not.
A hard link that the former owner kept cannot be removed by the new one, and stays a name of it.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

TRIED = {
    0o600: ("write to the descriptor", "ftruncate of the descriptor", "open the path to write", "open /proc/self/fd to write",
            "fchmod of the descriptor", "fchown of the descriptor to oneself", "fchown of the descriptor to -1, -1",
            "remove the path"),
    0o4711: ("fchown of the descriptor to -1, -1", "write to the descriptor"),
}


def expected(fs):
    given = "00755 other:other"
    return {
        "given away": {"path": given, "link": given, "descriptor": given},
        "mode 0600": {
            "write to the descriptor": "ok: 00600 other:other",
            "ftruncate of the descriptor": "ok: 00600 other:other",
            "open the path to write": "EACCES: 00600 other:other",
            "open /proc/self/fd to write": "EACCES: 00600 other:other",
            "fchmod of the descriptor": "EPERM: 00600 other:other",
            "fchown of the descriptor to oneself": "EPERM: 00600 other:other",
            "fchown of the descriptor to -1, -1": "ok: 00600 other:other",
            "remove the path": "EACCES: 00600 other:other",
        },
        "mode 4711": {
            "fchown of the descriptor to -1, -1": "EPERM: 04711 other:other",
            "write to the descriptor": "ok: 00711 other:other",
        },
        "the new owner removes the link": "EACCES",
    }


CASE = Case(
    claim="The former owner of a file can write to it through what it opened before, though not change its mode or owner; that"
          " write clears a set-user-ID bit that the new owner gave it.",
    cites=(
        "open(2), 'DESCRIPTION': a later change of the file's permissions does not affect an open descriptor",
        "IEEE Std 1003.1, write(), 'DESCRIPTION'",
        "file_remove_privs() in fs/inode.c; setattr_prepare() in fs/attr.c",
    ),
    params={"fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    expect=expected,
    needs=lambda fs: ("root", "fs:" + fs),
    survivors={
        'drop chown("files/of *': "Both are closed to the other whether root has them or one of the two.",
    },
)


def observe(lab, fs):
    lab.filesystem(fs, "files")
    for path, uid, gid in (("files/of client", OTHER, OTHER), ("files/of builder", OWNER, GROUP)):
        lab.mkdir(path, 0o755)
        lab.chown(path, uid, gid)
    path, link = "files/of client/file", "files/of builder/link"
    lab.file(path, 0o6755, OWNER, GROUP)
    lab.link(path, link)
    builder = lab.become(lab.fork("builder"), OWNER, GROUP)
    client = lab.become(lab.fork("client"), OTHER, OTHER)
    descriptor = builder.open(path, O.RDWR, 0)
    lab.chown(path, OTHER, OTHER)
    observation = {"given away": {
        "path": spelled(lab.status(path)), "link": spelled(lab.status(link)),
        "descriptor": spelled(builder.statx(descriptor, "", AT.EMPTY_PATH, 0x7FF))}}
    calls = attempts(path, descriptor)
    for mode, tried in TRIED.items():
        client.chmod(path, mode)
        observation["mode %04o" % mode] = {name: "%s: %s" % (builder.batch([calls[name]])[0], spelled(lab.status(path)))
                                           for name in tried}
    return dict(observation, **{"the new owner removes the link": client.attempt.unlink(link)})


def attempts(path, descriptor):
    return {
        "write to the descriptor": ("write", descriptor, "x", 1),
        "ftruncate of the descriptor": ("ftruncate", descriptor, 0),
        "open the path to write": ("try_open", path, O.WRONLY),
        "open /proc/self/fd to write": ("try_open", "/proc/self/fd/%d" % descriptor, O.WRONLY),
        "fchmod of the descriptor": ("fchmod", descriptor, 0o777),
        "fchown of the descriptor to oneself": ("fchown", descriptor, OWNER, GROUP),
        "fchown of the descriptor to -1, -1": ("fchown", descriptor, -1, -1),
        "remove the path": ("unlink", path),
    }


def spelled(now):
    return "%s %s:%s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]))

"""A socket can have user.* extended attributes since 7.1, by its path as well as by its descriptor; a fifo still cannot.

user.* was for regular files and directories alone, as what may be written to a device or fifo has nothing to do with the
rights to its inode. A socket is another matter: its permission is about connecting, and a service may want to say who is
behind it. Now who may write to a socket's inode may mark it, in a filesystem that has such attributes, and also the socket
itself, which lies in a filesystem of its own: there its holder marks it by /proc/self/fd or fsetxattr(2), up to 128 times.
For others than its owner it is as with files, EACCES.

Before, it is EPERM to set and ENODATA to read, as it still is for a fifo.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AF, SOCK, S
from ksem.guest.lab import GROUP, OTHER, OWNER

OBJECTS = ("socket on a filesystem", "socket itself", "fifo")
NAME = "user.name"


def since_7_1(caller):
    value = {"set": "ok", "read back": "value"}
    other = {"set": "EACCES", "read back": "ENODATA"}
    return {"socket on a filesystem": value if caller == "its owner" else other,
            "socket itself": value, "fifo": {"set": "EPERM", "read back": "ENODATA"}}


def before_7_1(caller):
    refused = {"set": "EPERM", "read back": "ENODATA"}
    return dict.fromkeys(OBJECTS, refused)


CASE = Case(
    claim="Sockets take user.* extended attributes since 7.1, on a filesystem and by themselves.",
    cites=("xattr_permission() in fs/xattr.c: S_IFSOCK", "sockfs_user_xattr_set() in net/socket.c"),
    params={"caller": ("its owner", "somebody else")},
    expect=(
        Rule(since_7_1, since="7.1", cites="dc0876b9846d (\"xattr: support extended attributes on sockets\"), 7.1"),
        Rule(before_7_1, cites="xattr(7), 'Extended user attributes'"),
    ),
    needs=("root", "fs:ext4"),
    documented="xattr(7) allows user.* for regular files and directories alone.",
    survivors={
        "drop lab.become": "Root may do what the owner may: what refuses others is the other parameter's matter.",
        "drop umask(*": "It is so already; a machine may have it otherwise.",
    },
)


def observe(lab, caller):
    # tmpfs has user.* since 6.6 only.
    lab.filesystem("ext4", "place")
    lab.chmod("place", 0o777)
    owner = lab.become(lab.fork("owner"), OWNER, GROUP)
    owner.umask(0o022)
    owner.bind(owner.socket(AF.UNIX, SOCK.STREAM, 0), "place/socket")
    owner.mknod("place/fifo", S.IFIFO | 0o644, 0)
    process = owner if caller == "its owner" else lab.become(lab.fork("somebody else"), OTHER, OTHER)
    own = process.socket(AF.UNIX, SOCK.STREAM, 0)
    paths = dict(zip(OBJECTS, ("place/socket", "/proc/self/fd/%d" % own, "place/fifo")))
    return {name: marked(process, path) for name, path in paths.items()}


def marked(process, path):
    result = process.attempt.setxattr(path, NAME, "value", 5, 0)
    value, error = process.issue("getxattr", [path, NAME])
    return {"set": result, "read back": error or value}

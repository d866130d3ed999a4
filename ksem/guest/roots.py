"""What cases about read-only roots share: the many ways to change something in a directory, as calls.

Contract: the standard library and ksem.guest. A table of calls is {name: (call, argument, ...)}, made for `batch`; which
answer is right is the cases' business.
"""

from typing import Any, Dict, List, Tuple

from ksem.guest.flags import AF, AT_FDCWD, SOCK, W_OK, O, S
from ksem.guest.process import Process

Call = Tuple[Any, ...]
# What `furnish` puts into a directory, and what is there after every change but the device has worked.
NAMES = ("door", "file", "pipe", "rename me", "rmdir me", "unlink me")
CHANGED = ("created", "door", "file", "linked", "made", "new door", "new pipe", "pipe", "renamed", "symlinked")


def furnish(process: Process, directory: str) -> None:
    """An existing directory gets one object for each way to change something; its socket stays open, or none could connect."""
    door = process.socket(AF.UNIX, SOCK.DGRAM, 0)
    calls: List[Call] = [("bind", door, directory + "/door"), ("mkdir", directory + "/rmdir me", 0o755),
                         ("mknod", directory + "/pipe", S.IFIFO | 0o644, 0)]
    process.values(calls)
    files = [directory + "/" + name for name in NAMES if name in ("file", "rename me", "unlink me")]
    opened = process.values([("open", path, O.CREAT | O.EXCL | O.WRONLY, 0o644) for path in files])
    process.values([("close", descriptor) for descriptor in opened])


def changes(directory: str, sockets: List[int]) -> Dict[str, Call]:
    """Every way to change what is in a furnished directory; the sockets are two new ones."""
    at = directory + "/"
    return {
        "create": ("try_open", at + "created", O.WRONLY | O.CREAT),
        "mkdir": ("mkdir", at + "made", 0o755),
        "symlink": ("symlink", "file", at + "symlinked"),
        "link": ("link", at + "file", at + "linked"),
        "mknod": ("mknod", at + "new pipe", S.IFIFO | 0o644, 0),
        "mknod of a device": ("mknod", at + "new device", S.IFCHR | 0o644, 0x103),
        "bind a socket": ("bind", sockets[0], at + "new door"),
        "unnamed file": ("try_open", directory, O.WRONLY | O.TMPFILE),
        "rename": ("rename", at + "rename me", at + "renamed"),
        "unlink": ("unlink", at + "unlink me"),
        "rmdir": ("rmdir", at + "rmdir me"),
        "open for writing": ("try_open", at + "file", O.WRONLY),
        "truncate": ("truncate", at + "file", 0),
        "access": ("access", at + "file", W_OK),
        "chmod": ("chmod", at + "file", 0o640),
        "chmod directory": ("chmod", directory, 0o755),
        "chown": ("chown", at + "file", -1, -1),
        "utimensat": ("utimensat", AT_FDCWD, at + "file", 0),
        "setxattr": ("setxattr", at + "file", "user.ksem", "1", 1, 0),
        "connect to a socket": ("connect", sockets[1], at + "door"),
        "open a pipe for writing": ("try_open", at + "pipe", O.RDWR | O.NONBLOCK),
    }


# Those that change no inode: what they reach is not stored in the filesystem.
HARMLESS = ("connect to a socket", "open a pipe for writing")

"""The constants of the system calls, under the names that the kernel's headers give them.

Contract: the standard library only. Each class is a prefix: `MS.BIND` is MS_BIND. They are plain integers: an enum costs
a hundred times as much for each `|`, which an emulated machine feels.
Source: include/uapi/linux/{mount,sched,fcntl,stat,capability,prctl}.h.
"""

import errno
from typing import Dict, List, Tuple

AT_FDCWD = -100
# Modes of access(2).
X_OK, W_OK = 1, 2
# Of two names for one number the one that the kernel uses; Python knows the last. And what is newer than any Python.
ERRNO = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EDEADLK: "EDEADLK", 134: "EFTYPE"}


def errno_name(code: int) -> str:
    """EPERM for 1; the number where it has no name."""
    return ERRNO.get(code, str(code))


class MS:
    """Flags of mount(2)."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    SYNCHRONOUS = 16
    REMOUNT = 32
    MANDLOCK = 64
    DIRSYNC = 128
    NOSYMFOLLOW = 256
    NOATIME = 1024
    NODIRATIME = 2048
    BIND = 4096
    MOVE = 8192
    REC = 16384
    SILENT = 32768
    UNBINDABLE = 1 << 17
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20
    RELATIME = 1 << 21
    STRICTATIME = 1 << 24
    LAZYTIME = 1 << 25


class MNT:
    """Flags of umount2(2)."""

    FORCE = 1
    DETACH = 2
    EXPIRE = 4


class UMOUNT:
    """The flag of umount2(2) with another prefix."""

    NOFOLLOW = 8


class CLONE:
    """Namespaces, for unshare(2), setns(2) and clone(2), and what clone shares."""

    NEWTIME = 0x80
    FS = 0x200
    NEWNS = 0x20000
    NEWCGROUP = 0x2000000
    NEWUTS = 0x4000000
    NEWIPC = 0x8000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000


class CLONE3:
    """Flags of clone3(2), with the prefix CLONE_: what clone(2) and unshare(2) have, and those beyond their 32 bits."""

    PIDFD = 0x1000
    NEWUSER = 0x10000000
    CLEAR_SIGHAND = 1 << 32
    INTO_CGROUP = 1 << 33
    AUTOREAP = 1 << 34
    NNP = 1 << 35
    PIDFD_AUTOKILL = 1 << 36
    EMPTY_MNTNS = 1 << 37


class SECCOMP:
    """Operations of seccomp(2)."""

    SET_MODE_FILTER = 1


class SECCOMP_FILTER_FLAG:
    """Flags of seccomp(2) for a filter."""

    NEW_LISTENER = 1 << 3
    WAIT_KILLABLE_RECV = 1 << 5


class UNSHARE:
    """The flag of unshare(2) with another prefix."""

    EMPTY_MNTNS = 0x100000


class O:  # noqa: E742 (the header's prefix)
    """Flags of open(2)."""

    WRONLY = 1
    RDWR = 2
    CREAT = 0o100
    EXCL = 0o200
    TRUNC = 0o1000
    APPEND = 0o2000
    NONBLOCK = 0o4000
    DIRECTORY = 0o200000
    NOFOLLOW = 0o400000
    NOATIME = 0o1000000
    CLOEXEC = 0o2000000
    PATH = 0o10000000
    TMPFILE = 0o20200000


class RENAME:
    """Flags of renameat2(2)."""

    NOREPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4


class FALLOC_FL:
    """Modes of fallocate(2)."""

    KEEP_SIZE = 1
    PUNCH_HOLE = 2
    ZERO_RANGE = 16


class AT:
    """Flags of the calls that end in `at`."""

    SYMLINK_NOFOLLOW = 0x100
    SYMLINK_FOLLOW = 0x400
    NO_AUTOMOUNT = 0x800
    EMPTY_PATH = 0x1000
    RECURSIVE = 0x8000
    EXECVE_CHECK = 0x10000


class OPEN_TREE:
    """Flags of open_tree(2), beside AT's and O_CLOEXEC."""

    CLONE = 1
    NAMESPACE = 2


class MOVE_MOUNT:
    """Flags of move_mount(2)."""

    F_SYMLINKS = 1
    F_AUTOMOUNTS = 2
    F_EMPTY_PATH = 4
    T_SYMLINKS = 0x10
    T_AUTOMOUNTS = 0x20
    T_EMPTY_PATH = 0x40
    SET_GROUP = 0x100
    BENEATH = 0x200


class FSOPEN:
    """The flag of fsopen(2)."""

    CLOEXEC = 1


class MOUNT_ATTR:
    """Attributes of mount_setattr(2); the access times are a field, not flags."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    NOATIME = 0x10
    STRICTATIME = 0x20
    NODIRATIME = 0x80
    IDMAP = 0x100000
    NOSYMFOLLOW = 0x200000


class FSCONFIG:
    """Commands of fsconfig(2)."""

    SET_FLAG = 0
    SET_STRING = 1
    CMD_CREATE = 6
    CMD_RECONFIGURE = 7
    CMD_CREATE_EXCL = 8


class FSMOUNT:
    """Flags of fsmount(2)."""

    CLOEXEC = 1
    NAMESPACE = 2


class STATMOUNT:
    """What statmount(2) is asked for, and what it gave."""

    SB_BASIC = 0x1
    MNT_BASIC = 0x2
    PROPAGATE_FROM = 0x4
    MNT_ROOT = 0x8
    MNT_POINT = 0x10
    FS_TYPE = 0x20
    MNT_NS_ID = 0x40
    MNT_OPTS = 0x80
    FS_SUBTYPE = 0x100
    SB_SOURCE = 0x200
    OPT_ARRAY = 0x400
    OPT_SEC_ARRAY = 0x800
    SUPPORTED_MASK = 0x1000
    MNT_UIDMAP = 0x2000
    MNT_GIDMAP = 0x4000


class STATX:
    """Fields of statx(2) beyond those of stat(2)."""

    MNT_ID = 0x1000
    MNT_ID_UNIQUE = 0x4000
    ATTR_MOUNT_ROOT = 0x2000


class RESOLVE:
    """How openat2(2) walks a path."""

    NO_XDEV = 0x1
    NO_MAGICLINKS = 0x2
    NO_SYMLINKS = 0x4
    BENEATH = 0x8
    IN_ROOT = 0x10
    CACHED = 0x20


class IOCTL:
    """Requests of ioctl(2) about namespaces (ioctl_nsfs(2)), without a prefix of their own."""

    NS_GET_USERNS = 0xB701
    NS_GET_PARENT = 0xB702
    NS_GET_NSTYPE = 0xB703
    NS_GET_OWNER_UID = 0xB704


class FAN:
    """Flags and events of fanotify_init(2) and fanotify_mark(2)."""

    CLOEXEC = 0x1
    NONBLOCK = 0x2
    REPORT_MNT = 0x4000
    MARK_ADD = 0x1
    MARK_MNTNS = 0x110
    MNT_ATTACH = 0x01000000
    MNT_DETACH = 0x02000000


class CLOSE_RANGE:
    """Flags of close_range(2)."""

    UNSHARE = 2
    CLOEXEC = 4


class MFD:
    """Flags of memfd_create(2)."""

    CLOEXEC = 1
    ALLOW_SEALING = 2
    NOEXEC_SEAL = 8
    EXEC = 16


class S:
    """File types and the bits above the permissions, for mknod(2) and chmod(2)."""

    IFIFO = 0o010000
    IFCHR = 0o020000
    IFBLK = 0o060000
    IFREG = 0o100000
    IFSOCK = 0o140000


class AF:
    """The domain of socket(2)."""

    UNIX = 1


class SOCK:
    """The type of a socket."""

    STREAM = 1
    DGRAM = 2


class SOL:
    """The level of getsockopt(2)."""

    SOCKET = 1


class SO:
    """Options of sockets."""

    PASSCRED = 16
    PEERCRED = 17
    PEERPIDFD = 77


class CAP:
    """Capabilities by their numbers (bit positions)."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    FSETID = 4
    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    SYS_CHROOT = 18
    SYS_ADMIN = 21
    MKNOD = 27
    SETFCAP = 31


class PR:
    """Operations of prctl(2)."""

    SET_PDEATHSIG = 1
    GET_DUMPABLE = 3
    SET_DUMPABLE = 4
    SET_KEEPCAPS = 8
    CAPBSET_DROP = 24
    SET_CHILD_SUBREAPER = 36
    SET_NO_NEW_PRIVS = 38


def members(prefix: type) -> Dict[str, int]:
    """{"MS_BIND": 4096, ...} of a class."""
    return {"%s_%s" % (prefix.__name__, name): value for name, value in vars(prefix).items() if name.isupper()}


_TABLES: Dict[Tuple[type, ...], List[Tuple[str, int]]] = {}


def spell(value: int, *prefixes: type) -> str:
    """Flags as C spells them: `MS_BIND|MS_REC`; what has no name stays a number."""
    if prefixes not in _TABLES:
        _TABLES[prefixes] = [item for prefix in prefixes for item in members(prefix).items()]
    words = []
    for name, bit in _TABLES[prefixes]:
        if value & bit:
            words.append(name)
            value &= ~bit
    if value or not words:
        words.append(hex(value) if value else "0")
    return "|".join(words)


def name_of(value: int, prefix: type) -> str:
    """The one member of a class that has this value: `CAP_CHOWN`; its number when it has no name here."""
    return {number: name for name, number in members(prefix).items()}.get(value, str(value))

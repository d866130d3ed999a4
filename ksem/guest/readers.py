"""What a case reads back from the kernel beside system calls: small files of /proc, parsed.

Contract: the standard library and the modules whose functions it lists. A reader is a function of builtin values to a builtin
value; it runs in the process that is asked and raises OSError. READERS is the whole list; a case calls one as it calls a
system call.
"""

import errno
import fcntl
import mmap
import os
import struct
import time
from typing import Any, Callable, Dict, List

from ksem.guest import clones, flags, handles, program, structures, supervised

# CLOCK_REALTIME_COARSE, which has no name in Python.
CLOCK_REALTIME_COARSE = 5
# What `map_file` has mapped: in the process that called it, and its children.
_mapped: List[mmap.mmap] = []
PIDFD_GET_INFO = 0xC040FF0B
FAN_MNT = {"attach": 0x01000000, "detach": 0x02000000}


def mountinfo(path: str) -> Dict[str, Any]:
    """The topmost mount on a path, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

    {"flags": [per-mount options], "superblock": "ro" or "rw", "propagation": [...], "fstype": NAME}.
    Raises ENOENT when the path is no mount point.
    """
    target = _escaped(os.path.normpath(os.path.join(os.getcwd(), path)))
    found = None
    with open("/proc/self/mountinfo") as table:
        for line in table:
            # Splitting every line of a long table is what would take the time.
            if target in line and line.split(None, 5)[4] == target:
                found = line.split()
    if found is None:
        raise OSError(errno.ENOENT, "no mount point", path)
    separator = found.index("-")
    # Peer groups are numbers that differ from run to run: only their kind counts.
    propagation = [field.split(":")[0] for field in found[6:separator]]
    return {"flags": found[5].split(","), "superblock": found[separator + 3].split(",")[0],
            "propagation": propagation or ["private"], "fstype": found[separator + 1]}


def mount_options_at(path: str, descriptor: int = -1) -> List[str]:
    """The options of the mount that a path or a descriptor lies on, in mountinfo's words, from statvfs(3).

    For a mount that is attached nowhere, which mountinfo does not show. "ro" also stands for a read-only superblock.
    """
    flags = os.statvfs(descriptor if descriptor >= 0 else path).f_flag
    return sorted(["ro" if flags & os.ST_RDONLY else "rw", *(name for bit, name in _STATVFS.items() if flags & bit)])


# ST_NOSYMFOLLOW has no name in Python.
_STATVFS = {os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec", os.ST_NOATIME: "noatime",
            os.ST_NODIRATIME: "nodiratime", os.ST_RELATIME: "relatime", 0x2000: "nosymfollow"}


def mounts_below(path: str) -> List[str]:
    """The mount points at and below a path, relative to it, in the order of /proc/self/mountinfo."""
    base = os.path.normpath(os.path.join(os.getcwd(), path))
    with open("/proc/self/mountinfo") as table:
        points = [_unescaped(line.split()[4]) for line in table]
    return [os.path.relpath(point, base) for point in points if (point + "/").startswith(base + "/")]


def read_file(path: str) -> str:
    """The content of a small text file."""
    with open(path) as file:
        return file.read(65536)


def write_file(path: str, text: str) -> int:
    """Write a text to an existing file in one write(2), as /proc wants it; the number of bytes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def write_mapped(path: str, text: str) -> int:
    """Write a text to the start of a file, which must be as long, by a store through a shared mapping; the number of bytes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with mmap.mmap(descriptor, len(text)) as mapped:
            mapped[:] = text.encode()
    finally:
        os.close(descriptor)
    return len(text)


def map_file(path: str) -> int:
    """Map a file that is not empty, shared and writable, until the process ends; for `store_mapped`. The number of bytes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _mapped[:] = [mmap.mmap(descriptor, 0)]
    finally:
        os.close(descriptor)
    return len(_mapped[0])


def store_mapped(text: str) -> int:
    """Write a text, which must not be longer, to the start of the file that was mapped last; the number of bytes."""
    _mapped[0][:len(text)] = text.encode()
    return len(text)


def tick() -> None:
    """Wait until the clock that stamps files has moved on: what is changed after it is later than what was changed before."""
    start = time.clock_gettime(CLOCK_REALTIME_COARSE)
    while time.clock_gettime(CLOCK_REALTIME_COARSE) == start:
        time.sleep(0.001)


def changed_after(path: str, other: str) -> bool:
    """Whether the status of a path was changed (st_ctim) after that of another; neither is followed."""
    return os.lstat(path).st_ctime_ns > os.lstat(other).st_ctime_ns


def credentials(proc: str) -> Dict[str, Any]:
    """Who a process is, from the status file in its directory of /proc (proc_pid_status(5)): as its reader sees it.

    {"uid": [real, effective, saved, filesystem], "gid": the same, "groups": [...], "capabilities": "all", "none" or the
    effective set in hexadecimal}.
    """
    with open(proc + "/status") as status, open("/proc/sys/kernel/cap_last_cap") as last:
        fields = dict(line.split(":", 1) for line in status)
        whole = (2 << int(last.read())) - 1
    held = int(fields["CapEff"], 16)
    return {"uid": _numbers(fields["Uid"]), "gid": _numbers(fields["Gid"]), "groups": _numbers(fields["Groups"]),
            "capabilities": "none" if held == 0 else "all" if held == whole else "%x" % held}


def _numbers(text: str) -> List[int]:
    return [int(word) for word in text.split()]


def pidfd_info(pidfd: int) -> Dict[str, List[int]]:
    """Who the process of a pidfd is, in the caller's ids, from PIDFD_GET_INFO (ioctl_pidfd(2)).

    {"uid": [real, effective, saved, filesystem], "gid": the same}.
    """
    info = bytearray(64)
    fcntl.ioctl(pidfd, PIDFD_GET_INFO, info, True)
    ids = struct.unpack_from("=8I", info, 28)
    # The kernel has the user and the group of each kind side by side.
    return {"uid": list(ids[0::2]), "gid": list(ids[1::2])}


def mount_events(descriptor: int) -> List[str]:
    """What a fanotify group of mounts has to tell, as far as it has: "attach", "detach" or both at once (fanotify(7))."""
    try:
        data = os.read(descriptor, 4096)
    except BlockingIOError:
        return []
    found = []
    while data:
        length, mask = struct.unpack_from("=I4xQ", data)
        found.append(" and ".join(name for name, bit in FAN_MNT.items() if mask & bit))
        data = data[length:]
    return found


def mount_identity(path: str) -> Dict[str, Any]:
    """What statx(2) tells of the mount that a path lies on; ids differ from run to run, so only whether there is one.

    {"id": bool, "unique id": bool, "root of a mount": whether it is one, or "unknown"}.
    """
    found = [structures.mount_id(path, field) for field in (flags.STATX.MNT_ID, flags.STATX.MNT_ID_UNIQUE)]
    # Of STATX_ATTR_MOUNT_ROOT, which the caller need not ask for, the mask says whether the filesystem knows it.
    attributes, known = structures.attributes(path)
    root = bool(attributes & flags.STATX.ATTR_MOUNT_ROOT) if known & flags.STATX.ATTR_MOUNT_ROOT else "unknown"
    return {"id": found[0] > 0, "unique id": found[1] > 0x7FFFFFFF, "root of a mount": root}


def same_mount(path: str, other: str, unique: bool) -> bool:
    """Whether statx(2) gives two paths the same mount id."""
    field = flags.STATX.MNT_ID_UNIQUE if unique else flags.STATX.MNT_ID
    return structures.mount_id(path, field) == structures.mount_id(other, field)


def list_directory(path: str) -> List[str]:
    """The names in a directory, sorted."""
    return sorted(os.listdir(path))


def errno_name(error: OSError) -> str:
    """EPERM for an OSError with that number."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _escaped(path: str) -> str:
    """A path as mountinfo writes it (proc_pid_mountinfo(5), field 5)."""
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def _unescaped(text: str) -> str:
    """Undo mountinfo's octal escapes for space, tab, newline and backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


READERS: Dict[str, Callable[..., Any]] = {
    "mountinfo": mountinfo,
    "mount_options_at": mount_options_at,
    "mounts_below": mounts_below,
    "read_file": read_file,
    "write_file": write_file,
    "write_mapped": write_mapped,
    "map_file": map_file,
    "store_mapped": store_mapped,
    "tick": tick,
    "changed_after": changed_after,
    "credentials": credentials,
    "list_directory": list_directory,
    "write_program": program.write_program,
    "run_program": program.run_program,
    "run_capabilities": program.run_capabilities,
    "run_command": program.run_command,
    "raise_ambient": program.raise_ambient,
    "pidfd_info": pidfd_info,
    "mount_events": mount_events,
    "mount_identity": mount_identity,
    "same_mount": same_mount,
    "run_cloned": clones.run_cloned,
    "open_by_handle": handles.open_by_handle,
    "supervised": supervised.supervised,
}

"""What a case reads back from the kernel beside system calls: small files of /proc, parsed.

Contract: the standard library only. A reader is a function of builtin values to a builtin value; it runs in the
process that is asked and raises OSError. READERS is the whole list; a case calls one as it calls a system call.
"""

import errno
import os
from typing import Any, Callable, Dict, List


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
    "mounts_below": mounts_below,
    "read_file": read_file,
    "write_file": write_file,
    "credentials": credentials,
    "list_directory": list_directory,
}

"""What of a machine shapes the answers: recorded beside every result.

Contract: the standard library, `executor` and `readers`; builtin values; nothing that differs between two runs of the same
kernel in the same configuration. All is asked of the arena: whoever looks need not be on the machine.
"""

import re
import zlib
from typing import Any, Dict, List, Optional, Sequence

from ksem.guest import readers
from ksem.guest.executor import Arena, Task

SYSCTLS = (
    "fs/overflowgid", "fs/overflowuid", "fs/protected_fifos", "fs/protected_hardlinks", "fs/protected_regular",
    "fs/protected_symlinks", "kernel/apparmor_restrict_unprivileged_userns", "kernel/overflowgid",
    "kernel/overflowuid", "kernel/unprivileged_userns_clone", "kernel/yama/ptrace_scope",
    "user/max_user_namespaces",
)
# Bytes of a kernel's configuration, of which some may be cut off.
LARGEST = 4 << 20
# struct new_utsname: six texts of 65 bytes (linux/utsname.h).
_UNAME, _FIELD = 63, 65


def environment(arena: Arena, options: Sequence[str]) -> Dict[str, Any]:
    """Release and version as uname(2) gives them, architecture, command line, configuration, distribution, LSMs, sysctls.

    A sysctl that is not there is None; user.max_user_namespaces is `some` or `0`, as its number
    follows from the size of the memory.
    """
    with arena.process() as task:
        release, version, machine = _uname(task)
        root, _ = task.make(readers.mountinfo, "/")
    return {
        "release": release,
        "version": version,
        "architecture": machine,
        "cmdline": _read(arena, "/proc/cmdline"),
        "lsm": _read(arena, "/sys/kernel/security/lsm"),
        "sysctl": {name.replace("/", "."): _sysctl(arena, name) for name in SYSCTLS},
        **configuration(_configuration(arena, release), options),
        "os": _system(arena),
        # What the machine's / is, and how mounts below it propagate: `ext4 shared`.
        "root": "%s %s" % (root["fstype"], " ".join(root["propagation"])),
        "caller": "root" if arena.around.uid == 0 else "ordinary user",
    }


def configuration(text: Optional[str], options: Sequence[str]) -> Dict[str, Any]:
    """The digest of a kernel's configuration, and the options that cases ask for; nothing where it is not known."""
    if text is None:
        return {"config": None, "options": {}}
    # Here, as it is slow to import and a bare kernel has no such file.
    import hashlib
    found = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    return {"config": hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16],
            "options": {option: found.get(option, "n") for option in sorted(options)}}


def _uname(task: Task) -> List[str]:
    """Release, version and machine, as uname(2) tells them."""
    place = task.arena.reserve(6 * _FIELD)
    task.calls([(_UNAME, place)])
    fields = task.arena.take(place, 6 * _FIELD)
    return [fields[start:start + _FIELD].partition(b"\0")[0].decode("ascii", "replace")
            for start in (2 * _FIELD, 3 * _FIELD, 4 * _FIELD)]


def _configuration(arena: Arena, release: str) -> Optional[str]:
    """Where distributions keep it, or what the kernel itself holds (CONFIG_IKCONFIG_PROC)."""
    for path in ("/boot/config-" + release, "/lib/modules/%s/config" % release):
        text = arena.read(path)
        if text is not None:
            return "\n".join(text.splitlines()) + "\n"
    packed = arena.content("/proc/config.gz")
    # A few hundred kilobytes. It is unpacked where the director is, and may become a thousand times as long.
    return None if packed is None else zlib.decompressobj(31).decompress(packed, LARGEST).decode("utf-8", "surrogateescape")


def _system(arena: Arena) -> Optional[str]:
    """PRETTY_NAME of os-release(5); none in a bare kernel."""
    for line in (arena.read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return None


def _sysctl(arena: Arena, name: str) -> Optional[str]:
    value = _read(arena, "/proc/sys/" + name)
    if name == "user/max_user_namespaces" and value is not None:
        return "0" if value == "0" else "some"
    return value


def _read(arena: Arena, path: str) -> Optional[str]:
    text = arena.read(path)
    return None if text is None else " ".join(text.split())

"""What of a machine shapes the answers: recorded beside every result.

Contract: the standard library and `readers`; builtin values; nothing that differs between two runs of the same
kernel in the same configuration.
"""

import os
import re
import zlib
from typing import Any, Dict, List, Optional, Sequence

from ksem.guest import readers
from ksem.guest.beside import Beside

SYSCTLS = (
    "fs/overflowgid", "fs/overflowuid", "fs/protected_fifos", "fs/protected_hardlinks", "fs/protected_regular",
    "fs/protected_symlinks", "kernel/apparmor_restrict_unprivileged_userns", "kernel/overflowgid",
    "kernel/overflowuid", "kernel/unprivileged_userns_clone", "kernel/yama/ptrace_scope",
    "user/max_user_namespaces",
)


def environment(arena: Beside, options: Sequence[str]) -> Dict[str, Any]:
    """Release and version as uname(2) gives them, architecture, command line, configuration, distribution, LSMs, sysctls.

    A sysctl that is not there is None; user.max_user_namespaces is `some` or `0`, as its number
    follows from the size of the memory. arena: for a process that looks.
    """
    system = os.uname()
    return {
        "release": system.release,
        "version": system.version,
        "architecture": system.machine,
        "cmdline": _read("/proc/cmdline"),
        "lsm": _read("/sys/kernel/security/lsm"),
        "sysctl": {name.replace("/", "."): _sysctl(name) for name in SYSCTLS},
        **configuration(_configuration(system.release), options),
        "os": _system(),
        "root": _root(arena),
        "caller": "root" if os.geteuid() == 0 else "ordinary user",
    }


def configuration(text: Optional[str], options: Sequence[str]) -> Dict[str, Any]:
    """The digest of a kernel's configuration, and the options that cases ask for; nothing where it is not known."""
    if text is None:
        return {"config": None, "options": {}}
    # Here, as it is slow to import and a bare kernel has no such file.
    import hashlib
    found = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    return {"config": hashlib.sha256(text.encode()).hexdigest()[:16],
            "options": {option: found.get(option, "n") for option in sorted(options)}}


def _configuration(release: str) -> Optional[str]:
    """Where distributions keep it, or what the kernel itself holds (CONFIG_IKCONFIG_PROC)."""
    for path in ("/boot/config-" + release, "/lib/modules/%s/config" % release):
        lines = _read_lines(path)
        if lines is not None:
            return "\n".join(lines) + "\n"
    try:
        with open("/proc/config.gz", "rb") as file:
            return zlib.decompress(file.read(), 31).decode()
    except OSError:
        return None


def _system() -> Optional[str]:
    """PRETTY_NAME of os-release(5); none in a bare kernel."""
    for line in (_read_lines("/etc/os-release") or []):
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return None


def _root(arena: Beside) -> str:
    """What the machine's / is, and how mounts below it propagate: `ext4 shared`."""
    with arena.process() as task:
        mount, _ = task.make(readers.mountinfo, "/")
    return "%s %s" % (mount["fstype"], " ".join(mount["propagation"]))


def _sysctl(name: str) -> Optional[str]:
    value = _read("/proc/sys/" + name)
    if name == "user/max_user_namespaces" and value is not None:
        return "0" if value == "0" else "some"
    return value


def _read(path: str) -> Optional[str]:
    lines = _read_lines(path)
    return None if lines is None else " ".join(" ".join(lines).split())


def _read_lines(path: str) -> Optional[List[str]]:
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return None

"""What of a machine shapes the answers: recorded beside every result.

Contract: the standard library and `readers`; builtin values; nothing that differs between two runs of the same
kernel in the same configuration.
"""

import os
from typing import Any, Dict, List, Optional

from ksem.guest import readers

SYSCTLS = (
    "fs/overflowgid", "fs/overflowuid", "fs/protected_fifos", "fs/protected_hardlinks", "fs/protected_regular",
    "fs/protected_symlinks", "kernel/apparmor_restrict_unprivileged_userns", "kernel/overflowgid",
    "kernel/overflowuid", "kernel/unprivileged_userns_clone", "kernel/yama/ptrace_scope",
    "user/max_user_namespaces",
)


def environment() -> Dict[str, Any]:
    """Release and version as uname(2) gives them, architecture, command line, LSMs, sysctls, distribution, root mount, caller.

    A sysctl that is not there is None; user.max_user_namespaces is `some` or `0`, as its number
    follows from the size of the memory.
    """
    system = os.uname()
    return {
        "release": system.release,
        "version": system.version,
        "architecture": system.machine,
        "cmdline": _read("/proc/cmdline"),
        "lsm": _read("/sys/kernel/security/lsm"),
        "sysctl": {name.replace("/", "."): _sysctl(name) for name in SYSCTLS},
        "os": _system(),
        "root": _root(),
        "caller": "root" if os.geteuid() == 0 else "ordinary user",
    }


def _system() -> Optional[str]:
    """PRETTY_NAME of os-release(5); none in a bare kernel."""
    for line in (_read_lines("/etc/os-release") or []):
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return None


def _root() -> str:
    """What the machine's / is, and how mounts below it propagate: `ext4 shared`."""
    mount = readers.mountinfo("/")
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

"""The pieces that a program is put together from: `c/NAME.c`, and what signatures and headers give.

Contract: the standard library, `arguments`' constants and the signatures of `ksem.guest`. A part includes the system's
headers that it needs, and as "OTHER.c" the parts; `gathered` puts each where it is needed first, once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

from ksem.guest.numbers import NUMBERS
from ksem.guest.structures import Text
from ksem.guest.syscalls import SIGNATURES
from ksem.repro.arguments import CONSTANTS
from ksem.repro.literals import statement

_DIRECTORY = Path(__file__).parent / "c"
_INCLUDE = re.compile(r'^#include (?:<([^>]+)>|"(\w+)\.c")\n', re.MULTILINE)
_NO_CODE = re.compile(r'"(?:[^"\\]|\\.)*"|/\*.*?\*/', re.DOTALL)
_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*")
_CALLED = re.compile(r"\b([A-Za-z_]\w*)\(")
# Where the part has another name than what is called.
_PART_OF = {"CALL": "frame", "PID": "frame", "CHILD": "child", "EMPTY": "empty", "list_known": "list_directory",
            "mount_id": "mount_request"}
# For what steps call without any part.
HEADERS = frozenset([
    "fcntl.h", "grp.h", "sched.h", "signal.h", "stdio.h", "sys/fanotify.h", "sys/mount.h", "sys/prctl.h", "sys/socket.h",
    "sys/stat.h", "sys/time.h", "sys/types.h", "sys/xattr.h", "unistd.h"])
# Prefixes of constants that any libc has, and those with such a prefix that an old one lacks.
_OLD = ("AF_", "AT_", "CAP_", "CLONE_", "F_OK", "F_DUPFD", "F_GETFD", "MNT_", "MS_", "O_", "PR_", "R_OK", "S_", "SO_", "SOCK_",
        "SIGCHLD", "SOL_", "UMOUNT_", "W_OK", "X_OK")
_YOUNG = frozenset([
    "AT_EXECVE_CHECK", "AT_HANDLE_MNT_ID_UNIQUE", "AT_RECURSIVE", "CLONE_AUTOREAP", "CLONE_CLEAR_SIGHAND", "CLONE_EMPTY_MNTNS",
    "CLONE_INTO_CGROUP", "CLONE_NEWCGROUP", "CLONE_NEWTIME", "CLONE_NNP", "CLONE_PIDFD", "CLONE_PIDFD_AUTOKILL", "MS_LAZYTIME",
    "MS_NOSYMFOLLOW", "SO_PEERPIDFD"])


def names() -> list[str]:
    """All parts."""
    return sorted(path.stem for path in _DIRECTORY.glob("*.c"))


def exists(name: str) -> bool:
    """Whether there is a part of that name."""
    return (_DIRECTORY / f"{name}.c").exists()


@functools.cache
def text(name: str) -> str:
    """A part as it is written."""
    return (_DIRECTORY / f"{name}.c").read_text(encoding="ascii")


def identifiers(code: str) -> frozenset[str]:
    """All names in C code, without those in strings and comments."""
    return frozenset(_IDENTIFIER.findall(_NO_CODE.sub("", code)))


def needed(code: str) -> list[str]:
    """The parts whose functions and macros some code calls."""
    called = set(_CALLED.findall(_NO_CODE.sub("", code)))
    names = {_PART_OF.get(name, name.removeprefix("sys_")) for name in called}
    return sorted(name for name in names if exists(name))


def included(name: str) -> list[str]:
    """The parts that a part includes itself."""
    return [part for _, part in _INCLUDE.findall(text(name)) if part]


def gathered(wanted: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """The headers of some parts and of all that they include, and their texts in order."""
    order: list[str] = []

    def visit(name: str) -> None:
        for part in included(name):
            visit(part)
        if name not in order:
            order.append(name)
    for name in wanted:
        visit(name)
    headers = frozenset(header for name in order for header, _ in _INCLUDE.findall(text(name)) if header)
    return headers, [_INCLUDE.sub("", text(name)).strip("\n") for name in order]


def wrapper(call: str) -> str:
    """A function `sys_NAME` for a call that is made by its number."""
    arguments = SIGNATURES[call].arguments
    declared = ", ".join(f"const char *{name}" if isinstance(kind, Text) else f"long {name}"
                         for name, kind in arguments if kind.given)
    passed = ", ".join([f"SYS_{call}", *(name if kind.given else kind.show(None) for name, kind in arguments)])
    head = statement(f"static long sys_{call}({declared or 'void'})", 0)
    return "\n".join([head, "{", statement(f"return syscall({passed});"), "}"])


def number(call: str) -> str:
    """The definition of a call's number, for headers that are older than it."""
    return f"#ifndef SYS_{call}\n#define SYS_{call} {NUMBERS[call]}\n#endif"


def constants(code: str) -> list[str]:
    """Definitions of what headers may lack of the constants in some code."""
    used = sorted(identifiers(code) & CONSTANTS.keys())
    return [f"#ifndef {name}\n#define {name} {_shown(CONSTANTS[name])}\n#endif" for name in used if is_young(name)]


def is_young(name: str) -> bool:
    """Whether the headers of an old libc lack a constant."""
    return name in _YOUNG or not name.startswith(_OLD)


def _shown(value: int) -> str:
    return f"({value})" if value < 0 else hex(value)

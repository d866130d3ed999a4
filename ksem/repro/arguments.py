"""Arguments and results as a trace spells them, in C.

Contract: `literals`, `model` and the data of `ksem.guest`. What a trace spells is C already but for strings with process ids,
structures, and bare numbers that have names. A trace is data: only what is known by its form comes through, and a word that is
none of C's raises KsemError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ksem.guest import flags
from ksem.guest.lab import GROUP, OTHER, OWNER
from ksem.guest.numbers import NUMBERS
from ksem.guest.structures import Kind
from ksem.guest.syscalls import SIGNATURES
from ksem.model import KsemError
from ksem.repro.literals import encoded, literal, unspelled

# Identifiers of processes by the names that a trace gives them.
Processes = Mapping[str, str]

IDS = {"OWNER": OWNER, "OTHER": OTHER, "GROUP": GROUP}
ERRNOS = frozenset(flags.ERRNO.values())
# Calls whose values are text.
_TEXTUAL = frozenset(["read", "read_file", "getxattr", "getxattrat"])
_STRUCTURES = {
    "capset": "capability_sets", "clone3": "clone_arguments", "file_setattr": "file_attributes",
    "landlock_create_ruleset": "ruleset", "listmount": "mount_request", "listns": "namespace_request",
    "mount_setattr": "mount_attributes", "open_tree_attr": "mount_attributes", "openat2": "how_to_open",
    "seccomp": "handed_over", "setxattrat": "xattr_arguments", "statmount": "mount_request",
}
_ACCESS = {"F_OK": 0, "X_OK": 1, "W_OK": 2, "R_OK": 4}
# Numbers that a trace leaves bare, by call and argument, with their names. A number may be made of several, bit by bit.
_BARE: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("access", "mode"): _ACCESS,
    ("faccessat2", "mode"): _ACCESS,
    ("faccessat2", "flags"): {"AT_EACCESS": 0x200, **flags.members(flags.AT)},
    ("statx", "mask"): {"STATX_BASIC_STATS": 0x7FF},
    ("fcntl", "cmd"): {"F_DUPFD": 0, "F_GETFD": 1, "F_ADD_SEALS": 1033, "F_GET_SEALS": 1034},
    ("socketpair", "domain"): flags.members(flags.AF),
    ("socketpair", "type"): flags.members(flags.SOCK),
    ("name_to_handle_at", "flags"): {"AT_HANDLE_MNT_ID_UNIQUE": 1},
    ("fchroot", "fd"): {"FD_FAILFS_ROOT": -10004},
    ("open_by_handle", "mount"): {"FD_PIDFS_ROOT": -10002, "FD_NSFS_ROOT": -10003},
    ("open_by_handle", "mode"): flags.members(flags.O),
    ("raise_ambient", "capability"): flags.members(flags.CAP),
    ("fanotify_init", "flags"): {"FAN_CLOEXEC": flags.FAN.CLOEXEC, "FAN_NONBLOCK": flags.FAN.NONBLOCK,
                                 "FAN_REPORT_MNT": flags.FAN.REPORT_MNT},
    ("fanotify_mark", "flags"): {"FAN_MARK_ADD": flags.FAN.MARK_ADD, "FAN_MARK_MNTNS": flags.FAN.MARK_MNTNS},
    ("fanotify_mark", "mask"): {"FAN_MNT_ATTACH": flags.FAN.MNT_ATTACH, "FAN_MNT_DETACH": flags.FAN.MNT_DETACH},
    ("run_cloned", "wanted"): {f"CLONE_{name}": value for name, value in vars(flags.CLONE3).items() if name.isupper()},
    ("run_cloned", "exit_signal"): {"SIGCHLD": 17},
    ("landlock_create_ruleset", "flags"): {"LANDLOCK_CREATE_RULESET_VERSION": 1},
}
# Every constant that a step may hold.
CONSTANTS: Mapping[str, int] = {
    "AT_FDCWD": flags.AT_FDCWD, "SIGCHLD": 17,
    **{name: value for one in vars(flags).values() if isinstance(one, type) for name, value in flags.members(one).items()},
    **{name: value for names in _BARE.values() for name, value in names.items()},
    **{name: value for name, value in vars(flags.IOCTL).items() if name.isupper()},
    **{f"SYS_{name}": number for name, number in NUMBERS.items()},
}
# As C has them, of at most 64 bits.
_NUMBER = re.compile(r"-?(?:0[0-7]{0,21}|[1-9]\d{0,19})|0x[0-9a-f]{1,16}", re.ASCII)
_PID = re.compile(r"/proc/<([^<>/]*)>")
STRING = r'"(?:[^"\\]|\\.)*"'
_FIELD = re.compile(rf'\.(\w+) = ({STRING}|<of {STRING}>|[^,"<>]+)(?:, |$)', re.ASCII)
_CREDENTIALS = re.compile(r"\{SCM_CREDENTIALS \{getpid\(\), (\d{1,10}), (\d{1,10})\}\}", re.ASCII)
_TIMES = re.compile(r"\{\{(0|[1-9]\d{0,18}), 0\}, \{(0|[1-9]\d{0,18}), 0\}\}", re.ASCII)
_ADDRESS = re.compile(r'\{AF_UNIX, "(.*)"\}', re.DOTALL)


def paired(call: str, spelled: list[str]) -> list[tuple[str, Kind, str]]:
    """The arguments of a call with their names and kinds; those that are always the same may be left out of a trace."""
    wanted = [(name, kind) for name, kind in SIGNATURES[call].arguments if not kind.output]
    given = [(name, kind) for name, kind in wanted if kind.given]
    if len(spelled) == len(wanted):
        return [(name, kind, text) for (name, kind), text in zip(wanted, spelled, strict=True)]
    if len(spelled) != len(given):
        raise unknown(call, ", ".join(spelled))
    texts = iter(spelled)
    return [(name, kind, next(texts) if kind.given else kind.show(None)) for name, kind in wanted]


def unknown(call: str, text: str) -> KsemError:
    """The error for what no C can be made of."""
    return KsemError(f"the trace holds {call:.40}({text:.200}), of which no C is known: "
                     "run the case again if it is older than ksem")


def argument(call: str, name: str, kind: Kind, text: str, processes: Processes) -> str:
    """One argument of a call."""
    if not kind.given:
        return kind.show(None)
    address = _ADDRESS.fullmatch(text)
    if address:
        return literal(encoded(address.group(1)))
    sent = _CREDENTIALS.fullmatch(text)
    if sent:
        return f"message({_number(sent.group(1))}, {_number(sent.group(2))})"
    times = _TIMES.fullmatch(text)
    if times:
        return f"(struct timeval[]){{ {{ {times.group(1)}, 0 }}, {{ {times.group(2)}, 0 }} }}"
    if text.startswith("{"):
        if call in _STRUCTURES:
            return f"&(struct {_STRUCTURES[call]}){{ {_fields(call, text, processes)} }}"
        numbers = [_constant(call, one) for one in text.removeprefix("{").removesuffix("}").split(", ") if one]
        return f"(gid_t[]){{ {', '.join(numbers)} }}" if numbers else "NULL"
    return word(call, name, text, processes)


def _fields(call: str, text: str, processes: Processes) -> str:
    found = [one.groups() for one in _FIELD.finditer(text[1:-1])]
    if braced(f".{field} = {value}" for field, value in found) != text:
        raise unknown(call, text)
    fields = []
    for field, value in found:
        if value.startswith("<of "):
            shown = f"mount_id({word(call, field, value[4:-1], processes)})"
        elif call == "capset":
            # Capabilities are numbers of bits, and 0 is one of them, but here it stands for none.
            shown = " | ".join(f"BIT({_constant(call, one)})" for one in value.split("|")) if value != "0" else "0"
        else:
            shown = word(call, field, value, processes)
        fields.append(f".{field} = {shown}")
    return ", ".join(fields) or "0"


def word(call: str, name: str, text: str, processes: Processes) -> str:
    """A string, NULL, a number, names of flags, or for a reader a truth value or a list of strings."""
    if text in ("NULL", "getpid()", "getppid()"):
        return text
    if text in ("true", "false"):
        return "1" if text == "true" else "0"
    if text.startswith("["):
        words = ", ".join([*(literal(encoded(one)) for one in _texts(call, text)), "NULL"])
        return f"(const char *const[]){{ {words} }}"
    if text.startswith('"'):
        return _string(text, processes)
    if (call, name) in _BARE and _NUMBER.fullmatch(text):
        return _named(_value(text), _BARE[call, name]) or _number(text)
    return " | ".join(_constant(call, one) for one in text.split("|"))


def _string(text: str, processes: Processes) -> str:
    """A literal; one with processes in it is made of their ids."""
    content = unspelled(text).decode("utf-8", "surrogateescape")
    pids = [processes[name] for name in _PID.findall(content) if name in processes]
    if not pids:
        return literal(encoded(content))

    def numbered(match: re.Match[str]) -> str:
        return "/proc/%d" if match.group(1).replace("%%", "%") in processes else match.group()
    pattern = _PID.sub(numbered, content.replace("%", "%%"))
    return f"with({literal(encoded(pattern))}, {', '.join(f'PID({one})' for one in pids)})"


def _constant(call: str, text: str) -> str:
    if text in CONSTANTS:
        # The kernel's headers have no prefix for requests.
        return text.removeprefix("IOCTL_")
    # The type of a file's mode is followed by octal digits.
    if not _NUMBER.fullmatch(text):
        raise unknown(call, text)
    return _number(text)


def _number(text: str) -> str:
    named = {value: name for name, value in IDS.items()}
    if _value(text) in named and text.isdecimal() and not text.startswith("0"):
        return named[_value(text)]
    return f"{text}U" if text.isdecimal() and _value(text) > 0x7FFFFFFFFFFFFFFF else text


def _value(text: str) -> int:
    """A number as C understands it."""
    return int(text, 8) if re.fullmatch("-?0[0-7]+", text) else int(text, 0)


def _named(value: int, names: Mapping[str, int]) -> str:
    """A number by its name or by those of its bits; nothing when a part of it has no name."""
    whole = [name for name, one in names.items() if one == value]
    if whole:
        return whole[0]
    bits = [name for name, one in names.items() if one > 0 and one & value == one]
    return " | ".join(bits) if sum(names[name] for name in bits) == value else ""


def result(call: str, text: str) -> str:
    """What a call gave, as `CALL` compares it: an errno, a number, or text as the parts write it."""
    if text in ERRNOS or text in ("True", "False", "None"):
        return text
    if call in _TEXTUAL:
        return literal(encoded(text))
    if _NUMBER.fullmatch(text):
        return text
    try:
        return canonical(json.loads(text))
    except (ValueError, RecursionError):
        raise unknown(call, f"...) = ({text}") from None


def names(text: str) -> list[str]:
    """What a directory holds."""
    return _texts("list_directory", text)


def _texts(call: str, text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise unknown(call, text)
    return found


def canonical(value: Any) -> str:
    """A value of JSON as JSON, with its strings as literals of C. Raises ValueError for a number that JSON has not."""
    if isinstance(value, dict):
        return braced(f"{canonical(str(key))}: {canonical(value[key])}" for key in sorted(value))
    if isinstance(value, list):
        return listed(map(canonical, value))
    return literal(encoded(value)) if isinstance(value, str) else json.dumps(value, allow_nan=False)


def braced(words: Iterable[str]) -> str:
    """{A, B}"""
    return f"{{{', '.join(words)}}}"


def listed(words: Iterable[str]) -> str:
    """[A, B]"""
    return f"[{', '.join(words)}]"

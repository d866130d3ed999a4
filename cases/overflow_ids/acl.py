"""An access control list shows unmapped users as 4294967295, which cannot be written back; what it grants still counts.

The entries of a POSIX ACL name users and groups, and a process reads them with its own namespace's ids. Elsewhere an id without
mapping is the overflow id; here it is 4294967295, "no id". Where two entries are for unmapped users, they look the same. To
set an entry needs an id that is mapped (EINVAL for the overflow id and for 4294967295 as well), so reading a list and
writing it back fails as soon as one of its users is unmapped: copying a tree with its lists from inside a sandbox does.

What the list grants goes by the real user: somebody whom an entry names may write, also from a namespace in which the file's
owner is nobody. To change the list of such a file is EPERM, as chmod is.
"""

import struct

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import CLONE, O
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, user_name

NAME = "system.posix_acl_access"
NO_ID = 2 ** 32 - 1
USER_OBJ, USER, GROUP_OBJ, GROUP_ENTRY, MASK, REST = 1, 2, 4, 8, 16, 32
MAPS = {
    "the machine": None,
    "one id": ({0: OWNER}, {0: GROUP}),
    "two ids": ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}),
    "another user": ({0: OTHER}, {0: OTHER}),
}
FILES = {"owner's": OWNER, "root's": 0}
# Entries that the process sets, in the ids of its namespace.
WANTED = {"0": 0, "1": 1, "owner's number": OWNER, "overflow id": OVERFLOW, "4294967295": NO_ID}


def expected(reader):
    maps = MAPS[reader]
    me = {"one id": OWNER, "two ids": OWNER, "another user": OTHER}.get(reader, 0)
    names = [name_of(maps, 0, 0), name_of(maps, 0, OTHER), name_of(maps, 1, 0)]
    complete = "no id" not in names
    table = {}
    for name, owner in FILES.items():
        owns = me in (0, owner)
        table[name] = {
            "entries": names,
            # Who is named, or owns it with rw-, may write.
            "write": "ok" if owns or me == OTHER else "EACCES",
            "write it back": ("ok" if owns else "EPERM") if complete else "EINVAL",
            "set": {wanted: set_to(maps, number, owns) for wanted, number in WANTED.items()},
        }
    return table


def name_of(maps, place, number):
    if maps is None:
        return user_name(number)
    inside = [one for one, outside in maps[place].items() if outside == number]
    return user_name(inside[0]) if inside else "no id"


def set_to(maps, number, owns):
    real = number if maps is None else maps[0].get(number)
    if real is None or real == NO_ID:
        return "EINVAL"
    return "ok: %s" % user_name(real) if owns else "EPERM"


CASE = Case(
    claim="In an ACL unmapped users are shown as 4294967295 and cannot be set (EINVAL); access by its entries goes by the real"
          " user.",
    cites=(
        "acl(5), 'ACCESS CHECK ALGORITHM'",
        "user_namespaces(7), 'Unmapped user and group IDs', which does not name ACLs",
        "posix_acl_to_xattr() and posix_acl_from_xattr() in fs/posix_acl.c: from_kuid(), not from_kuid_munged()",
    ),
    params={"reader": tuple(MAPS)},
    expect=expected,
    options=("CONFIG_USER_NS", "CONFIG_TMPFS_POSIX_ACL"),
    needs=("root", "userns"),
    documented="user_namespaces(7) says that unmapped ids are shown as the overflow id; in an ACL they are 4294967295.",
)


def observe(lab, reader):
    for name, owner in FILES.items():
        lab.file(name, 0o600, owner, owner)
        if set_list(lab, name, [(USER, 0), (USER, OTHER), (GROUP_ENTRY, 0)]) == "EOPNOTSUPP":
            raise Unsupported("no POSIX ACLs on tmpfs")
    process = lab if MAPS[reader] is None else make(lab, reader)
    return {name: tried(lab, process, name) for name in FILES}


def make(lab, reader):
    if reader != "another user":
        return lab.mapped("inside", *MAPS[reader])
    process = lab.become(lab.fork("inside"), OTHER, OTHER)
    process.unshare(CLONE.NEWUSER)
    lab.map_ids(process, *MAPS[reader], by=lab)
    return process


def tried(lab, process, name):
    text = process.getxattr(name, NAME)
    numbers = [number for tag, _, number in entries(text) if tag in (USER, GROUP_ENTRY)]
    result = {
        "entries": ["no id" if number == NO_ID else user_name(number) for number in numbers],
        "write": process.try_open(name, O.WRONLY),
        "write it back": process.attempt.setxattr(name, NAME, text, 4 + 8 * len(entries(text)), 0),
        "set": {},
    }
    overflow = lab.overflow_ids()[0]
    for wanted, number in WANTED.items():
        outcome = set_list(process, name, [(USER, overflow if number == OVERFLOW else number)])
        if outcome == "ok":
            seen = [number for tag, _, number in entries(lab.getxattr(name, NAME)) if tag == USER]
            outcome = "ok: %s" % user_name(seen[0], overflow)
        result["set"][wanted] = outcome
    return result


def set_list(process, name, named):
    """rw- for the owner and for who is named, nothing for others."""
    rows = [(USER_OBJ, NO_ID), *named, (GROUP_OBJ, NO_ID), (MASK, NO_ID), (REST, NO_ID)]
    rows.sort(key=lambda row: row[0])
    data = struct.pack("=I", 2) + b"".join(
        struct.pack("=HHI", tag, 0 if tag in (REST, GROUP_OBJ) else 6, number) for tag, number in rows)
    return process.attempt.setxattr(name, NAME, data.decode("utf-8", "surrogateescape"), len(data), 0)


def entries(text):
    data = text.encode("utf-8", "surrogateescape")
    return [struct.unpack_from("=HHI", data, place) for place in range(4, len(data), 8)]

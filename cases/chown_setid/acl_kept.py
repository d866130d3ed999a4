"""chown leaves an access control list alone: whoever it names keeps his rights to the file of its new owner.

The list of a file or directory names users and groups by themselves, not as owner and group. A change of owner moves the
three classes of the mode to the new ids, and nothing else: a builder who is named in the lists of what was built goes on
writing to it when it is the client's, and default lists go on naming him in whatever the client makes there. Only chmod
limits it, as the group class of the mode is the mask of all named entries. To be rid of the entries takes removexattr(2), by
the new owner.

The mask is what chown sees as group execute permission too: S_ISGID goes where the mask has it, although the file's group
itself may not execute.
"""

import struct

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
USER_OBJ, USER, GROUP_OBJ, GROUP_ENTRY, MASK, REST = 1, 2, 4, 8, 16, 32
NO_ID = 0xFFFFFFFF
# What the list says beside rwx for the owner, r-- for the group, nothing for others; and the mask.
LISTS = {
    "none": ((), None),
    "the former owner": (((USER, OWNER, 6),), 7),
    "the former group": (((GROUP_ENTRY, GROUP, 6),), 7),
    "the former owner, masked": (((USER, OWNER, 6),), 4),
    "the former owner, as default": (((USER, OWNER, 7),), 7),
}


def expected(named):
    entries, mask = LISTS[named]
    default = "default" in named
    writes = bool(entries) and not default and bool(mask & 2)
    group = mask if entries and not default else 4
    mode = 0o6700 | group << 3
    # S_ISGID counts with the mask's execute permission; root is in no group of the file's, but has CAP_FSETID.
    after = mode & ~0o4000 if not group & 1 else mode & ~0o6000
    seen = {
        "before": "%05o owner:group" % mode, "after chown": "%05o other:other" % after,
        "entries": [[tag_name(tag), user_name(number), bits] for tag, number, bits in entries],
        "former owner writes": "ok" if writes else "EACCES",
    }
    if named == "the former owner":
        seen["after chmod 0600"] = "EACCES"
    if default:
        seen["former owner writes what is made there"] = "ok"
    return seen


def tag_name(tag):
    return {USER: "user", GROUP_ENTRY: "group"}[tag]


CASE = Case(
    claim="chown keeps a file's access control list: a former owner or group that it names keeps its rights, until chmod masks"
          " or the new owner removes them.",
    cites=(
        "acl(5), 'ACCESS CHECK ALGORITHM' and 'CORRESPONDENCE BETWEEN ACL ENTRIES AND FILE PERMISSION BITS'",
        "chown_common() in fs/open.c; posix_acl_permission() in fs/posix_acl.c",
        "setattr_should_drop_sgid() in fs/attr.c: S_IXGRP of i_mode, which is the mask",
    ),
    params={"named": tuple(LISTS)},
    expect=expected,
    options=("CONFIG_TMPFS_POSIX_ACL",),
    needs=("root",),
    documented="chown(2) says nothing of access control lists.",
    survivors={
        "drop lab.become": "Root may do what the new owner may: the question is what the former one may then.",
    },
)


def observe(lab, named):
    entries, mask = LISTS[named]
    default = "default" in named
    path = "tree/file"
    lab.mkdir("tree", 0o755)
    lab.file(path, 0o740, OWNER, GROUP)
    if entries:
        result = put(lab, "tree" if default else path, DEFAULT if default else ACCESS, entries, mask)
        if result == "EOPNOTSUPP":
            raise Unsupported("no POSIX ACLs on tmpfs")
    former = lab.become(lab.fork("former owner"), OWNER, GROUP)
    client = lab.become(lab.fork("client"), OTHER, OTHER)
    lab.chmod(path, int(lab.status(path)["mode"], 8) | 0o6000)
    seen = {"before": spelled(lab, path)}
    lab.values([("chown", path, OTHER, OTHER), ("chown", "tree", OTHER, OTHER)])
    seen["after chown"] = spelled(lab, path)
    seen["entries"] = listed(lab, "tree" if default else path, DEFAULT if default else ACCESS) if entries else []
    seen["former owner writes"] = former.try_open(path, O.WRONLY)
    if named == "the former owner":
        client.chmod(path, 0o600)
        seen["after chmod 0600"] = former.try_open(path, O.WRONLY)
    if default:
        client.close(client.open("tree/new", O.CREAT | O.WRONLY, 0o666))
        seen["former owner writes what is made there"] = former.try_open("tree/new", O.WRONLY)
    return seen


def put(lab, path, name, entries, mask):
    rows = sorted([(USER_OBJ, NO_ID, 7), (GROUP_OBJ, NO_ID, 4), (MASK, NO_ID, mask), (REST, NO_ID, 0), *entries])
    data = struct.pack("=I", 2) + b"".join(struct.pack("=HHI", tag, bits, number) for tag, number, bits in rows)
    return lab.attempt.setxattr(path, name, data.decode("utf-8", "surrogateescape"), len(data), 0)


def listed(lab, path, name):
    data = lab.getxattr(path, name).encode("utf-8", "surrogateescape")
    rows = [struct.unpack_from("=HHI", data, place) for place in range(4, len(data), 8)]
    return [[tag_name(tag), user_name(number), bits] for tag, bits, number in rows if tag in (USER, GROUP_ENTRY)]


def spelled(lab, path):
    now = lab.status(path)
    return "%s %s:%s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]))

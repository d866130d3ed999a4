"""File capabilities belong to the root of the namespace that set them, and read differently in each.

Root of a user namespace may give capabilities to a program that is its own, and they must not count outside. So the kernel
takes the attribute of version 2 that the usual tools write, and stores version 3: with the user outside that is root inside.
Who reads it is told what it means to him. Root of that namespace, and everybody in one below it, gets version 2 back; a
namespace in which that user is mapped to another number gets version 3 with this number; and one that has no number for it gets
EOVERFLOW, although the file is there and its mode can be read. Tools that copy attributes must expect that.

Setting them takes CAP_SETFCAP over the inode, that is a mapped owner and group: EPERM for an unmapped file, and for a user
without capabilities also for his own. An unmapped root id in a version 3 is EINVAL. Only CAP_SETFCAP over the
filesystem's own namespace stores version 2, which is good everywhere.
"""

import struct

from ksem.guest.case import Case
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

NAME = "security.capability"
MAPS = ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})
# Which users a reader's namespace knows by which number; whose root the namespaces from it up to the machine's have.
READERS = {
    "root": (None, (0,)),
    "the namespace that sets": ({OWNER: 0, OTHER: 1}, (OWNER, 0)),
    "a namespace below": ({}, (OWNER, 0)),
    "a namespace with both as others": ({GROUP: 0, OWNER: 5, OTHER: 6}, (GROUP, 0)),
    "a stranger's namespace": ({GROUP: 0}, (GROUP, 0)),
}
# Who sets, the owner of the file, and the root id of a version 3.
FILES = {
    "by root": ("root", OWNER, None),
    "by root, version 3": ("root", OWNER, OTHER),
    "by root inside": ("inside", OWNER, None),
    "by root inside, on the second's": ("inside", OTHER, None),
    "by root inside, version 3": ("inside", OWNER, 1),
    "by root inside, version 3 of nobody": ("inside", OWNER, 7),
    "by root inside, on an unmapped": ("inside", 0, None),
    "by a plain user": ("plain", OWNER, None),
}
FAILS = {"by root inside, version 3 of nobody": "EINVAL", "by root inside, on an unmapped": "EPERM", "by a plain user": "EPERM"}


def expected(reader):
    return {name: {"set": FAILS.get(name, "ok"), "read": "ENODATA" if name in FAILS else read(reader, *FILES[name])}
            for name in FILES}


def read(reader, by, _, rootid):
    """What cap_inode_getsecurity() makes of a stored root user."""
    stored = {None: 0 if by == "root" else OWNER, 1: OTHER}.get(rootid, rootid)
    numbers, roots = READERS[reader]
    number = stored if numbers is None else numbers.get(stored)
    if number:
        return "version 3 of %s" % user_name(number)
    return "version 2" if stored in roots else "EOVERFLOW"


CASE = Case(
    claim="File capabilities set in a user namespace are bound to its root: others read them with their own number for it, or"
          " get EOVERFLOW; on an unmapped file setting them is EPERM.",
    cites=(
        "capabilities(7), 'Namespaced file capabilities' and 'File capability extended attribute versioning'",
        "cap_convert_nscap() and cap_inode_getsecurity() in security/commoncap.c",
        "8db6c34f1dbc (\"Introduce v3 namespaced file capabilities\"), 4.14",
    ),
    params={"reader": tuple(READERS)},
    expect=expected,
    options=("CONFIG_USER_NS", "CONFIG_TMPFS_XATTR"),
    needs=("root", "userns"),
    documented="capabilities(7) does not say that reading such an attribute can fail with EOVERFLOW.",
)


def observe(lab, reader):
    inside = lab.mapped("inside", *MAPS)
    plain = lab.become(lab.fork("plain"), OWNER, GROUP)
    by = {"root": lab, "inside": inside, "plain": plain}
    observation = {}
    for name, (setter, owner, rootid) in FILES.items():
        # Its group is mapped in any case but one.
        lab.file(name, 0o755, owner, GROUP if owner else 0)
        value = attribute(rootid)
        observation[name] = {"set": by[setter].attempt.setxattr(name, NAME, value, 20 if rootid is None else 24, 0)}
    process = {"root": lab, "the namespace that sets": inside}.get(reader) or make_reader(lab, inside, reader)
    for name in FILES:
        value, error = process.issue("getxattr", [name, NAME])
        observation[name]["read"] = error or version(value)
    return observation


def make_reader(lab, inside, reader):
    if reader == "a namespace below":
        below = inside.fork("below")
        below.unshare(CLONE.NEWUSER)
        return below
    return lab.mapped("reader", {number: user for user, number in READERS[reader][0].items()}, {0: GROUP})


def attribute(rootid):
    """CAP_NET_BIND_SERVICE, permitted and effective: struct vfs_cap_data, or vfs_ns_cap_data with a root id."""
    words = struct.pack("=5I", (2 if rootid is None else 3) << 24 | 1, 1 << 10, 0, 0, 0)
    data = words if rootid is None else words + struct.pack("=I", rootid)
    return data.decode("utf-8", "surrogateescape")


def version(text):
    data = text.encode("utf-8", "surrogateescape")
    if len(data) == 24:
        return "version 3 of %s" % user_name(struct.unpack_from("=I", data, 20)[0])
    return "version %d" % (struct.unpack_from("=I", data)[0] >> 24)

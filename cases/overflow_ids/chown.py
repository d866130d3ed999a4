"""Nothing can be given to an id without a mapping: chown to it is EINVAL, before any right is looked at.

The ids in a call are those of the caller's user namespace. A number that its map lacks names nobody, so chown answers
EINVAL, for one's own file as for anybody else's, for the owner as for the group, with any capability or none. The
overflow id is such a number: a directory cannot be made to belong to "the overflow user", which is only how other
owners are shown. The manual's list of errors leaves this EINVAL out.

A number that is mapped names its user outside. Root of the namespace may give its own files to the second of two
mapped ids, and take them back, but it may give nobody's file away whose owner or group is unmapped (EPERM).

A failed call leaves owner and group as they were, which is read from outside.
"""

from ksem.guest.case import Case
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, numbers, user_name

MAPS = {
    "one id, as root": ({0: OWNER}, {0: GROUP}),
    "one id, as itself": ({OWNER: OWNER}, {GROUP: GROUP}),
    "two ids": ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}),
    "two ids, one is the overflow id": ({0: OWNER, OVERFLOW: OTHER}, {0: GROUP, OVERFLOW: OTHER}),
}
FILES = {"own": (OWNER, GROUP), "other's": (OTHER, OTHER), "own, root's group": (OWNER, 0), "root's": (0, 0)}
WANTED = {
    "0, -1": (0, -1), "-1, 0": (-1, 0), "1, 1": (1, 1), "own number, -1": (OWNER, -1), "unused number, -1": (7, -1),
    "-1, unused number": (-1, 7), "overflow id, -1": (OVERFLOW, -1), "-1, overflow id": (-1, OVERFLOW),
    "-1, -1": (-1, -1),
}


def expected(mapped):
    uids, gids = MAPS[mapped]
    return {name: {wanted: outcome(uids, gids, owner, *ids) for wanted, ids in WANTED.items()}
            for name, owner in FILES.items()}


def outcome(uids, gids, file, uid, gid):
    """chown_common() translates first; setattr_prepare() then asks for the right."""
    real_uid = uids.get(uid, None if uid != -1 else -1)
    real_gid = gids.get(gid, None if gid != -1 else -1)
    if real_uid is None or real_gid is None:
        return spelled("EINVAL", *file)
    # A capability reaches an inode whose owner and group are both mapped.
    capable = file[0] in uids.values() and file[1] in gids.values()
    owner_ok = real_uid == -1 or (file[0] == OWNER and real_uid == OWNER)
    group_ok = real_gid == -1 or (file[0] == OWNER and real_gid in (GROUP, file[1]))
    if not capable and not (owner_ok and group_ok):
        return spelled("EPERM", *file)
    return spelled("ok", file[0] if real_uid == -1 else real_uid, file[1] if real_gid == -1 else real_gid)


def spelled(result, uid, gid):
    return "%s: %s:%s" % (result, user_name(uid), user_name(gid))


CASE = Case(
    claim="chown to an id without a mapping, the overflow id among them, fails with EINVAL.",
    cites=(
        "user_namespaces(7), 'User and group ID mappings: uid_map and gid_map'",
        "chown_common() in fs/open.c: make_kuid(current_user_ns(), user) must be valid",
        "user_namespaces(7), 'Operation of file-related capabilities'",
        "chown(2), 'DESCRIPTION'",
    ),
    params={"mapped": tuple(MAPS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="chown(2), 'ERRORS' does not list EINVAL for an id that is not mapped.",
)


def observe(lab, mapped):
    overflow = lab.overflow_ids()
    lab.tmpfs("files")
    for name, owner in FILES.items():
        lab.file("files/" + name, 0o644, *owner)
    uids, gids = MAPS[mapped]
    process = lab.mapped("inside", numbers(uids, overflow[0]), numbers(gids, overflow[1]))
    table = {}
    for name in FILES:
        table[name] = {}
        for wanted, ids in WANTED.items():
            uid, gid = (overflow[place] if one == OVERFLOW else one for place, one in enumerate(ids))
            table[name][wanted] = attempt(lab, process, name, uid, gid)
    return table


def attempt(lab, process, name, uid, gid):
    """One chown, the real owner after it, and the file as it was before."""
    result = process.attempt.chown("files/" + name, uid, gid)
    now = lab.status("files/" + name)
    if (now["uid"], now["gid"]) != FILES[name]:
        lab.chown("files/" + name, *FILES[name])
    return spelled(result, now["uid"], now["gid"])

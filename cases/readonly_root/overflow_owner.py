"""`/` cannot be made to belong to the overflow user by chown; it belongs to it as soon as its real owner is not mapped.

The overflow id is what the kernel shows instead of an owner that has no number in the caller's user namespace. It is no
owner: chown to that number is EINVAL as long as it is not mapped, for the owner as for the namespace's root, and nothing
changes. (One can map the number itself, like any other. Then chown to it works, and `/` belongs to a user who exists, who
may write to it, and who merely looks like nobody. So the number alone, as stat(2) gives it, proves nothing: the map
must be read.)

What does work is the other way round: who is to own `/` is decided outside, before, by a chown of the directory to a user
that will not be mapped. An ordinary user cannot (EPERM); but it can use a directory that somebody else owns already.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, MNT, MS
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, numbers, user_name

# The ids of the user namespace: inside to outside.
MAPS = {
    "no map": {},
    "own id as 0": {0: OWNER},
    "own id as 1000": {1000: OWNER},
    "own id as 0, another as 1": {0: OWNER, 1: OTHER},
    "own id as 0, another as the overflow id": {0: OWNER, OVERFLOW: OTHER},
    "own id as the overflow id": {OVERFLOW: OWNER},
}


def expected(ids):
    mapped = OVERFLOW in MAPS[ids]
    names = {outside: inside for inside, outside in MAPS[ids].items()}
    before = shown(names.get(OWNER, OVERFLOW))
    chown = "ok" if mapped else "EINVAL"
    owner = MAPS[ids].get(OVERFLOW, OWNER)
    return {
        "owner before": before,
        "chown to the overflow id": chown,
        "owner after": shown(names.get(owner, OVERFLOW)),
        "really": user_name(owner),
        # Its owner's, before and after: if another user's, then one who is mapped, and CAP_DAC_OVERRIDE reaches the inode.
        "mkdir": "ok",
        "owner of a template of root's": OVERFLOW,
        "mkdir in a template of root's": "EACCES",
    }


def shown(inside):
    return OVERFLOW if inside == OVERFLOW else str(inside)


CASE = Case(
    claim="chown of / to the overflow id is EINVAL unless somebody is mapped to that number; a / that really is nobody's"
          " inside belongs to an unmapped user outside.",
    cites=(
        "user_namespaces(7), 'Unmapped user and group IDs'",
        "chown_common() in fs/open.c: EINVAL for an id that make_kuid() does not know",
        "user_namespaces(7), 'Accessing files'",
    ),
    params={"ids": tuple(MAPS)},
    expect=expected,
    needs=("root", "userns"),
    options=("CONFIG_USER_NS",),
    documented="chown(2) knows EINVAL for wrong flags only, not for ids that are not mapped.",
    survivors={
        'drop umount2(".", MNT_DETACH)': "`/` is the new root itself, whatever lies on it.",
        'drop chdir("/")': "All paths here begin at the root.",
    },
)


def observe(lab, ids):
    overflow = lab.overflow_ids()[0]
    lab.mkdir("root", 0o755)
    lab.mkdir("root/template", 0o755)
    lab.chown("root", OWNER, GROUP)
    sandbox = lab.fork("sandbox")
    lab.become(sandbox, OWNER, GROUP)
    sandbox.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    # The group as the user: capabilities reach an inode only if both are mapped.
    groups = {inside: GROUP if outside == OWNER else outside for inside, outside in MAPS[ids].items()}
    lab.map_ids(sandbox, numbers(MAPS[ids], overflow), numbers(groups, overflow), by=lab)
    sandbox.values([("mount", "root", "root", None, MS.BIND, None), ("chdir", "root"), ("pivot_root", ".", "."),
                    ("umount2", ".", MNT.DETACH), ("chdir", "/")])
    before, template = sandbox.values([owner_of("/"), owner_of("/template")])
    chown, *made = sandbox.batch([("chown", "/", overflow, -1), ("mkdir", "/made", 0o755), ("mkdir", "/template/made", 0o755)])
    after = sandbox.values([owner_of("/")])[0]
    really = lab.status("root")["uid"]
    return {"owner before": name(before, overflow), "chown to the overflow id": chown, "owner after": name(after, overflow),
            "really": user_name(really), "mkdir": made[0],
            "owner of a template of root's": name(template, overflow), "mkdir in a template of root's": made[1]}


def owner_of(path):
    return "statx", AT_FDCWD, path, 0, 0x7FF


def name(status, overflow):
    return shown(OVERFLOW if status["uid"] == overflow else status["uid"])

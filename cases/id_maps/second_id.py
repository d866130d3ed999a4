"""With a second id mapped, the first process of the namespace can become it, and shares its files with it like with a stranger.

Subordinate ids give a sandbox a second user for what it runs, so that this user is not the one who owns the sandbox. The first
process has CAP_SETUID and CAP_SETGID inside, and takes any id that is mapped, groups first; an id that is not
mapped is EINVAL. After that it is an ordinary user of the namespace: its capabilities are gone, and it cannot go back.

What was made before belongs to 0 and stays so. The second user may not change it, and writes to the store only through the
group, which the first process gives it. What it makes there is its own: from outside the two are just
the two users that the map names, the sandbox's own and the subordinate one.

If just the user or just the group is mapped, the other half fails: a process that has become the second user may still be of
the first group, and through it write where it was not meant to.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

MAPS = {
    "one id": ({0: OWNER}, {0: GROUP}),
    "two ids": ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}),
    "two users, one group": ({0: OWNER, 1: OTHER}, {0: GROUP}),
    "one user, two groups": ({0: OWNER}, {0: GROUP, 1: OTHER}),
}
INSIDE = {0: "first", 1: "second"}
BECOME = (("setgroups", 0, []), ("setresgid", 1, 1, 1), ("setresuid", 1, 1, 1))
MADE = ("store/before", "store/after", "closed/before", "closed/after")


def expected(mapped):
    uids, gids = MAPS[mapped]
    user, group = 1 in uids, 1 in gids
    # Root of the namespace may do all; the second user only what the group may, which it shares in any case here.
    closed = "EACCES" if user else "ok"
    chown = "ok" if group else "EINVAL"
    after = "%s:%s" % ("other" if user else "owner", "other" if group else "group")
    inside = "%s:%s" % ("second" if user else "first", "second" if group else "first")
    mine = {"store/before": ("owner:group", "first:first"), "store/after": (after, inside),
            "closed/before": ("owner:group", "first:first"), "closed/after": (after, inside)}
    files = {path: ["none", "none"] if path == "closed/after" and user else list(seen) for path, seen in mine.items()}
    return {
        "give the store to the second group": chown,
        "become the second": {"setgroups": "ok", "setresgid": "ok" if group else "EINVAL",
                              "setresuid": "ok" if user else "EINVAL"},
        "afterwards": {
            "make a file in the store": "ok", "make a file in the first's directory": closed,
            "write the first's file": closed, "chmod the first's file": "EPERM" if user else "ok",
            "chown the first's file": "EPERM" if user else "ok",
            "become the first again": "EPERM" if user else "ok",
        },
        "files": files,
    }


CASE = Case(
    claim="With two ids mapped, the first process can become the second user and group; it loses its capabilities, and what it"
          " made before belongs to 0.",
    cites=(
        "user_namespaces(7), 'Capabilities' and 'User and group ID mappings: uid_map and gid_map'",
        "setresuid(2), 'ERRORS', EINVAL and EPERM",
        "capabilities(7), 'Effect of user ID changes on capabilities'",
    ),
    params={"mapped": tuple(MAPS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop umask(*": "It is so already; a machine may have it otherwise.",
    },
)


def observe(lab, mapped):
    lab.tmpfs("work", data="mode=755,uid=%d,gid=%d" % (OWNER, GROUP))
    process = lab.mapped("inside", *MAPS[mapped], apart=True)
    # As 0 it makes a store for both, where it can, and a directory of its own.
    process.values([("chdir", "work"), ("umask", 0o022), ("mkdir", "store", 0o775), ("chmod", "store", 0o775),
                    ("mkdir", "closed", 0o755)])
    observation = {"give the store to the second group": process.attempt.chown("store", -1, 1)}
    process.values(("open", path, O.CREAT | O.WRONLY, 0o644) for path in ("store/before", "closed/before"))
    results = process.batch(BECOME)
    observation["become the second"] = dict(zip((call[0] for call in BECOME), results))
    calls = {
        "make a file in the store": ("open", "store/after", O.CREAT | O.WRONLY, 0o644),
        "make a file in the first's directory": ("open", "closed/after", O.CREAT | O.WRONLY, 0o644),
        "write the first's file": ("open", "store/before", O.WRONLY, 0),
        "chmod the first's file": ("chmod", "store/before", 0o644),
        "chown the first's file": ("chown", "store/before", 0, 0),
        "become the first again": ("setresuid", 0, 0, 0),
    }
    observation["afterwards"] = dict(zip(calls, process.batch(calls.values())))
    observation["files"] = {path: [owner(lab, "work/" + path, user_name), owner(process, path, inside)] for path in MADE}
    return observation


def owner(process, path, name):
    seen, error = process.issue("statx", [AT_FDCWD, path, 0, 0x7FF])
    return "none" if error else "%s:%s" % (name(seen["uid"]), name(seen["gid"]))


def inside(number):
    return INSIDE.get(number, str(number))

"""Without privilege a process may map one user into its user namespace, its own, and one group once setgroups is denied.

The first process of a new user namespace holds every capability there, and none where it came from. What counts for its
maps is the parent, so it may map only what gives it nothing new: a single id, which must be its effective user id, or its
effective group id. Two ids are EPERM, as two lines or as a range; so is the id of anybody else, its own real id where that
differs, and a supplementary group of its own. What number the id gets inside does not matter.

The group asks for more: "deny" must have been written to /proc/PID/setgroups first. Otherwise a user whom a group is
meant to exclude (mode 0604) could drop that group with setgroups(2).

It surprises many that root is no better off. A root process that has unshared its user namespace left its capabilities
behind, and can map just itself; whoever wants more must have a process that stayed outside write the maps. This is the
kernel's half of what subordinate ids are about: there is no call to ask for them, and newuidmap is only such a process.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, PR
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# The ids of a caller, for users and for groups: effective, real, and of somebody else; and a supplementary group.
CALLERS = {
    "an ordinary user": ((OWNER, OWNER, OTHER), (GROUP, GROUP, OTHER), 0),
    "a user with another's effective ids": ((OTHER, OWNER, GROUP), (OTHER, GROUP, OWNER), 0),
    "root": ((0, 0, OTHER), (0, 0, OTHER), GROUP),
}


def wanted(caller, setgroups):
    """What is tried, in order: for each attempt the file, the text, and whether it should be allowed. Success comes last."""
    users, groups, supplementary = CALLERS[caller]
    rows = {}
    for file, (effective, real, stranger) in (("uid_map", users), ("gid_map", groups)):
        allowed = file == "uid_map" or setgroups == "denied"
        texts = {
            "two lines": "0 %d 1\n1 %d 1\n" % (effective, stranger),
            "a range of two": "0 %d 2\n" % effective,
            "somebody else": "0 %d 1\n" % stranger,
        }
        if real != effective:
            texts["the real id"] = "0 %d 1\n" % real
        if file == "gid_map":
            texts["a supplementary group"] = "0 %d 1\n" % supplementary
        for name, text in texts.items():
            rows["%s: %s" % (file, name)] = (file, text, False)
        rows[file + ": the effective id"] = (file, "7 %d 1\n" % effective, allowed)
    return rows


def expected(caller, setgroups):
    users, groups, _ = CALLERS[caller]
    table = {name: "ok" if allowed else "EPERM" for name, (_, _, allowed) in wanted(caller, setgroups).items()}
    table["uid_map afterwards"] = ["7", user_name(users[0]), "1"]
    table["gid_map afterwards"] = ["7", user_name(groups[0]), "1"] if setgroups == "denied" else []
    table["setgroups(2)"] = "EPERM"
    return table


CASE = Case(
    claim="A process without privilege over the parent user namespace may map its effective user, and its effective group"
          " after writing \"deny\" to setgroups; two ids or any other id are EPERM.",
    cites=(
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "user_namespaces(7), 'The /proc/pid/setgroups file'",
        "new_idmap_permitted() in kernel/user_namespace.c",
        "9cc46516ddf4 (\"userns: Add a knob to disable setgroups on a per user namespace basis\"), 3.19, CVE-2014-8989",
    ),
    params={"caller": tuple(CALLERS), "setgroups": ("allowed", "denied")},
    shown_with={"caller": "an ordinary user", "setgroups": "denied"},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop setgroups(*": "A supplementary group gives no right to map it, as is claimed.",
    },
)


def observe(lab, caller, setgroups):
    (user, real_user, _), (group, real_group, _), supplementary = CALLERS[caller]
    process = lab.fork("inside")
    process.values([
        ("setgroups", 1, [supplementary]),
        ("setresgid", real_group, group, group),
        ("setresuid", real_user, user, user),
        ("prctl", PR.SET_DUMPABLE, 1),
        ("unshare", CLONE.NEWUSER),
    ])
    if setgroups == "denied":
        process.write_file("/proc/self/setgroups", "deny")
    rows = wanted(caller, setgroups)
    observation = dict(zip(rows, process.batch(
        ("write_file", "/proc/self/" + file, text) for file, text, _ in rows.values())))
    # A reader's value is what it returns: here the number of bytes written.
    observation = {name: "ok" if isinstance(result, int) else result for name, result in observation.items()}
    for file in ("uid_map", "gid_map"):
        observation[file + " afterwards"] = named(lab.read_file("/proc/%d/%s" % (process.pid, file)))
    observation["setgroups(2)"] = process.attempt.setgroups(0, [])
    return observation


def named(text):
    """A map of one line with the name of its user."""
    words = text.split()
    return [words[0], user_name(int(words[1])), words[2]] if words else []

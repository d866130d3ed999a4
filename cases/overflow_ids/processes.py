"""/proc shows processes of unmapped users as the overflow user's, for each reader with the reader's own ids.

The Uid, Gid and Groups lines of /proc/PID/status and the owner of /proc/PID are translated like everything else: for the
namespace of whoever reads. From inside a sandbox the machine's root and all other users are one and the same overflow user, and
supplementary groups which are not mapped stay in the list, each as the overflow group. A program that looks for "my own
processes" by number finds those of strangers, where its own number happens to be 65534.

A process that is not dumpable, as after a change of user, has its files in /proc owned by root, for which its own user cannot
open them for writing; the directory itself still shows whose process it is. This root is the machine's, so that inside
those files are the overflow user's: why a sandbox must make itself dumpable before it can write its own maps.

/proc/sys/kernel/overflowuid is one for the whole machine. Everybody may read it, and no root but the machine's write.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, PR, O
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, user_name

READERS = {"the machine's root": None, "one id": ({0: OWNER}, {0: GROUP}),
           "two ids": ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}),
           "no maps": ({}, {})}
# Who is looked at: user, group, supplementary groups, and whether it is dumpable.
SEEN = {"root": (0, 0, [], True), "dumpable": (OWNER, GROUP, [OTHER, 0], True),
        "not dumpable": (OWNER, GROUP, [OTHER, 0], False)}


def expected(reader):
    maps = READERS[reader]
    table = {}
    for name, (user, group, groups, dumpable) in SEEN.items():
        table[name] = {
            "uid": [shown(maps, 0, user)] * 4, "gid": [shown(maps, 1, group)] * 4,
            "groups": sorted(shown(maps, 1, one) for one in groups),
            "directory": shown(maps, 0, user), "its files": shown(maps, 0, user if dumpable else 0),
        }
    table["overflowuid"] = {"read": "ok", "write": "ok" if maps is None else "EACCES"}
    return table


def shown(maps, place, outside):
    if maps is None:
        return user_name(outside)
    return next((user_name(number) for number, real in maps[place].items() if real == outside), OVERFLOW)


CASE = Case(
    claim="In /proc the ids of a process and the owner of its files are shown with the reader's ids, unmapped ones as the"
          " overflow id; files of a process that is not dumpable belong to the machine's root.",
    cites=(
        "user_namespaces(7), 'Unmapped user and group IDs'",
        "proc_pid_status(5), Uid, Gid and Groups; proc(5), overflowuid",
        "PR_SET_DUMPABLE(2const), proc_pid(5)",
        "task_state() in fs/proc/array.c, task_dump_owner() in fs/proc/base.c",
    ),
    params={"reader": tuple(READERS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop setgroups(0, {})": "The first process of a bare kernel has none; root by sudo does.",
    },
)


def observe(lab, reader):
    overflow = lab.overflow_ids()
    # Root by sudo is in root's group, the first process of a bare kernel in none.
    lab.setgroups(0, [])
    processes = {"root": lab}
    for name in ("dumpable", "not dumpable"):
        user, group, groups, dumpable = SEEN[name]
        processes[name] = lab.become(lab.fork(name, apart=True), user, group, groups)
        processes[name].prctl(PR.SET_DUMPABLE, 1 if dumpable else 0)
    by = lab
    if READERS[reader] is not None:
        by = lab.become(lab.fork("reader"), OWNER, GROUP)
        by.unshare(CLONE.NEWUSER)
        lab.map_ids(by, *READERS[reader], by=lab)
    table = {name: look(by, "/proc/%d" % process.pid, overflow) for name, process in processes.items()}
    sysctl = "/proc/sys/kernel/overflowuid"
    table["overflowuid"] = {"read": by.try_open(sysctl, 0), "write": by.try_open(sysctl, O.WRONLY)}
    return table


def look(by, path, overflow):
    who, directory, file = by.values([("credentials", path), ("statx", AT_FDCWD, path, 0, 0x7FF),
                                      ("statx", AT_FDCWD, path + "/status", 0, 0x7FF)])
    return {
        "uid": [user_name(one, overflow[0]) for one in who["uid"]], "gid": [user_name(one, overflow[1]) for one in who["gid"]],
        "groups": sorted(user_name(one, overflow[1]) for one in who["groups"]),
        "directory": user_name(directory["uid"], overflow[0]), "its files": user_name(file["uid"], overflow[0]),
    }

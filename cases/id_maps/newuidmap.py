"""newuidmap and newgidmap write a user's maps for him: his own id, and the subordinate ids that /etc/subuid gives him.

The kernel knows no subordinate ids. It asks of a map with other ids than the writer's that the writer has CAP_SETUID, or
CAP_SETGID, over the parent namespace, and these programs have it: by S_ISUID or by file capabilities. What they write they
have looked up first. A range that is not the user's is refused as a whole, and the map stays empty; so is somebody else's
process. The two are not bound to each other: who gets users need not get groups.

Where all that is asked for is the user's own group, newgidmap maps it, and denies setgroups(2) for that, as the kernel would
ask of him; with subordinate groups beside it, it leaves setgroups allowed.
"""


from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import GROUP, OTHER, OWNER

# Subordinate ids of OWNER's, and how many.
FIRST, COUNT = 2100001000, 10
PROGRAMS = {"uid_map": "newuidmap", "gid_map": "newgidmap"}
DIRECTORIES = ("/usr/bin", "/bin", "/usr/local/bin")
# What is asked for, as (inside, outside, count): OWN stands for the caller's own user or group.
OWN = "own"
ASKED = {
    "own id": [(0, OWN, 1)],
    "own id and all subordinate ones": [(0, OWN, 1), (1, FIRST, COUNT)],
    "one beyond the range": [(0, OWN, 1), (1, FIRST, COUNT + 1)],
    "somebody else": [(0, OTHER, 1)],
}


def expected(entry):
    table = {}
    for name, ranges in ASKED.items():
        allowed = name == "own id" or (entry == "with subordinate ids" and name == "own id and all subordinate ones")
        lines = len(ranges) if allowed else 0
        table[name] = {"newuidmap": 0 if allowed else 1, "users": lines, "newgidmap": 0 if allowed else 1, "groups": lines,
                       "setgroups": "deny" if name == "own id" else "allow"}
    return dict(table, **{"process of somebody else": {"newuidmap": 1, "users": 0}})


CASE = Case(
    claim="newuidmap and newgidmap write maps with a user's own id and the subordinate ids that /etc/subuid and /etc/subgid"
          " give him, for his own processes alone.",
    cites=(
        "newuidmap(1), newgidmap(1), subuid(5), subgid(5)",
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "new_idmap_permitted() in kernel/user_namespace.c",
    ),
    params={"entry": ("with subordinate ids", "without")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, entry):
    programs = {file: found(lab, name) for file, name in PROGRAMS.items()}
    tables = {"passwd": "ksem:x:%d:%d::/:/bin/sh\nother:x:%d:%d::/:/bin/sh\n" % (OWNER, GROUP, OTHER, OTHER),
              "subuid": "", "subgid": ""}
    if entry == "with subordinate ids":
        tables.update(dict.fromkeys(("subuid", "subgid"), "ksem:%d:%d\n" % (FIRST, COUNT)))
    for name, text in tables.items():
        lab.file(name)
        if text:
            lab.write_file(name, text)
        if lab.attempt.mount(name, "/etc/" + name, None, MS.BIND, None) != "ok":
            raise Unsupported("this machine has no /etc/" + name)
    caller = lab.become(lab.fork("caller"), OWNER, GROUP)
    seen = {}
    for name, ranges in ASKED.items():
        process = inside(lab, name)
        proc = "/proc/%d/" % process.pid
        seen[name] = {"newuidmap": asked(caller, programs["uid_map"], process, ranges, OWNER),
                      "users": lines(lab, proc + "uid_map"),
                      "newgidmap": asked(caller, programs["gid_map"], process, ranges, GROUP),
                      "groups": lines(lab, proc + "gid_map"), "setgroups": lab.read_file(proc + "setgroups").strip()}
    process = inside(lab, "other", OTHER, OTHER)
    seen["process of somebody else"] = {"newuidmap": asked(caller, programs["uid_map"], process, [(0, OWN, 1)], OWNER),
                                        "users": lines(lab, "/proc/%d/uid_map" % process.pid)}
    return seen


def found(lab, name):
    for directory in DIRECTORIES:
        if lab.executable(directory + "/" + name):
            return directory + "/" + name
    raise Unsupported("newuidmap and newgidmap are not installed")


def inside(lab, name, user=OWNER, group=GROUP):
    process = lab.become(lab.fork("for " + name), user, group)
    process.unshare(CLONE.NEWUSER)
    return process


def asked(caller, program, process, ranges, own):
    words = [str(own if word == OWN else word) for one in ranges for word in one]
    return caller.run_command([program, "<pid>", *words], "/proc/%d" % process.pid)


def lines(lab, path):
    return len(lab.read_file(path).splitlines())

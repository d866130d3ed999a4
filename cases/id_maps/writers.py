"""Who may write the maps of another process: its user for one id, CAP_SETUID and CAP_SETGID over the parent for more.

Three questions are asked, one after the other. The files below /proc/PID belong to the user of the process, so that
somebody else cannot even open them (EACCES) without CAP_DAC_OVERRIDE. Then the writer must have CAP_SYS_ADMIN over the
namespace that the map is for. The user who made it has that without any capability, as the owner has all of them when
looking in from the parent; another user needs CAP_SYS_ADMIN outside. At last comes what is written: one id of the writer's
own needs no more; other ids need CAP_SETUID for uid_map and CAP_SETGID for gid_map, each for its file alone.

So CAP_SETUID and CAP_SETGID are all that newuidmap and newgidmap must have, when they keep the caller's effective user: with
file capabilities. As setuid programs they would be root, who is not the owner and so would need CAP_SYS_ADMIN as well, and
they go back to the caller's user for that reason.

Even root cannot write from two namespaces above: the file must be opened in the namespace itself or in its parent.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER

BOTH = ("SETUID", "SETGID")
# Effective user and group, and capabilities, all in the parent namespace.
WRITERS = {
    "its user": (OWNER, GROUP, ()),
    "its user, of another group": (OWNER, OTHER, ()),
    "its user with CAP_SETUID": (OWNER, GROUP, ("SETUID",)),
    "its user with CAP_SETGID": (OWNER, GROUP, ("SETGID",)),
    "another user": (OTHER, GROUP, ()),
    "another user with CAP_SETUID and CAP_SETGID": (OTHER, GROUP, BOTH),
    "another user with CAP_DAC_OVERRIDE as well": (OTHER, GROUP, (*BOTH, "DAC_OVERRIDE")),
    "another user with CAP_SYS_ADMIN as well": (OTHER, GROUP, (*BOTH, "DAC_OVERRIDE", "SYS_ADMIN")),
    "root": (0, 0, ()),
    "root, two namespaces up": (0, 0, ()),
}
TEXTS = {
    "two users": ("uid_map", "0 %d 1\n1 %d 1\n" % (OWNER, OTHER)),
    "another user": ("uid_map", "0 %d 1\n" % OTHER),
    "its user": ("uid_map", "0 %d 1\n" % OWNER),
    "two groups": ("gid_map", "0 %d 1\n1 %d 1\n" % (GROUP, OTHER)),
    "its group, setgroups allowed": ("gid_map", "0 %d 1\n" % GROUP),
    "deny setgroups": ("setgroups", "deny"),
    "its group, setgroups denied": ("gid_map", "0 %d 1\n" % GROUP),
}


def expected(writer):
    user, group, held = WRITERS[writer]
    root, far = user == 0, "two" in writer
    opens = user == OWNER or "DAC_OVERRIDE" in held or root
    administers = (user == OWNER or "SYS_ADMIN" in held or root) and not far
    written = {}
    for name, (file, _) in TEXTS.items():
        own = user == OWNER and (name == "its user" or (name == "its group, setgroups denied" and group == GROUP))
        privileged = root or (file == "uid_map" and "SETUID" in held) or (file == "gid_map" and "SETGID" in held)
        if not opens:
            result = "EACCES"
        elif file == "setgroups":
            # Root's capabilities hold for every namespace below; and it may be denied only while there are no groups.
            result = "EACCES" if not (administers or far) else "EPERM" if "gid_map" in written else "ok"
        else:
            result = "ok" if administers and (own or privileged) and file not in written else "EPERM"
        if result == "ok":
            written[file] = name
        written.setdefault("results", {})[name] = result
    maps = {file: lines_of(TEXTS[written[file]][1]) if file in written else 0 for file in ("uid_map", "gid_map")}
    return dict(written["results"], **{"lines in the maps": maps})


def lines_of(text):
    return len(text.splitlines())


CASE = Case(
    claim="The maps of a user namespace can be written from its parent: one id by the user who made it, more with CAP_SETUID or"
          " CAP_SETGID there, and by no other user without CAP_SYS_ADMIN.",
    cites=(
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "map_write(), proc_uid_map_write(), new_idmap_permitted() and proc_setgroups_open() in kernel/user_namespace.c",
        "cap_capable() in security/commoncap.c: the owner of a namespace has all capabilities in it",
        "41c21e351e79 (\"userns: Changing any namespace id mappings should require privileges\"), 3.9",
    ),
    params={"writer": tuple(WRITERS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, writer):
    if writer == "root, two namespaces up":
        process = lab.mapped("inside", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})
        process.unshare(CLONE.NEWUSER)
        by = lab
    else:
        process = lab.become(lab.fork("inside"), OWNER, GROUP)
        process.unshare(CLONE.NEWUSER)
        user, group, held = WRITERS[writer]
        by = lab if user == 0 else lab.become(lab.fork("writer"), user, group, (), [getattr(CAP, name) for name in held])
    proc = "/proc/%d/" % process.pid
    results = by.batch(("write_file", proc + file, text) for file, text in TEXTS.values())
    observation = {name: "ok" if isinstance(result, int) else result for name, result in zip(TEXTS, results)}
    observation["lines in the maps"] = {file: lines_of(lab.read_file(proc + file)) for file in ("uid_map", "gid_map")}
    return observation

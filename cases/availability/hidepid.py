"""hidepid and subset=pid hold for one mount of proc, not for all of them (5.8).

Up to 5.7 there was one proc for a pid namespace, and remounting any of its mounts with hidepid changed all. Now each mount
is a filesystem of its own, so that a daemon can give its children a proc in which other users' processes are closed
(noaccess), cannot be found (invisible), or are shown only if they could be traced (ptraceable), while /proc stays as it was.

With noaccess and invisible the user still sees its own processes. The numbers 0, 1, 2 and 4 are the older spelling.
"""

from ksem.guest.case import Case
from ksem.guest.lab import GROUP, OTHER, OWNER

OPTIONS = ("hidepid=off", "hidepid=noaccess", "hidepid=invisible", "hidepid=ptraceable", "hidepid=2", "subset=pid",
           "hidepid=invisible,subset=pid")


def expected():
    return dict({option: row(option) for option in OPTIONS}, **{"/proc": row("hidepid=off"), "hidepid=3": "EINVAL"})


def row(option):
    hidden = any(word in option for word in ("invisible", "ptraceable", "=2"))
    other = "ENOENT" if hidden else "EPERM" if "noaccess" in option else "ok"
    return {"own process": "ok", "root's process": other, "another user's": other,
            "meminfo": "ENOENT" if "subset" in option else "ok"}


CASE = Case(
    claim="hidepid= and subset=pid hold for each mount of proc by itself (5.8).",
    cites=(
        "proc(5), 'Mount options'",
        "fa10fed30f25 (\"proc: allow to mount many instances of proc in one pid namespace\"), 5.8",
        "proc_pid_permission() and proc_pid_lookup() in fs/proc/base.c",
    ),
    expect=expected(),
    needs=("root",),
    survivors={
        "drop lab.become": "Another user's process is hidden as root's is: what counts is that it is not the reader's.",
    },
)


def observe(lab):
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    other = lab.become(lab.fork("other"), OTHER, OTHER)
    seen = {}
    for number, option in enumerate(OPTIONS):
        # Named so, because the trace knows process ids where they follow /proc.
        place = "%d/proc" % number
        lab.values([("mkdir", str(number), 0o755), ("mkdir", place, 0o755)])
        lab.mount("proc", place, "proc", 0, option)
        seen[option] = look(user, place, lab, other)
    seen["/proc"] = look(user, "/proc", lab, other)
    lab.mkdir("refused", 0o755)
    seen["hidepid=3"] = lab.attempt.mount("proc", "refused", "proc", 0, "hidepid=3")
    return seen


def look(user, place, lab, other):
    paths = {"own process": "%d/status" % user.pid, "root's process": "%d/status" % lab.pid,
             "another user's": "%d/status" % other.pid, "meminfo": "meminfo"}
    return dict(zip(paths, user.batch(("try_open", place + "/" + path, 0) for path in paths.values())))

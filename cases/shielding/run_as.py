"""A set-id bit takes effect in some places only; elsewhere the program runs, silently, as its caller.

An executed program gets the file's owner as effective user if S_ISUID is set, and its group if S_ISGID is set together
with execute permission for the group. It does not matter who executes it, which directories are above it, or whether the
mount is read-only. The bits are ignored

- on a mount with nosuid, and with no_new_privs, which every child inherits;
- where the file's owner or its group has no id in the caller's user namespace: both are asked for, though a bit
  needs only one of them;
- on a mount that is not part of the caller's own mount namespace: one reached by /proc/PID/root or by a descriptor from
  before unshare(2), a detached copy by open_tree(2), one that was unmounted while somebody stood in it.

So a set-id program that a sandbox hands out by descriptor is harmless outside of its mount namespace, as long as nobody
mounts it there. Ignored means that nobody is told; only noexec is an error.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, MNT, MS, OPEN_TREE, PR, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

MODES = ("00755", "04755", "02755", "06755", "02705")
FLAGS = {"read-only": MS.RDONLY, "nosuid": MS.NOSUID, "noexec": MS.NOEXEC}
# The caller is OTHER in all of them; ids keep their numbers inside, so that observations name them alike.
MAPS = {
    "owner and group mapped": ({OTHER, OWNER}, {OTHER, GROUP}),
    "owner unmapped": ({OTHER}, {OTHER, GROUP}),
    "group unmapped": ({OTHER, OWNER}, {OTHER}),
}
FOREIGN = ("/proc/PID/root of another mount namespace", "descriptor from before unshare", "detached copy",
           "working directory on an unmounted mount")
PLACES = ("plain mount", *FLAGS, "no_new_privs", *MAPS, *FOREIGN)
HONOURED = ("plain mount", "read-only", "owner and group mapped")


def expected(place):
    return {mode: "EACCES" if place == "noexec" else run_as(int(mode, 8), place in HONOURED) for mode in MODES}


def run_as(mode, honoured):
    user = "owner" if honoured and mode & 0o4000 else "other"
    group = "group" if honoured and mode & 0o2010 == 0o2010 else "other"
    return "%s:%s" % (user, group)


CASE = Case(
    claim="A set-id bit is ignored, without an error, on nosuid mounts, with no_new_privs, for unmapped owners or groups,"
          " and on every mount outside of the caller's own mount namespace.",
    cites=(
        "execve(2), 'DESCRIPTION': set-user-ID bit, no_new_privs and nosuid",
        "user_namespaces(7), 'Set-user-ID and set-group-ID programs'",
        "prctl(2) and Documentation/userspace-api/no_new_privs.rst",
        "mnt_may_suid() in fs/namespace.c and bprm_fill_uid() in fs/exec.c",
    ),
    params={"place": PLACES},
    shown_with={"place": "nosuid"},
    expect=expected,
    needs=lambda place: ("root",) + (("userns",) if place in MAPS else ()) + (
        ("syscall:open_tree",) if place == "detached copy" else ()),
    documented="execve(2) does not say that set-id bits are ignored on mounts of another mount namespace or of none, nor that"
               " S_ISGID counts only with execute permission for the group.",
)


def observe(lab, place):
    lab.tmpfs("place")
    for mode in MODES:
        lab.program("place/" + mode, int(mode, 8), OWNER, GROUP)
    if place in FLAGS:
        lab.mount(None, "place", None, MS.REMOUNT | MS.BIND | FLAGS[place], None)
    caller = lab.fork("caller")
    path = prepare(lab, caller, place)
    answers = caller.batch([("run_program", "%s/%s" % (path, mode)) for mode in MODES])
    return {mode: answer if isinstance(answer, str) else "%s:%s" % (user_name(answer["euid"]), user_name(answer["egid"]))
            for mode, answer in zip(MODES, answers)}


def prepare(lab, caller, place):
    """The caller becomes OTHER, in that place: the path by which it reaches the programs."""
    path = "place"
    if place == "descriptor from before unshare":
        path = "/proc/self/fd/%d" % caller.open("place", O.PATH, 0)
        caller.unshare(CLONE.NEWNS)
    elif place == "detached copy":
        path = "/proc/self/fd/%d" % caller.open_tree(AT_FDCWD, "place", OPEN_TREE.CLONE)
    elif place == "/proc/PID/root of another mount namespace":
        holder = lab.fork("holder")
        holder.unshare(CLONE.NEWNS)
        lab.become(holder, OTHER, OTHER)
        path = "/proc/%d/root/tmp/place" % holder.pid
    lab.become(caller, OTHER, OTHER)
    if place == "no_new_privs":
        caller.prctl(PR.SET_NO_NEW_PRIVS, 1)
    elif place in MAPS:
        caller.unshare(CLONE.NEWUSER)
        uids, gids = MAPS[place]
        lab.map_ids(caller, {uid: uid for uid in uids}, {gid: gid for gid in gids}, by=lab)
    elif place == "working directory on an unmounted mount":
        caller.chdir("place")
        lab.umount2("place", MNT.DETACH)
        path = "."
    return path

"""fanotify tells which mounts are attached to a mount namespace and which are detached (6.15).

To follow what is mounted a program had to poll /proc/self/mountinfo and compare it as a whole. A fanotify group with
FAN_REPORT_MNT, marked for a mount namespace by a descriptor of it, gets an event with the mount's id for each mount that is
attached, detached or moved there. It takes CAP_SYS_ADMIN over the user namespace that owns the mount namespace, so that root
of a sandbox can watch its own, and not that of the machine (EPERM). Older kernels do not know the flag (EINVAL; EPERM for
root of a sandbox).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, CLONE, FAN, MNT
from ksem.guest.lab import GROUP, OWNER

MARK = FAN.MARK_ADD | FAN.MARK_MNTNS
EVENTS = FAN.MNT_ATTACH | FAN.MNT_DETACH


def since_6_15(caller):
    seen = {"init": "ok", "own namespace": "ok", "before": [], "mount": ["attach"], "move": ["attach and detach"],
            "unmount": ["detach"], "elsewhere": []}
    return dict(seen, **{"namespace of the machine": "ok" if caller == "root" else "EPERM"})


def before_6_15(caller):
    # What is asked of whom is looked at before what it is.
    return {"init": "EINVAL" if caller == "root" else "EPERM"}


CASE = Case(
    claim="fanotify reports what is attached to and detached from a mount namespace (6.15), also to root of the user namespace"
          " that owns it.",
    cites=("do_fanotify_mark() in fs/notify/fanotify/fanotify_user.c", "fanotify_mark(2), FAN_MARK_MNTNS"),
    params={"caller": ("root", "root of a user namespace")},
    expect=(
        Rule(since_6_15, since="6.15", cites="0f46d81f2bce (\"fanotify: notify on mount attach and detach\"), 6.15"),
        Rule(before_6_15),
    ),
    needs=("root", "userns"),
    options=("CONFIG_FANOTIFY",),
    survivors={
        "drop lab.tmpfs": "Nobody is told of what is mounted elsewhere, as is claimed: it shows in nothing.",
    },
)


def observe(lab, caller):
    outside = lab.open("/proc/self/ns/mnt", 0, 0)
    process = lab.become(lab.fork("watcher"), OWNER, GROUP) if caller != "root" else lab.fork("watcher")
    process.unshare(CLONE.NEWNS if caller == "root" else CLONE.NEWNS | CLONE.NEWUSER)
    if caller != "root":
        lab.map_ids(process, {0: OWNER}, {0: GROUP}, by=lab)
    group, error = process.issue("fanotify_init", [FAN.REPORT_MNT | FAN.NONBLOCK | FAN.CLOEXEC, 0])
    if error:
        return {"init": error}
    own = process.open("/proc/self/ns/mnt", 0, 0)
    process.mount("place", ".", "tmpfs", 0, "mode=755")
    process.chdir("../tmp")
    process.values([("mkdir", "one", 0o755), ("mkdir", "two", 0o755)])
    seen = {"init": "ok", "own namespace": process.attempt.fanotify_mark(group, MARK, EVENTS, own, None)}
    seen["before"] = process.mount_events(group)
    process.mount("new", "one", "tmpfs", 0, None)
    seen["mount"] = process.mount_events(group)
    process.move_mount(AT_FDCWD, "one", AT_FDCWD, "two", 0)
    seen["move"] = process.mount_events(group)
    process.umount2("two", MNT.DETACH)
    seen["unmount"] = process.mount_events(group)
    lab.tmpfs("elsewhere")
    seen["elsewhere"] = process.mount_events(group)
    seen["namespace of the machine"] = process.attempt.fanotify_mark(group, MARK, EVENTS, outside, None)
    return seen

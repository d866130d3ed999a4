"""What is mounted in a user namespace has no devices, and set-id programs there count inside alone; no flag says so.

A filesystem belongs to the user namespace in which it was mounted. If that is not the machine's, no device node on it
can be opened (EACCES), by anybody, root of the machine included; and a setuid program on it gives its owner's id only to
who is in that namespace, or in one below it. Otherwise a user could bring such files along and leave them for others.

Neither shows in mountinfo, where the mount has none of nodev and nosuid. What the machine has mounted is as it says,
also in a sandbox that got a copy of the mount.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, CLONE, O, S
from ksem.guest.lab import GROUP, OTHER, OWNER, mount_options, user_name

NULL = 1 << 8 | 3
UIDS = {0: OWNER, 1: OTHER}
MOUNTED = ("by the machine", "in a user namespace")
CALLERS = ("its root", "root of a user namespace below", "the machine's root in its mount namespace")


def expected(mounted, caller):
    own = mounted == "in a user namespace"
    outside = caller == "the machine's root in its mount namespace"
    return {"flags": mount_options([]), "device": "EACCES" if own else "ok",
            "setuid program runs as": "root" if own and outside else "other"}


CASE = Case(
    claim="On a filesystem mounted in a user namespace no device can be opened, and set-id programs have no effect for who is"
          " outside of that namespace, though the mount shows neither nodev nor nosuid.",
    cites=(
        "may_open_dev() in fs/namei.c: SB_I_NODEV, which alloc_super() sets for any other user namespace than the first",
        "mnt_may_suid() in fs/namespace.c: current_in_userns() of the filesystem's",
    ),
    params={"mounted": MOUNTED, "caller": CALLERS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="user_namespaces(7) and mount_namespaces(7) do not say that devices cannot be opened on what a user namespace"
               " mounted.",
    survivors={
        'drop chdir("/tmp")': "Who only looks names paths from the root; who makes the files does not.",
        "drop umask(*": "Who opens the device is root of one namespace or another, whom its mode does not stop.",
    },
)


def observe(lab, mounted, caller):
    lab.mkdir("place", 0o777)
    if mounted == "by the machine":
        lab.mount("tmpfs", "place", "tmpfs", 0, "mode=777")
    inside = lab.mapped("inside", UIDS, {0: GROUP})
    inside.unshare(CLONE.NEWNS)
    if mounted != "by the machine":
        inside.mount("tmpfs", "place", "tmpfs", 0, "mode=777")
    furnish(lab, inside)
    by = {"its root": inside}.get(caller) or (below if "below" in caller else joined)(lab, inside)
    device, ran = by.batch([("try_open", "/tmp/place/null", O.WRONLY), ("run_program", "/tmp/place/program")])
    ids = UIDS if by.namespaces["user"] else {}
    return {"flags": sorted(inside.mountinfo("place")["flags"]), "device": device,
            "setuid program runs as": user_name(ids.get(ran["euid"], ran["euid"])) if isinstance(ran, dict) else ran}


def furnish(lab, inside):
    """Made by one who has the ids that the filesystem knows, and may make devices."""
    maker = lab.become(joined(lab, inside), OTHER, GROUP, (), (CAP.MKNOD,))
    program = "place/program"
    maker.values([("umask", 0), ("mknod", "place/null", S.IFCHR | 0o666, NULL)])
    maker.close(maker.open(program, O.CREAT | O.WRONLY, 0o755))
    maker.values([("write_program", program), ("chmod", program, 0o4755)])


def joined(lab, inside):
    """A process of the machine's root, which has only the mounts of the sandbox."""
    visitor = lab.fork("visitor")
    visitor.setns(visitor.open("/proc/%d/ns/mnt" % inside.pid, 0, 0), CLONE.NEWNS)
    visitor.chdir("/tmp")
    return visitor


def below(lab, inside):
    """Root of one more user namespace, which knows the same ids."""
    process = inside.fork("below")
    process.unshare(CLONE.NEWUSER)
    lab.map_ids(process, {0: 0, 1: 1}, {0: 0}, by=inside)
    return process

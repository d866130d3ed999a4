"""A template directory of somebody else, with empty directories in it, is a `/` that a builder cannot change.

A root-owned directory, made once and open to everybody, holds nothing but empty gnu/store, tmp, proc and dev. An
ordinary user binds it onto itself in a namespace of its own, mounts what it needs onto those directories (a mount
needs no permission on the directory below, only CAP_SYS_ADMIN over the mount namespace), and makes it the root. No mount
is read-only; the names in `/` are protected by their owner alone, and the answer is EACCES. To the builder the
owner is the overflow user, whoever it is: the number does not matter, only that it is not the builder.

If the template is the builder's own it sees that `/` belongs to it, as 0, and may change it. Clearing the owner's write bit
holds only a builder without capabilities, and that one can set it again.

The template may be public: nothing in it can be written by others. What is missing in it cannot be added by the user
that uses it: mkdir for another mount point is EACCES too, and so all of them must be there before.

chroot and pivot_root give the same `/`, but behind chroot lies the machine's tree, to which a process with capabilities
in its namespace returns by another chroot; and no further user namespace can be made (EPERM), which the builder's
own sandboxes and locking by one more unshare would need.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MNT, MS, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

OWNERS = {"root": (0, 0), "other": (OTHER, OTHER), "own": (OWNER, GROUP)}
DIRECTORIES = ("gnu", "gnu/store", "tmp", "proc", "dev")
MOUNTED = ("gnu/store", "tmp", "dev")


def expected(owner, entered, mode, capabilities):
    own = owner == "own"
    writable = own and (mode == "0755" or capabilities)
    names = "ok" if writable else "EACCES"
    shown = ("root" if capabilities else "1000") if own else "overflow"
    locked = "EPERM" if entered == "chroot" else "ok"
    return {
        "mount on its directories": ["ok"] * len(MOUNTED),
        "new mount point": "ok" if own else "EACCES",
        "owner of /": shown,
        "read-only": False,
        "create": names, "mkdir": names, "rename": names, "rmdir": names,
        "create in /gnu/store": "ok", "create in /tmp": "ok",
        "chmod /": "ok" if own else "EPERM",
        "mkdir after chmod": "ok" if own else "EACCES",
        "another user namespace": locked,
        "out of it by chroot": "ok" if entered == "chroot" and capabilities else "ENOENT",
    }


CASE = Case(
    claim="A template directory of another user serves as `/` by pivot_root with mounts on its subdirectories; a builder"
          " sees the overflow user as its owner and gets EACCES for names in it.",
    cites=(
        "user_namespaces(7), 'Accessing files' and 'Unmapped user and group IDs'",
        "pivot_root(2), 'DESCRIPTION' and 'NOTES'",
        "mount(2), 'ERRORS': EACCES is about the path, not about permission on the mount point",
        "unshare(2), 'ERRORS', EPERM: CLONE_NEWUSER in a chroot; current_chrooted() in fs/namespace.c",
        "user_namespaces(7), 'Operation of file-related capabilities'",
    ),
    params={"owner": tuple(OWNERS), "entered": ("pivot_root", "chroot"), "mode": ("0755", "0555"),
            "capabilities": (True, False)},
    # The owner's write bit matters to nobody but the owner, and neither do capabilities over an inode.
    where=lambda owner, entered, mode, capabilities: owner == "own" or (mode == "0755" and capabilities),
    expect=expected,
    needs=("root", "userns"),
    options=("CONFIG_USER_NS",),
    survivors={
        'drop chdir("/")': "All paths here begin at the root.",
    },
)


def observe(lab, owner, entered, mode, capabilities):
    overflow = lab.overflow_ids()[0]
    build(lab, OWNERS[owner], int(mode, 8))
    inside = 0 if capabilities else 1000
    lab.become(lab, OWNER, GROUP)
    lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    lab.map_ids(lab, {inside: OWNER}, {inside: GROUP})
    lab.mount("template", "template", None, MS.BIND | MS.REC, None)
    mounted = lab.batch([("mount", "new", "template/" + name, "tmpfs", 0, "mode=755") for name in MOUNTED])
    lab.mount("/proc", "template/proc", None, MS.BIND | MS.REC, None)
    observation = {"mount on its directories": mounted, "new mount point": lab.attempt.mkdir("template/more", 0o755)}
    enter(lab, entered)
    if not capabilities:
        lab.capset({"effective": [], "permitted": [], "inheritable": []})
    observation["owner of /"] = user_name(lab.status("/")["uid"], overflow)
    observation["read-only"] = "ro" in lab.mountinfo("/")["flags"]
    observation.update(tried(lab))
    observation["another user namespace"] = lab.attempt.unshare(CLONE.NEWUSER)
    # Out of a chroot leads another one: the working directory stays outside of it, and `..` is stopped only at the new root.
    lab.batch([("mkdir", "/tmp/jail", 0o755), ("chroot", "/tmp/jail")])
    observation["out of it by chroot"] = lab.try_open("../machine", O.DIRECTORY)
    return observation


def build(lab, owner, mode):
    lab.mkdir("machine", 0o755)
    lab.mkdir("template", 0o755)
    for name in DIRECTORIES:
        lab.mkdir("template/" + name, 0o755)
    lab.mkdir("template/old", 0o755)
    lab.chown("template", *owner)
    lab.chmod("template", mode)


def enter(lab, entered):
    lab.chdir("template")
    if entered == "chroot":
        lab.chroot(".")
    else:
        lab.pivot_root(".", ".")
        lab.umount2(".", MNT.DETACH)
    lab.chdir("/")


def tried(lab):
    """The owner's last resort, to change the mode back, comes last."""
    calls = {
        "create": ("try_open", "/created", O.WRONLY | O.CREAT),
        "mkdir": ("mkdir", "/made", 0o755),
        "rename": ("rename", "/old", "/new"),
        "rename back": ("rename", "/new", "/old"),
        "rmdir": ("rmdir", "/old"),
        "create in /gnu/store": ("try_open", "/gnu/store/item", O.WRONLY | O.CREAT),
        "create in /tmp": ("try_open", "/tmp/file", O.WRONLY | O.CREAT),
        "chmod /": ("chmod", "/", 0o755),
        "mkdir after chmod": ("mkdir", "/made after chmod", 0o755),
    }
    answers = dict(zip(calls, lab.batch(calls.values())))
    del answers["rename back"]
    return answers

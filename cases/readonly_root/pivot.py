"""pivot_root(2) takes a mount point that nobody shares and that is not locked, and moves the root of every process along.

It swaps mounts: the new root is moved to where `/` is, and the old one onto put_old. Hence the conditions. Both `/` and
the new root have to be roots of mounts with a parent (EINVAL), so a plain directory must be bound onto itself first, and
behind chroot it works only if the chroot is a mount point. They must not be the same mount (EBUSY). put_old must be at or
below the new root (EINVAL). Neither the new root's parent nor the mount that put_old lies on may be shared, as a move would
have to propagate (EINVAL): slaves will do. What is locked cannot be moved (EINVAL), but a bind of it can.

put_old may be the new root itself: then the old root lies on top of `/`, where it is unmounted at once. That is the way for
a read-only root, in which no directory for put_old can be made any more (EROFS). Until then the machine's files are no further
than `/..`: a path that begins with `/` starts below what lies there, and `..` comes out on top.

Unlike chroot this is not about the caller: all processes of the mount namespace whose root or working directory was the
old root get the new one. A failing call moves nobody.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import CLONE, MNT, MS, O
from ksem.guest.lab import GROUP, OWNER

BIND = ("mount", "root", "root", None, MS.BIND, None)
READ_ONLY = ("mount", None, "root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
UNSHARE = ("unshare", CLONE.NEWUSER | CLONE.NEWNS)
CHROOT = [("chroot", "root"), ("chdir", "/"), ("mount", "inner", "inner", None, MS.BIND, None)]
IN, SAME = ("root", "root/old"), ("root", "root")
# What is done first, and the arguments of pivot_root.
SITUATIONS = {
    "put_old below": ([BIND], IN),
    "put_old the same": ([BIND], SAME),
    "put_old elsewhere": ([BIND], ("root", "outside")),
    "put_old not there": ([BIND], ("root", "root/missing")),
    "read-only, put_old made late": ([BIND, READ_ONLY, ("mkdir", "root/missing", 0o755)], ("root", "root/missing")),
    "read-only, put_old the same": ([BIND, READ_ONLY], SAME),
    "no mount point": ([], IN),
    "a file": ([BIND], ("root/marker", "root/old")),
    "/ itself": ([], ("/", "/")),
    "shared": ([BIND, ("mount", None, "root", None, MS.SHARED, None)], IN),
    "slave": ([BIND, ("mount", None, "root", None, MS.SHARED, None), ("mount", None, "root", None, MS.SLAVE, None)], IN),
    "parent shared": ([("mount", None, ".", None, MS.SHARED, None), BIND], IN),
    # Here the bind was made before, by root.
    "locked": ([UNSHARE], SAME),
    "bind of what is locked": ([UNSHARE, BIND], SAME),
    "in a chroot": ([*CHROOT], ("inner", "inner")),
    "in a chroot that is a mount point": ([BIND, *CHROOT], ("inner", "inner")),
    "without CAP_SYS_ADMIN": ([BIND, ("capset", {"effective": [], "permitted": [], "inheritable": []})], IN),
}
FAILING = {
    "put_old elsewhere": "EINVAL", "put_old not there": "ENOENT", "read-only, put_old made late": "ENOENT",
    "no mount point": "EINVAL", "a file": "ENOTDIR", "/ itself": "EBUSY", "shared": "EINVAL", "parent shared": "EINVAL",
    "locked": "EINVAL", "in a chroot": "EINVAL", "without CAP_SYS_ADMIN": "EPERM",
}


def expected(situation):
    result = FAILING.get(situation, "ok")
    moved = result == "ok"
    # A copy of the mounts is another mount namespace, in which nobody else is; a chroot is no root of anybody else's.
    alone = "locked" in situation or "chroot" in situation
    return {
        "set up": ["EROFS" if step[0] == "mkdir" else "ok" for step in SITUATIONS[situation][0]],
        "pivot_root": result,
        "the new root is /": moved,
        "the old root is": "below /old" if moved and SITUATIONS[situation][1] == IN else "gone" if moved else "/",
        "a bystander's / is": "new" if moved and not alone else "old",
    }


CASE = Case(
    claim="pivot_root needs a new root that is a mount point, unlocked, on a parent that is not shared, and put_old below it"
          " or the same; it moves all processes of the mount namespace.",
    cites=(
        "pivot_root(2), 'DESCRIPTION', 'ERRORS' and 'NOTES'",
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "pivot_root() and chroot_fs_refs() in the kernel: fs/namespace.c, fs/fs_struct.c",
        "handle_dots() in fs/namei.c: `..` stays in `/`, and then enters what is mounted there, as every step of a path does",
    ),
    params={"situation": tuple(SITUATIONS)},
    expect=expected,
    needs=("root", "userns"),
    options=("CONFIG_USER_NS",),
    documented="pivot_root(2) does not say that a locked mount is EINVAL.",
    survivors={
        "drop chown(*": "Whose that is shows nothing: only what is written to need be the caller's.",
        "drop lab.become": "What is locked is so by the user namespace, whoever makes it.",
    },
)


def observe(lab, situation):
    steps, arguments = SITUATIONS[situation]
    for path in ("root", "root/old", "root/inner", "outside"):
        lab.mkdir(path, 0o755)
        lab.chown(path, OWNER, GROUP)
    for path in ("root/marker", "root/inner/inner marker"):
        lab.file(path)
    lab.chown(".", OWNER, GROUP)
    bystander = lab.fork("bystander")
    caller = lab.fork("caller")
    if "locked" in situation:
        lab.mount(*BIND[1:])
        if lab.attempt.mountinfo("root") != "ok":
            raise Broken("there is no mount to be locked, and no mount point is EINVAL too")
        lab.become(caller, OWNER, GROUP)
    done = caller.batch(steps)
    result = caller.attempt.pivot_root(*arguments)
    # What there is in the old root and in the new one alone.
    in_old, in_new = ("marker", "inner marker") if "inner" in arguments else ("tmp", "marker")
    old = "below /old" if caller.try_open("/old/" + in_old, O.PATH) == "ok" else "/"
    if result == "ok" and old == "/":
        caller.values([("chdir", "/"), ("umount2", ".", MNT.DETACH)])
        old = "on top of /" if caller.try_open("/../" + in_old, O.PATH) == "ok" else "gone"
    new = caller.try_open("/" + in_new, O.PATH) == "ok"
    seen = bystander.try_open("/marker", O.PATH)
    return {"set up": done, "pivot_root": result, "the new root is /": new, "the old root is": old,
            "a bystander's / is": "new" if seen == "ok" else "old"}

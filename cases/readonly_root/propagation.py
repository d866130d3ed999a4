"""Where mounts are shared, the recipe shows on the machine, and what the machine mounts later is a hole in the root.

systemd makes the machine's mounts shared; a new mount namespace copies that. If it belongs to the same user namespace, its
mounts are peers: the binds of the recipe appear in the machine's tree as well. The remount does not, as flags are
no part of what propagates: there the copy stays writable. If it belongs to a new user namespace, its mounts are slaves
of the machine's: nothing goes out, but everything comes in.

What comes in comes with flags of its own. A filesystem that the machine mounts in the tree later, when / is read-only long
since, appears in the sandbox, below the very mount that is read-only, and is writable. A bind mount takes the
propagation of its source along: so does the new root. Only MS_PRIVATE, recursively and before anything else, closes
that; a slave keeps the machine clean and the hole open.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import GROUP, OWNER

CHANGES = {"nothing": None, "slave": MS.SLAVE, "private": MS.PRIVATE}
UNSHARED = {"mount": CLONE.NEWNS, "user and mount": CLONE.NEWUSER | CLONE.NEWNS}
RECIPE = [
    ("mount", "tree/root/store", "tree/root/store", None, MS.BIND | MS.REC, None),
    ("mount", "tree/root", "tree/root", None, MS.BIND | MS.REC, None),
    ("mount", None, "tree/root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None),
]


def expected(machine, unshared, changed):
    inside = propagation(machine, unshared, changed)
    out = inside == ["shared"]
    comes_in = inside != ["private"]
    return {
        "propagation in the sandbox": inside,
        "propagation of the new root": inside,
        "/ in the sandbox": "EROFS",
        # The store once on the tree, and once more in the copy of it on the root.
        "new mounts on the machine": ["root", "root/store", "root/store"] if out else [],
        "/ on the machine": "ok",
        "late mount in the sandbox": "ok" if comes_in else "EROFS",
        "mounts of the late one": 1 if comes_in else 0,
    }


def propagation(machine, unshared, changed):
    if machine == "private" or changed == "private":
        return ["private"]
    return ["master"] if changed == "slave" or unshared == "user and mount" else ["shared"]


CASE = Case(
    claim="On a machine with shared mounts a filesystem that is mounted in the tree later appears in the sandbox, writable,"
          " below its read-only root, unless the sandbox made its mounts private first.",
    cites=(
        "mount_namespaces(7), 'SHARED SUBTREES' and 'Restrictions on mount namespaces'",
        "Documentation/filesystems/sharedsubtree.rst, 'Bind semantics'",
        "mount(2), 'Changing the propagation type of an existing mount'",
    ),
    params={"machine": ("shared", "private"), "unshared": tuple(UNSHARED), "changed": tuple(CHANGES)},
    shown_with={"machine": "shared", "changed": "nothing"},
    where=lambda machine, unshared, changed: machine == "shared" or changed == "nothing",
    expect=expected,
    needs=("root", "userns"),
    options=("CONFIG_USER_NS",),
    survivors={
        'drop chown("tree/*': "Whose that is shows nothing: only what is written to need be the caller's.",
        "drop lab.map_ids": "Which ids it has is no matter, but that the user namespace is another one.",
    },
)


def observe(lab, machine, unshared, changed):
    lab.tmpfs("tree")
    lab.mount(None, "tree", None, MS.SHARED if machine == "shared" else MS.PRIVATE, None)
    for path in ("tree/root", "tree/root/store", "tree/root/late"):
        lab.mkdir(path, 0o755)
        lab.chown(path, OWNER, GROUP)
    sandbox = enter(lab, unshared, changed)
    observation = {"propagation in the sandbox": sandbox.mountinfo("tree")["propagation"]}
    sandbox.values(RECIPE)
    observation["propagation of the new root"] = sandbox.mountinfo("tree/root")["propagation"]
    observation["new mounts on the machine"] = sorted(lab.mounts_below("tree"))[1:]
    observation["/ on the machine"] = lab.attempt.mkdir("tree/root/by the machine", 0o755)
    observation["/ in the sandbox"] = sandbox.attempt.mkdir("tree/root/by the sandbox", 0o755)
    lab.mount("late", "tree/root/late", "tmpfs", 0, "mode=777")
    observation["late mount in the sandbox"] = sandbox.attempt.mkdir("tree/root/late/made", 0o755)
    observation["mounts of the late one"] = min(1, sandbox.mounts_below("tree/root/late").count("."))
    return observation


def enter(lab, unshared, changed):
    sandbox = lab.fork("sandbox")
    if unshared == "mount":
        sandbox.unshare(CLONE.NEWNS)
    else:
        lab.become(sandbox, OWNER, GROUP)
        sandbox.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(sandbox, {0: OWNER}, {0: GROUP})
    if CHANGES[changed] is not None:
        sandbox.mount(None, "tree", None, CHANGES[changed] | MS.REC, None)
    return sandbox

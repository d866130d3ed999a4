"""MS_REC is taken with a propagation type, and with AT_RECURSIVE mount_setattr(2) does the same: here mount(2) recurses.

What MS_REC does not do for flags it does for propagation: MS_PRIVATE alone changes one mount, MS_REC|MS_PRIVATE each one
of the tree. This is the first call of nearly every sandbox, without which its mounts show on the machine, and the one
place where "recursive" means what it says. mount_setattr(2) sets the type by a field of its own.

Not every type is what it is called. A shared mount that has no peer becomes private when it is made a slave, because
there would be nobody to receive from; one that has a peer becomes its slave. Unbindable is private too, and no bind.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, MS

TYPES = {"shared": MS.SHARED, "private": MS.PRIVATE, "slave": MS.SLAVE, "unbindable": MS.UNBINDABLE}
TREE = ("top", "top/with a peer", "top/with a peer/below")
STARTS = {"private": "private", "shared": "shared"}


def since_5_12(kind, recursive, start):
    changed = changed_by(kind, recursive, start)
    return {"mount": dict(changed, result="ok"), "mount_setattr": dict(changed, result="ok")}


def before_5_12(kind, recursive, start):
    return {"mount": dict(changed_by(kind, recursive, start), result="ok"),
            "mount_setattr": dict({path: [start] for path in TREE}, result="ENOSYS")}


def changed_by(kind, recursive, start):
    return {path: after(kind, start, path) if recursive or path == "top" else [start] for path in TREE}


def after(kind, start, path):
    if kind != "slave":
        return [kind]
    return ["master"] if start == "shared" and path == "top/with a peer" else ["private"]


CASE = Case(
    claim="With MS_REC a propagation type is given to every mount of the tree, without it to one; mount_setattr does the same"
          " with AT_RECURSIVE.",
    cites=(
        "mount(2), 'Changing the propagation type of an existing mount', MS_SLAVE: without other peers it becomes private",
        "mount_namespaces(7), 'Propagation type transitions', [1]",
        "mount_setattr(2), 'DESCRIPTION', propagation",
        "do_change_type() and change_mnt_propagation() in the kernel: fs/namespace.c, fs/pnode.c",
    ),
    params={"kind": tuple(TYPES), "recursive": (False, True), "start": tuple(STARTS)},
    expect=(
        Rule(since_5_12, since="5.12", cites="2a1867219c7b (\"fs: add mount_setattr()\"), 5.12"),
        Rule(before_5_12),
    ),
    survivors={
        "drop chdir(*": "It keeps two rounds apart, which would not meet in one directory of the other's either.",
    },
)


def observe(lab, kind, recursive, start):
    seen = {}
    for name in ("mount", "mount_setattr"):
        lab.mkdir(name, 0o755)
        lab.chdir(name)
        build(lab, start)
        call = {"mount": ("mount", None, "top", None, TYPES[kind] | (MS.REC if recursive else 0), None),
                "mount_setattr": ("mount_setattr", AT_FDCWD, "top", AT.RECURSIVE if recursive else 0,
                                  {"propagation": TYPES[kind]})}[name]
        result, *mounts = lab.batch([call] + [("mountinfo", path) for path in TREE])
        seen[name] = dict({path: mount["propagation"] for path, mount in zip(TREE, mounts)}, result=result)
        lab.chdir("..")
    return seen


def build(lab, start):
    for path in TREE:
        lab.tmpfs(path)
    lab.mount(None, "top", None, MS.REC | TYPES[start], None)
    if start == "shared":
        lab.bind("top/with a peer", "peer")

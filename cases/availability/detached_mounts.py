"""A mount that has no place yet can be worked with: cloned (since 5.2), and since 6.15 bound from and built into a tree.

open_tree(OPEN_TREE_CLONE) and fsmount(2) give a descriptor of a mount that lies in no mount namespace that anybody
sees. It can be used by its descriptor: files are opened below it, and it is attached by move_mount(2). Up to 6.14 that
was all. Since then a detached mount can itself be the source of open_tree, of MS_BIND by /proc/self/fd, and the
place that another detached mount is put on, so that a sandbox can assemble its whole root before anybody
sees any of it, and then attach it in one step. Older kernels answer EINVAL and everything stays as it was.

The descriptor stays one of the mount: by it an attached mount can be moved on, on every kernel.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, FSCONFIG, MOVE_MOUNT, MS, OPEN_TREE, O

TO_DESCRIPTOR = MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH


def expected(works):
    result = "ok" if works else "EINVAL"
    return {
        "clone of an attached mount": "ok",
        "open a file below it": "ok",
        "clone of a detached mount": result,
        "bind of a detached mount": result,
        "detached mount on a detached one": result,
        "seen in mountinfo so far": ["bound"] if works else [],
        "attached": ["attached", "attached/directory"] if works else ["attached"],
        "moved again by the same descriptor": "ok",
    }


CASE = Case(
    claim="A detached mount can be cloned, bound from and mounted on before it is attached (6.15); older kernels only"
          " attach it.",
    cites=(
        "open_tree(2), 'DESCRIPTION'",
        "may_copy_tree() and do_move_mount() in fs/namespace.c",
        "a07b20004793 (\"vfs: syscall: Add open_tree(2) to reference or clone a mount\"), 5.2",
    ),
    expect=(
        Rule(expected(works=True), since="6.15", cites="059028d7d713 (\"fs: allow creating detached mounts from fsmount() file"
             " descriptors\") and 21107723831e (\"fs: mount detached mounts onto detached mounts\"), 6.15"),
        Rule(expected(works=False)),
    ),
)


def observe(lab):
    for name in ("source", "places"):
        lab.tmpfs(name)
    for path in ("source/directory", "places/attached", "places/bound", "places/elsewhere"):
        lab.mkdir(path, 0o755)
    lab.file("source/file")
    tree = lab.open_tree(AT_FDCWD, "source", OPEN_TREE.CLONE)
    made = detached(lab)
    seen = {"clone of an attached mount": "ok", "open a file below it": lab.attempt.openat(tree, "file", O.WRONLY, 0)}
    seen["clone of a detached mount"] = lab.attempt.open_tree(tree, "", OPEN_TREE.CLONE | AT.EMPTY_PATH)
    seen["bind of a detached mount"] = lab.attempt.mount("/proc/self/fd/%d" % made, "places/bound", None, MS.BIND, None)
    place = lab.openat(tree, "directory", O.PATH | O.DIRECTORY, 0)
    seen["detached mount on a detached one"] = lab.attempt.move_mount(made, "", place, "", TO_DESCRIPTOR)
    seen["seen in mountinfo so far"] = below(lab)
    if seen["bind of a detached mount"] == "ok":
        lab.umount2("places/bound", 0)
    lab.move_mount(tree, "", AT_FDCWD, "places/attached", MOVE_MOUNT.F_EMPTY_PATH)
    seen["attached"] = below(lab)
    seen["moved again by the same descriptor"] = lab.attempt.move_mount(
        tree, "", AT_FDCWD, "places/elsewhere", MOVE_MOUNT.F_EMPTY_PATH)
    return seen


def below(lab):
    return [path for path in lab.mounts_below("places") if path != "."]


def detached(lab):
    """A new tmpfs that lies nowhere."""
    context = lab.fsopen("tmpfs", 0)
    lab.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    return lab.fsmount(context, 0, 0)

"""The layers of an overlay can be given one by one (6.7), by descriptor (6.13), and as mounts that have no place (6.15).

mount(2) takes all layers in one string, with colons between them and no more than a page of it; a path with a colon must be
escaped, and a name is looked up again when the mount is made. fsconfig(2) adds one layer at a time with lowerdir+, and takes a
descriptor for it, so that what was checked is what is used. A detached mount, as from open_tree(OPEN_TREE_CLONE), can be such a
layer since 6.15: a runtime gives every layer its own id map, or makes it read-only, and nothing of that is ever seen in
any mount namespace.

A detached mount's descriptor is like one made with O_PATH, and up to 6.14 fsconfig took none of those (EBADF, whatever
the option says; stable updates brought that, without the rest). Other descriptors are EINVAL before 6.13, where no layer
can be one, and EOPNOTSUPP before 6.5, where overlayfs still had its options from mount(2). The option lowerdir+ is EINVAL
before 6.7: at once, or when the overlay is made.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, FSCONFIG, MOVE_MOUNT, OPEN_TREE, O

SET_FD = 5
SOURCES = ("path", "descriptor", "detached mount")


def expected(*results):
    return {name: {"result": "ok", "holds": ["first", "second"]} if result == "ok" else {"result": result}
            for name, result in zip(SOURCES, results)}


CASE = Case(
    claim="fsconfig takes the layers of an overlay one by one (6.7), by descriptor (6.13), and detached (6.15).",
    cites=(
        "Documentation/filesystems/overlayfs.rst, 'Multiple lower layers'",
        "fsconfig() in fs/fsopen.c: only strings and flags for a legacy context; fget() before 6.15",
        "clone_private_mount() in fs/namespace.c",
    ),
    expect=(
        Rule(expected("ok", "ok", "ok"), since="6.15",
             cites="db04662e2f4f (\"fs: allow detached mounts in clone_private_mount()\"), 6.15"),
        # clone_private_mount() refuses what lies in no namespace of the caller's.
        Rule(expected("ok", "ok", "EINVAL"), since="6.15", backports=("6.13.10", "6.14.2"),
             cites="0ff053b98a0f (\"fs: support O_PATH fds with FSCONFIG_SET_FD\"), 6.15"),
        Rule(expected("ok", "ok", "EBADF"), since="6.13",
             cites="a08557d19ef4 (\"ovl: specify layers via file descriptors\"), 6.13"),
        Rule(expected("ok", "EINVAL", "EBADF"), since="6.7",
             cites="24e16e385f22 (\"ovl: add support for appending lowerdirs one by one\"), 6.7"),
        Rule(expected("EINVAL", "EINVAL", "EBADF"), since="6.5", cites="1784fbc2ed9c (\"ovl: port to new mount api\"), 6.5"),
        Rule(expected("EINVAL", "EOPNOTSUPP", "EOPNOTSUPP")),
    ),
    needs=("root", "fs:overlay"),
    options=("CONFIG_OVERLAY_FS",),
)


def observe(lab):
    for name in ("first", "second"):
        lab.tmpfs(name)
        lab.file("%s/%s" % (name, name))
    return {source: made_of(lab, source) for source in SOURCES}


def made_of(lab, source):
    """An overlay of two layers: the errno of the first step that fails, or what it holds."""
    context = lab.fsopen("overlay", 0)
    for layer in ("first", "second"):
        error = lab.issue("fsconfig", [context, *layer_by(lab, source, layer)])[1]
        if error:
            return {"result": error}
    result = lab.attempt.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    if result != "ok":
        return {"result": result}
    mount = lab.fsmount(context, 0, 0)
    lab.mkdir(source, 0o755)
    lab.move_mount(mount, "", AT_FDCWD, source, MOVE_MOUNT.F_EMPTY_PATH)
    return {"result": "ok", "holds": lab.list_directory(source)}


def layer_by(lab, source, layer):
    if source == "path":
        return FSCONFIG.SET_STRING, "lowerdir+", layer, 0
    if source == "descriptor":
        return SET_FD, "lowerdir+", None, lab.open(layer, O.DIRECTORY, 0)
    return SET_FD, "lowerdir+", None, lab.open_tree(AT_FDCWD, layer, OPEN_TREE.CLONE)

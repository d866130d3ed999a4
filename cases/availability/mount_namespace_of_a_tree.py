"""A new mount namespace can be made of one tree, or of one new filesystem, instead of as a copy of the caller's.

unshare(CLONE_NEWNS) copies every mount of the caller, which a sandbox then covers with pivot_root(2) and unmounts again.
open_tree(OPEN_TREE_NAMESPACE), 7.0, gives a descriptor of a namespace that has a copy of one tree as its `/` and nothing else;
fsmount(FSMOUNT_NAMESPACE), 7.1, gives one whose `/` is the filesystem just made. setns(2) enters it: root and working
directory of the caller are moved there, so there is no old root left to get rid of. Its maker stays where it is.

Neither needs rights over the mount namespace that the caller is in, but only over its own user namespace: also a process
that has unshared nothing but its user namespace gets a mount namespace this way, and owns it. Older kernels do not
know the flags (EINVAL).

What is changed in the new namespace is not seen in the old one, as the trees are copies; the files are the same.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, CLONE, FSCONFIG, FSMOUNT, OPEN_TREE, O
from ksem.guest.lab import GROUP, OWNER

MADE_BY = ("open_tree", "fsmount")


def works(made_by, caller):
    tree = made_by == "open_tree"
    return {
        "made": "ok",
        "with OPEN_TREE_CLONE too": "EINVAL" if tree else "not asked",
        "root": ["below", "file"] if tree else [],
        "submount": ["inner"] if tree else "ENOENT",
        "old path": "ENOENT",
        "new file": "ok",
        "mount inside": "ok",
        "root then": ["below", "file", "made", "mounted"] if tree else ["made", "mounted"],
        "maker's tree then": ["below", "file", "made", "mounted"] if tree else ["below", "file"],
        "mounts of the maker's tree": [".", "below"],
    }


def absent(made_by, caller):
    return {"made": "EINVAL", "with OPEN_TREE_CLONE too": "EINVAL" if made_by == "open_tree" else "not asked"}


def since_7_1(made_by, caller):
    return works(made_by, caller)


def since_7_0(made_by, caller):
    return (works if made_by == "open_tree" else absent)(made_by, caller)


CASE = Case(
    claim="open_tree(OPEN_TREE_NAMESPACE) (7.0) and fsmount(FSMOUNT_NAMESPACE) (7.1) make a mount namespace of one tree,"
          " also for root of a user namespace that owns no other.",
    cites=(
        "vfs_open_tree(), fsmount() and create_new_namespace() in fs/namespace.c",
        "mntns_install() in fs/namespace.c: setns(2) moves root and working directory",
    ),
    params={"made_by": MADE_BY, "caller": ("root", "root of a user namespace")},
    expect=(
        Rule(since_7_1, since="7.1", cites="5e8969bd1927 (\"mount: add FSMOUNT_NAMESPACE\"), 7.1"),
        Rule(since_7_0, since="7.0", cites="9b8a0ba68246 (\"mount: add OPEN_TREE_NAMESPACE\"), 7.0"),
        Rule(absent),
    ),
    needs=lambda made_by, caller: ("root",) + (("userns",) if caller != "root" else ()),
    documented="man-pages 6.03 has no page open_tree(2) or fsmount(2).",
)


def observe(lab, made_by, caller):
    lab.tmpfs("tree", data="mode=777")
    lab.file("tree/file")
    lab.tmpfs("tree/below")
    lab.mkdir("tree/below/inner", 0o755)
    maker = lab.fork("maker") if caller == "root" else lab.mapped("maker", {0: OWNER}, {0: GROUP})
    namespace, error = (of_tree if made_by == "open_tree" else of_filesystem)(maker)
    seen = {"made": error or "ok", "with OPEN_TREE_CLONE too": "not asked"}
    if made_by == "open_tree":
        both = OPEN_TREE.NAMESPACE | OPEN_TREE.CLONE | AT.RECURSIVE
        seen["with OPEN_TREE_CLONE too"] = maker.attempt.open_tree(AT_FDCWD, "tree", both)
    if error is None:
        seen.update(inside(maker, namespace))
        seen["maker's tree then"] = lab.list_directory("tree")
        seen["mounts of the maker's tree"] = lab.mounts_below("tree")
    return seen


def of_tree(maker):
    return maker.issue("open_tree", [AT_FDCWD, "tree", OPEN_TREE.NAMESPACE | AT.RECURSIVE])


def of_filesystem(maker):
    """A tmpfs. Who owns no mount namespace cannot even open a filesystem for one: it makes one for that alone."""
    context, error = maker.issue("fsopen", ["tmpfs", 0])
    if error == "EPERM":
        maker.unshare(CLONE.NEWNS)
        context = maker.fsopen("tmpfs", 0)
    maker.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    return maker.issue("fsmount", [context, FSMOUNT.NAMESPACE, 0])


def inside(process, namespace):
    process.setns(namespace, CLONE.NEWNS)
    names = ("root", "submount", "old path", "new file", "mount point", "mount inside", "root then")
    outcomes = process.batch([
        ("list_directory", "/"), ("list_directory", "/below"), ("try_open", "/tmp/tree/file", 0),
        ("try_open", "/made", O.CREAT | O.WRONLY), ("mkdir", "/mounted", 0o755),
        ("mount", "inside", "/mounted", "tmpfs", 0, None), ("list_directory", "/"),
    ])
    return {name: outcome for name, outcome in zip(names, outcomes) if name != "mount point"}

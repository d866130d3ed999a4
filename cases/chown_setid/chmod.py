"""chmod leaves S_ISGID out, without a word, for an owner who is not in the file's group.

Whoever owns a file may set its mode, but a set-group-id program gives away the rights of a group: the kernel takes the
bit off unless the caller is in the file's group (by its filesystem gid or a supplementary group) or has CAP_FSETID.
The call says ok; only a look at the mode tells. The rest of the mode is set, S_ISUID too. Directories are no exception, though
the bit means inheritance there: an owner can lose an inherited S_ISGID by a harmless chmod.

CAP_FSETID in a user namespace counts here, other than for a write, if that namespace maps the file's owner and group. A build
user whose namespace does not map the group cannot set the bit, root there or not.

fchmod and fchmodat do as chmod does. Who is no owner and lacks CAP_FOWNER gets EPERM, and the mode stays; CAP_FSETID does not
help with that.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER

MODES = (0o2755, 0o2745, 0o6755, 0o4755, 0o3777)
OBJECTS = ("file", "directory")
CALLS = ("chmod", "fchmod")
# uid, groups (the first is the process's own), capabilities, and whether its capabilities are over the file
CALLERS = {
    "root": (0, (0,), ("FOWNER", "FSETID"), True),
    "owner in the group": (OWNER, (GROUP,), (), True),
    "owner with the group as a supplementary one": (OWNER, (OTHER, GROUP), (), True),
    "owner outside the group": (OWNER, (OTHER,), (), True),
    "owner outside the group with CAP_FSETID": (OWNER, (OTHER,), ("FSETID",), True),
    "CAP_FOWNER": (OTHER, (OTHER,), ("FOWNER",), True),
    "CAP_FSETID": (OTHER, (GROUP,), ("FSETID",), True),
    "root of a user namespace with the group": (OWNER, (OTHER,), ("FOWNER", "FSETID"), True),
    "root of a user namespace without the group": (OWNER, (OTHER,), ("FOWNER", "FSETID"), False),
}
MAPPED = {"root of a user namespace with the group": {0: OTHER, 1: GROUP},
          "root of a user namespace without the group": {0: OTHER}}
FILESYSTEMS = ("tmpfs", "ext4", "xfs", "btrfs", "overlay")


def expected(caller, fs):
    return {kind: {"%05o" % mode: outcome(CALLERS[caller], mode) for mode in MODES} for kind in OBJECTS}


def outcome(caller, mode):
    """setattr_prepare()."""
    uid, groups, capabilities, over = caller
    if uid != OWNER and "FOWNER" not in capabilities:
        return dict.fromkeys(CALLS, "EPERM: 00700")
    kept = GROUP in groups or ("FSETID" in capabilities and over)
    return dict.fromkeys(CALLS, "ok: %05o" % (mode if kept else mode & ~0o2000))


CASE = Case(
    claim="chmod by an owner outside the file's group, without CAP_FSETID, succeeds but leaves S_ISGID out,"
          " for directories too.",
    cites=(
        "chmod(2), 'DESCRIPTION'",
        "IEEE Std 1003.1, chmod(), 'DESCRIPTION'",
        "setattr_prepare() in fs/attr.c; capable_wrt_inode_uidgid() in kernel/capability.c",
        "capabilities(7), CAP_FSETID",
    ),
    params={"caller": tuple(CALLERS), "fs": FILESYSTEMS},
    where=lambda caller, fs: fs == "tmpfs" or caller == "owner outside the group",
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda caller, fs: ("root", "fs:" + fs) + (("userns",) if caller in MAPPED else ()),
    survivors={
        'drop chmod("files/*': "It keeps apart what two calls do: where both do the same, without it the second would have"
            " nothing to do.",
        "drop lab.become": "What counts are the capabilities in the namespace, and not as whom it was made.",
    },
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    lab.file("files/file", 0o700, OWNER, GROUP)
    lab.mkdir("files/directory", 0o700)
    lab.chown("files/directory", OWNER, GROUP)
    opened = {kind: lab.open("files/" + kind, 0, 0) for kind in OBJECTS}
    # A child has the descriptors of its parent: chmod asks for no right to open.
    process = prepare(lab, caller)
    return {kind: {"%05o" % mode: {call: attempt(lab, process, call, kind, opened[kind], mode) for call in CALLS}
                   for mode in MODES} for kind in OBJECTS}


def prepare(lab, caller):
    if caller == "root":
        return lab
    uid, groups, capabilities, _ = CALLERS[caller]
    process = lab.fork("caller")
    if caller not in MAPPED:
        return lab.become(process, uid, groups[0], groups[1:], [getattr(CAP, name) for name in capabilities])
    lab.become(process, uid, groups[0], groups[1:])
    process.unshare(CLONE.NEWUSER)
    lab.map_ids(process, {0: OWNER}, MAPPED[caller], by=lab)
    return process


def attempt(lab, process, call, kind, descriptor, mode):
    path = "files/" + kind
    result = getattr(process.attempt, call)(path if call == "chmod" else descriptor, mode)
    seen = "%s: %s" % (result, lab.status(path)["mode"])
    lab.chmod(path, 0o700)
    return seen

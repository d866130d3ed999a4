"""A change of ownership clears the set-id bits of a file, whoever makes it, and asks for the right to do so.

chown(2) on anything but a directory clears S_ISUID always, and S_ISGID where the group may execute the file. No
privilege prevents it: not root, not CAP_FSETID, which is about write(2) and truncate(2). It does not take a change
either: naming the ids that the file already has clears the bits, and even -1, -1 does when it succeeds.

S_ISGID without group execute permission, once the mark of mandatory locking, depends on the caller: it stays for who
is in the file's group, or has CAP_FSETID; else it is cleared. Up to 6.1 it stayed for everybody, unless S_ISUID went
along.

Clearing is a change of mode, and so is only for the owner or a holder of CAP_FOWNER. This answers the question what
a privileged caller that is not root may do: with CAP_CHOWN alone, chown of somebody else's set-id file fails with
EPERM and leaves the bits and the ids as they were, while a file without such bits can be given away. By the same
rule -1, -1 succeeds for a stranger on a plain file, and fails on a set-id one.

The caller's right to the new ids is a second question: an owner without capabilities may name the file's own
ids and, as the group, any of the groups it is in.

On overlayfs the bits that are cleared are the same; the last check, whether the caller is in the *new* group, is made
there with the credentials of whoever mounted it. ext4, xfs and btrfs do as tmpfs does: the rules are the VFS's.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CAP, CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

MODES = (0, 0o644, 0o755, 0o2644, 0o2745, 0o2755, 0o4000, 0o4644, 0o4755, 0o6644, 0o6711, 0o6755)
# The file belongs to OWNER and GROUP. OTHER is a user and a group; the group 0 is one that only root is in.
IDS = {
    "-1, -1": (-1, -1),
    "as they are": (OWNER, GROUP),
    "other owner": (OTHER, -1),
    "other group": (-1, OTHER),
    "foreign group": (-1, 0),
    "other owner, foreign group": (OTHER, 0),
}
EVERY = ("CHOWN", "FOWNER", "FSETID")
# uid, groups (the first is the process's own), capabilities
CALLERS = {
    "root": (0, (0,), EVERY),
    "owner": (OWNER, (GROUP, OTHER), ()),
    "owner outside the file's group": (OWNER, (OTHER,), ()),
    "stranger": (OTHER, (OTHER,), ()),
    "stranger in the file's group": (OTHER, (GROUP,), ()),
    "CAP_CHOWN": (OTHER, (OTHER,), ("CHOWN",)),
    "CAP_CHOWN in the file's group": (OTHER, (GROUP,), ("CHOWN",)),
    "CAP_CHOWN, owner": (OWNER, (GROUP,), ("CHOWN",)),
    "CAP_CHOWN, owner outside the file's group": (OWNER, (OTHER,), ("CHOWN",)),
    "CAP_CHOWN and CAP_FSETID": (OTHER, (OTHER,), ("CHOWN", "FSETID")),
    "CAP_CHOWN and CAP_FOWNER": (OTHER, (OTHER,), ("CHOWN", "FOWNER")),
    "CAP_CHOWN and CAP_FOWNER in the file's group": (OTHER, (GROUP,), ("CHOWN", "FOWNER")),
    "CAP_CHOWN, CAP_FOWNER and CAP_FSETID": (OTHER, (OTHER,), EVERY),
    "root of a user namespace": (OWNER, (GROUP, OTHER), EVERY),
}
MAPPED_UIDS = {0: OWNER, 1: OTHER}
MAPPED_GIDS = {0: GROUP, 1: OTHER, 2: 0}
# Those that are answered differently where a filesystem has rules of its own.
TELLING = ("root", "owner", "CAP_CHOWN", "CAP_CHOWN and CAP_FOWNER in the file's group", "root of a user namespace")


def since_6_2(caller, fs):
    return table(caller, fs, strict=True)


def before_6_2(caller, fs):
    return table(caller, fs, strict=False)


def table(caller, fs, strict):
    return {name: {"%05o" % mode: outcome(CALLERS[caller], fs, mode, *ids, strict=strict) for mode in MODES}
            for name, ids in IDS.items()}


def outcome(caller, fs, mode, uid, gid, strict):
    """What chown_common(), notify_change(), setattr_prepare() and setattr_copy() do, in their order."""
    user, groups, capabilities = caller
    changes_mode, new = stripped(caller, mode, strict)
    owner_ok = uid == -1 or (user == OWNER and uid == OWNER)
    group_ok = gid == -1 or (user == OWNER and gid in (*groups, GROUP))
    mode_ok = not changes_mode or user == OWNER or "FOWNER" in capabilities
    if not ("CHOWN" in capabilities or (owner_ok and group_ok)) or not mode_ok:
        return spelled("EPERM", mode, OWNER, GROUP)
    gid = GROUP if gid == -1 else gid
    # Overlayfs hands the change on as root's.
    if changes_mode and fs != "overlay" and gid not in groups and "FSETID" not in capabilities:
        new &= ~0o2000
    return spelled("ok", new, OWNER if uid == -1 else uid, gid)


def stripped(caller, mode, strict):
    """Whether chown asks for a change of mode, and to which."""
    new = mode & ~0o4000
    executable = mode & 0o2010 == 0o2010
    if executable or (strict and GROUP not in caller[1] and "FSETID" not in caller[2]):
        new &= ~0o2000
    return new != mode, new


def spelled(result, mode, uid, gid):
    return "%s: %05o %s:%s" % (result, mode, user_name(uid), user_name(gid))


CASE = Case(
    claim="chown clears S_ISUID, and S_ISGID with group execute permission, for every caller, also when no id changes;"
          " CAP_CHOWN alone cannot chown another's set-id file (EPERM).",
    cites=(
        "chown(2), 'DESCRIPTION'",
        "IEEE Std 1003.1, chown(), 'DESCRIPTION'",
        "chown_common() in fs/open.c, notify_change() and setattr_prepare() in fs/attr.c",
        "ed5a7047d201 (\"attr: use consistent sgid stripping checks\"), 6.2",
    ),
    params={"caller": tuple(CALLERS), "fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    shown_with={"caller": "root", "fs": "tmpfs"},
    where=lambda caller, fs: fs == "tmpfs" or caller in TELLING,
    expect=(
        Rule(since_6_2, since="6.2", backports=("5.10.176", "5.15.103", "6.1.15"),
             cites="ed5a7047d201 (\"attr: use consistent sgid stripping checks\"), 6.2"),
        Rule(before_6_2, cites="chown(2), 'DESCRIPTION'"),
    ),
    options=("CONFIG_OVERLAY_FS", "CONFIG_USER_NS"),
    needs=lambda caller, fs: ("root", "fs:" + fs) + (("userns",) if "user namespace" in caller else ()),
    documented="chown(2) says that the bits are cleared on executable files, and that S_ISGID without group execute"
               " permission is not cleared. S_ISUID goes from any file; such an S_ISGID stays only where the caller is"
               " in the file's group or has CAP_FSETID. That CAP_CHOWN alone can be EPERM is not said.",
    survivors={
        'drop chmod("files/*': "Bits that no caller loses are still there.",
        "drop lab.become": "In a user namespace what counts are the capabilities there, and not as whom it was made.",
    },
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    process, inside = prepare(lab, caller)
    for mode in MODES:
        lab.file(path_of(mode), mode, OWNER, GROUP)
    return {name: attempts(lab, process, inside(*ids)) for name, ids in IDS.items()}


def prepare(lab, name):
    """The caller, and how it names ids."""
    uid, groups, capabilities = CALLERS[name]
    if name == "root":
        return lab, lambda owner, group: (owner, group)
    process = lab.fork("caller")
    if name != "root of a user namespace":
        held = [getattr(CAP, capability) for capability in capabilities]
        return lab.become(process, uid, groups[0], groups[1:], held), lambda owner, group: (owner, group)
    lab.become(process, uid, groups[0], groups[1:])
    process.unshare(CLONE.NEWUSER)
    lab.map_ids(process, MAPPED_UIDS, MAPPED_GIDS, by=lab)
    uids = {outside: number for number, outside in MAPPED_UIDS.items()}
    gids = {outside: number for number, outside in MAPPED_GIDS.items()}
    return process, lambda owner, group: (uids.get(owner, -1), gids.get(group, -1))


def path_of(mode):
    return "files/%05o" % mode


def attempts(lab, caller, ids):
    """A chown of every file, what became of it, and the file as it was before."""
    results = caller.batch(("chown", path_of(mode), *ids) for mode in MODES)
    return {"%05o" % mode: seen(lab, mode, result) for mode, result in zip(MODES, results)}


def seen(lab, mode, result):
    path = path_of(mode)
    now = lab.status(path)
    if (now["uid"], now["gid"]) != (OWNER, GROUP):
        lab.chown(path, OWNER, GROUP)
    if now["mode"] != "%05o" % mode or (now["uid"], now["gid"]) != (OWNER, GROUP):
        lab.chmod(path, mode)
    return spelled(result, int(now["mode"], 8), now["uid"], now["gid"])

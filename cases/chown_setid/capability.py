"""File capabilities go when a file is written to or changes hands, and a stranger can have them removed.

security.capability is a second way to give a program rights, and the kernel treats it as S_ISUID, only stricter:
write, truncate and every successful chown remove it, CAP_FSETID or not. A program that is built, given capabilities
and then chowned has none: set them last. chmod and rename keep them. So does a store through a shared mapping, as with
the set-id bits, and a write of no bytes.

A chown that fails removes nothing, since 4.9; before, it was enough to try (CVE-2015-1350). But one chown that succeeds is
open to everybody: -1, -1 names no id, so that no right is asked for, and on a file without set-id bits nothing of its
mode changes. The capability is removed all the same. Who can reach a file by its path can strip it so, as long
as the mount is writable: the reason to keep a store of such programs on a read-only mount, which answers EROFS.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import CAP, MS, O
from ksem.guest.lab import GROUP, OTHER, OWNER

# VFS_CAP_REVISION_2 and the effective flag, then CAP_NET_BIND_SERVICE as permitted (capabilities(7)).
VALUE = "\x01\x00\x00\x02" + "\x00\x04\x00\x00" + "\x00" * 12
RENAMED = " renamed"
CALLS = {
    "chown -1, -1": ("chown", "{path}", -1, -1),
    "chown to its owner and group": ("chown", "{path}", OWNER, GROUP),
    "chown to another": ("chown", "{path}", OTHER, OTHER),
    "chown -1, -1 on a read-only mount": ("chown", "read-only/{name}", -1, -1),
    "chmod": ("chmod", "{path}", 0o766),
    "rename": ("rename", "{path}", "{path}" + RENAMED),
    "write": ("write", "{fd}", "x", 1),
    "write of nothing": ("write", "{fd}", "", 0),
    # To the size that it has.
    "truncate": ("truncate", "{path}", 0),
    "store through a mapping": ("write_mapped", "{path}", "x"),
}
KEEPING = ("chmod", "rename", "write of nothing", "store through a mapping")
# uid, group, capabilities
CALLERS = {
    "root": (0, 0, ("CHOWN", "FOWNER", "FSETID", "DAC_OVERRIDE")),
    "owner": (OWNER, GROUP, ()),
    "stranger": (OTHER, OTHER, ()),
    "CAP_CHOWN and CAP_FSETID": (OTHER, OTHER, ("CHOWN", "FSETID")),
}


def expected(caller, fs):
    return {call: outcome(call, *CALLERS[caller]) for call in CALLS}


def outcome(call, uid, group, capabilities):
    if "read-only" in call:
        return "EROFS: kept"
    own = uid == OWNER or "FOWNER" in capabilities
    denied = {
        "chown to its owner and group": uid != OWNER and "CHOWN" not in capabilities,
        "chown to another": "CHOWN" not in capabilities,
        "chmod": not own,
    }
    if denied.get(call):
        return "EPERM: kept"
    return "ok: kept" if call in KEEPING else "ok: removed"


CASE = Case(
    claim="write, truncate and every chown that succeeds remove a file's capabilities, also chown -1, -1 by a stranger;"
          " a chown that fails keeps them.",
    cites=(
        "chown(2), 'DESCRIPTION'",
        "chown_common() in fs/open.c: ATTR_KILL_PRIV; notify_change() in fs/attr.c; cap_inode_need_killpriv() in"
        " security/commoncap.c",
        "030b533c4fd4 (\"fs: Avoid premature clearing of capabilities\"), 4.9",
        "CVE-2015-1350",
    ),
    params={"caller": tuple(CALLERS), "fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    where=lambda caller, fs: fs == "tmpfs" or caller == "stranger",
    expect=expected,
    needs=lambda caller, fs: ("root", "fs:" + fs),
    documented="chown(2) says that a change of owner or group removes file capabilities; that -1, -1 does, and that anybody may"
               " call it, is not said.",
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    names = {call: str(number) for number, call in enumerate(CALLS)}
    for call, name in names.items():
        lab.file("files/" + name, 0o766, OWNER, GROUP)
        if CALLS[call][0] == "write_mapped":
            # Nothing can be stored behind a file's end.
            lab.truncate("files/" + name, 1)
        lab.setxattr("files/" + name, "security.capability", VALUE, len(VALUE), 0)
        if capability(lab, "files/" + name) != "kept":
            raise Broken("there is no capability to be removed")
    lab.bind("files", "read-only")
    lab.mount(None, "read-only", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
    # Anybody may rename here.
    lab.chmod("files", 0o777)
    process = lab
    if caller != "root":
        uid, gid, capabilities = CALLERS[caller]
        process = lab.become(lab.fork("caller"), uid, gid, (), [getattr(CAP, name) for name in capabilities])
    written = [name for call, name in names.items() if "{fd}" in CALLS[call]]
    descriptors = dict(zip(written, process.values(("open", "files/" + name, O.WRONLY, 0) for name in written)))
    outcomes = process.batch(filled(CALLS[call], name, descriptors.get(name)) for call, name in names.items())
    # To rename a file to itself would be to do nothing.
    paths = {call: "files/" + name + (RENAMED if call == "rename" else "") for call, name in names.items()}
    return {call: "%s: %s" % ("ok" if outcome == 1 else outcome, capability(lab, paths[call]))
            for call, outcome in zip(CALLS, outcomes)}


def filled(call, name, descriptor):
    path = "files/" + name
    words = {"{path}": path, "{path}" + RENAMED: path + RENAMED, "{fd}": descriptor, "read-only/{name}": "read-only/" + name}
    return tuple(words.get(word, word) for word in call)


def capability(lab, path):
    result = lab.attempt.getxattr(path, "security.capability")
    return {"ok": "kept", "ENODATA": "removed"}.get(result, result)

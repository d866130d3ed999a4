"""Whoever changes what is in a set-id file takes its set-id bits away, unless CAP_FSETID says otherwise.

A program that its owner lets others write to must not become theirs to fill. So write, truncate and fallocate clear what
chown clears: S_ISUID, S_ISGID with group execute permission, and S_ISGID without it if the caller is neither in the
file's group nor has CAP_FSETID. It does not matter that the caller is the owner, nor that a truncation changes no byte;
a write of no bytes is no write.

Two things differ from chown. A caller with CAP_FSETID loses nothing, here; and it is asked for in the initial user
namespace (capable(), not capable_wrt_inode_uidgid()), so the root of a user namespace loses the bits of its own files,
whatever it holds there. A build daemon that installs a set-id program writes first and chmods last.

Nothing is cleared by a store through a shared mapping: the page is written to without a call in which the kernel could.
Nor did fallocate clear anything on the tmpfs of 5.10, which changed the file without file_modified().
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CAP, FALLOC_FL, O
from ksem.guest.lab import GROUP, OTHER, OWNER

# Everybody may write; 0767 is the permission that makes S_ISGID a mark without group execute permission.
MODES = (0o4777, 0o2777, 0o2767, 0o6767)
# How a file of one byte is written to; {fd} is a descriptor, the rest paths.
CALLS = {
    "write": ("write", "{fd}", "x", 1),
    "write of nothing": ("write", "{fd}", "", 0),
    "truncate to its length": ("truncate", "{path}", 1),
    "ftruncate to its length": ("ftruncate", "{fd}", 1),
    "open with O_TRUNC": ("try_open", "{path}", O.WRONLY | O.TRUNC),
    "fallocate": ("fallocate", "{fd}", 0, 0, 4096),
    "fallocate, punching a hole": ("fallocate", "{fd}", FALLOC_FL.KEEP_SIZE | FALLOC_FL.PUNCH_HOLE, 0, 4096),
    "store through a mapping": ("write_mapped", "{path}", "x"),
}
# uid, group, capabilities
CALLERS = {
    "root": (0, 0, ("FSETID",)),
    "owner": (OWNER, GROUP, ()),
    "stranger": (OTHER, OTHER, ()),
    "stranger with CAP_FSETID": (OTHER, OTHER, ("FSETID",)),
    "root of a user namespace, owner": (OWNER, GROUP, ()),
}
FILESYSTEMS = ("tmpfs", "ext4", "xfs", "btrfs", "overlay")


def today(caller, fs):
    return table(caller)


def marks_go_with_setuid(caller, fs):
    return table(caller, strict=False)


def fallocate_keeps(caller, fs):
    return table(caller, blind=("fallocate", "fallocate, punching a hole") if fs == "tmpfs" else ())


def both(caller, fs):
    return table(caller, strict=False, blind=("fallocate", "fallocate, punching a hole") if fs == "tmpfs" else ())


def table(caller, strict=True, blind=()):
    return {call: {"%05o" % mode: "ok: %05o" % (mode if call in blind else left(call, CALLERS[caller], mode, strict))
                   for mode in MODES} for call in CALLS}


def left(call, caller, mode, strict):
    """dentry_needs_remove_privs() and, for S_ISGID, setattr_copy()."""
    if call in ("write of nothing", "store through a mapping") or "FSETID" in caller[2]:
        return mode
    new = mode & ~0o4000
    outside = caller[1] != GROUP
    # Before, a mark of mandatory locking only went along with S_ISUID.
    if mode & 0o2010 == 0o2010 or (outside and (strict or mode & 0o4000)):
        new &= ~0o2000
    return new


CASE = Case(
    claim="write, truncate and fallocate clear the set-id bits of a file, for its owner too, unless the caller has CAP_FSETID"
          " in the initial user namespace.",
    cites=(
        "capabilities(7), CAP_FSETID",
        "inode(7), 'The file type and mode'; IEEE Std 1003.1, write(), 'DESCRIPTION'",
        "file_remove_privs() and setattr_should_drop_suidgid() in fs/inode.c and fs/attr.c: capable(CAP_FSETID)",
        "do_truncate() in fs/open.c; shmem_fallocate() in mm/shmem.c",
        "ad5cd4f4ee4d (\"ext4: fix fallocate to use file_modified to update permissions consistently\"), 5.18",
    ),
    params={"caller": tuple(CALLERS), "fs": FILESYSTEMS},
    where=lambda caller, fs: fs == "tmpfs" or caller in ("root", "stranger", "root of a user namespace, owner"),
    expect=(
        Rule(today, since="6.2", backports=("6.1.15",),
             cites="ed5a7047d201 (\"attr: use consistent sgid stripping checks\"), 6.2"),
        Rule(marks_go_with_setuid, since="6.1",
             cites="36f05cab0a2c (\"tmpfs: add support for an i_version counter\"), 6.1: file_modified() in shmem_fallocate()"),
        Rule(fallocate_keeps, since="6.1", backports=("5.10.176", "5.15.103"),
             cites="ed5a7047d201, 6.2, in 5.10.176 and 5.15.103; shmem_fallocate() of 5.10"),
        Rule(both, cites="capabilities(7), CAP_FSETID"),
    ),
    options=("CONFIG_USER_NS",),
    needs=lambda caller, fs: ("root", "fs:" + fs) + (("userns",) if "user namespace" in caller else ()),
    documented="capabilities(7) does not say that CAP_FSETID counts for a write in the initial user namespace only.",
    survivors={
        'drop truncate("files/*': "It is one byte long already, unless the call before made it shorter.",
    },
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    paths = {mode: "files/%05o" % mode for mode in MODES}
    for mode, path in paths.items():
        lab.file(path, mode, OWNER, GROUP)
    process = prepare(lab, caller)
    opened = dict(zip(MODES, process.values(("open", path, O.WRONLY, 0) for path in paths.values())))
    return {name: attempts(lab, process, call, paths, opened) for name, call in CALLS.items()}


def prepare(lab, caller):
    if caller == "root":
        return lab
    if "user namespace" in caller:
        return lab.mapped("caller", {0: OWNER}, {0: GROUP})
    uid, gid, capabilities = CALLERS[caller]
    return lab.become(lab.fork("caller"), uid, gid, (), [getattr(CAP, name) for name in capabilities])


def attempts(lab, process, call, paths, opened):
    """The call on every file, which is one byte long and has its mode."""
    for mode, path in paths.items():
        lab.truncate(path, 1)
        lab.chmod(path, mode)
    outcomes = process.batch(
        tuple({"{path}": paths[mode], "{fd}": opened[mode]}.get(word, word) for word in call) for mode in MODES)
    # A reader's answer is the number of bytes.
    return {"%05o" % mode: "%s: %s" % ("ok" if outcome == 1 else outcome, lab.status(paths[mode])["mode"])
            for mode, outcome in zip(MODES, outcomes)}

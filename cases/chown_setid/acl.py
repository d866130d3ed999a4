"""Setting an access ACL is a chmod: an owner outside the file's group loses S_ISGID by it, silently.

The entries for owner, group and others of system.posix_acl_access are the permission bits, so setxattr changes the mode. It
once did so past the rule that chmod keeps, that only who is in the file's group or has CAP_FSETID may leave S_ISGID on: an
owner outside the group could keep a set-group-id program (CVE-2016-7097). Since 4.9 posix_acl_update_mode() asks the
same question; tmpfs, which had been forgotten, does since 4.10 (CVE-2017-5551).

S_ISUID stays, as chmod would let it: the caller is the owner. Directories lose S_ISGID too. A caller who is no
owner gets EPERM, and the mode is as it was.

Tools that copy ACLs (cp -a, rsync -A, tar --acls) set them after the mode: without privilege the copy has no S_ISGID.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP
from ksem.guest.lab import GROUP, OTHER, OWNER

# Version 2, then (tag, permissions, id): owner rwx, group r-x, others r-x; these have no id (\xff, as a lone surrogate).
NO_ID = "\udcff" * 4
VALUE = "\x02\x00\x00\x00" + "".join("%s\x00%s\x00%s" % (tag, bits, NO_ID) for tag, bits in
                                     (("\x01", "\x07"), ("\x04", "\x05"), ("\x20", "\x05")))
LENGTH = 28
# uid, groups, capabilities
CALLERS = {
    "owner in the group": (OWNER, (GROUP,), ()),
    "owner outside the group": (OWNER, (OTHER,), ()),
    "owner outside the group with CAP_FSETID": (OWNER, (OTHER,), ("FSETID",)),
    "stranger in the group": (OTHER, (GROUP,), ()),
}
MODES = (0o2700, 0o6710)
OBJECTS = ("file", "directory")


def expected(caller, fs):
    return {kind: {"%05o" % mode: outcome(CALLERS[caller], mode) for mode in MODES} for kind in OBJECTS}


def outcome(caller, mode):
    uid, groups, capabilities = caller
    if uid != OWNER:
        return "EPERM: %05o" % mode
    kept = mode & 0o7000 if GROUP in groups or "FSETID" in capabilities else mode & 0o5000
    return "ok: %05o" % (kept | 0o755)


CASE = Case(
    claim="Setting an access ACL as an owner outside the file's group, without CAP_FSETID, clears S_ISGID.",
    cites=(
        "posix_acl_update_mode() in fs/posix_acl.c",
        "073931017b49 (\"posix_acl: Clear SGID bit when setting file permissions\"), 4.9; CVE-2016-7097",
        "497de07d89c1 (\"tmpfs: clear S_ISGID when setting posix ACLs\"), 4.10",
        "acl(5), 'CORRESPONDENCE BETWEEN ACL ENTRIES AND FILE PERMISSION BITS'",
    ),
    params={"caller": tuple(CALLERS), "fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    where=lambda caller, fs: fs == "tmpfs" or caller == "owner outside the group",
    expect=expected,
    options=("CONFIG_TMPFS_POSIX_ACL", "CONFIG_EXT4_FS_POSIX_ACL", "CONFIG_XFS_POSIX_ACL", "CONFIG_BTRFS_FS_POSIX_ACL"),
    needs=lambda caller, fs: ("root", "fs:" + fs),
    documented="acl(5) and setxattr(2) say nothing of S_ISGID.",
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    uid, groups, capabilities = CALLERS[caller]
    process = lab.become(lab.fork("caller"), uid, groups[0], groups[1:], [getattr(CAP, name) for name in capabilities])
    return {kind: {"%05o" % mode: attempt(lab, process, kind, mode) for mode in MODES} for kind in OBJECTS}


def attempt(lab, process, kind, mode):
    path = "files/%s %05o" % (kind, mode)
    if kind == "file":
        lab.file(path, mode, OWNER, GROUP)
    else:
        lab.mkdir(path, 0o755)
        lab.chown(path, OWNER, GROUP)
        lab.chmod(path, mode)
    result = process.attempt.setxattr(path, "system.posix_acl_access", VALUE, LENGTH, 0)
    return "%s: %s" % (result, lab.status(path)["mode"])

"""file_getattr(2) and file_setattr(2) read and change the flags of an inode, such as immutable, without opening it (6.17).

Before, that took an ioctl on an open file: not to be had for a file that must not be opened (a device, a fifo), nor on a
descriptor made with O_PATH. The calls take a path. An immutable file can be neither written, renamed nor unlinked, by
root either (EPERM), and the flag is set and taken off by who has CAP_LINUX_IMMUTABLE over the first user namespace: the
file's owner alone gets EPERM, and so does root of a user namespace.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, O
from ksem.guest.lab import GROUP, OWNER

IMMUTABLE = 0x8


def expected(works):
    def now(value):
        return value if works else "ENOSYS"
    refused = "EPERM" if works else "ok"
    return {
        "before": now(0),
        "set by its owner": now("EPERM"),
        "set by its owner as root of a user namespace": now("EPERM"),
        "set by root": now("ok"),
        "then": now(IMMUTABLE),
        "write": refused, "chmod": refused, "rename": refused,
        "unknown attribute": now("EINVAL"),
        "taken off": now("ok"),
        "at last": now(0),
    }


CASE = Case(
    claim="file_getattr and file_setattr read and change inode flags by path; immutable needs CAP_LINUX_IMMUTABLE (6.17).",
    cites=("sys_file_setattr() and fileattr_set_prepare() in fs/file_attr.c", "ioctl_iflags(2), FS_IMMUTABLE_FL"),
    expect=(
        Rule(expected(works=True), since="6.17",
             cites="be7efb2d20d6 (\"fs: introduce file_getattr and file_setattr syscalls\"), 6.17"),
        Rule(expected(works=False)),
    ),
    needs=("root", "userns"),
    survivors={
        'flip rename("place/renamed"*': "It undoes what should not have worked, and fails where that did not.",
    },
)


def observe(lab):
    lab.tmpfs("place")
    lab.file("place/file", 0o644, OWNER, GROUP)
    owner = lab.become(lab.fork("owner"), OWNER, GROUP)
    inside = lab.mapped("inside", {0: OWNER}, {0: GROUP})
    immutable = (AT_FDCWD, "place/file", {"fa_xflags": IMMUTABLE}, 0)
    seen = {
        "before": flags_of(lab),
        "set by its owner": owner.batch([("file_setattr", *immutable)])[0],
        "set by its owner as root of a user namespace": inside.batch([("file_setattr", *immutable)])[0],
        "set by root": lab.attempt.file_setattr(*immutable),
        "then": flags_of(lab),
        "write": lab.try_open("place/file", O.WRONLY),
        "chmod": lab.attempt.chmod("place/file", 0o644),
        "unknown attribute": lab.attempt.file_setattr(AT_FDCWD, "place/file", {"fa_xflags": 1 << 40}, 0),
    }
    seen["rename"] = lab.attempt.rename("place/file", "place/renamed")
    lab.batch([("rename", "place/renamed", "place/file")])
    seen["taken off"] = lab.attempt.file_setattr(AT_FDCWD, "place/file", {"fa_xflags": 0}, 0)
    seen["at last"] = flags_of(lab)
    return seen


def flags_of(lab):
    value, error = lab.issue("file_getattr", [AT_FDCWD, "place/file", 0])
    return error or value

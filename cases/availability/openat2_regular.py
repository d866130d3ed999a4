"""openat2(2) with OPENAT2_REGULAR opens a regular file or nothing, so that no fifo, device or socket is touched (7.2).

A program that opens what somebody else has put there may meet a fifo, where open waits for a writer, or a device, where
opening is an act. It had to open by O_PATH, look, and open again by /proc/self/fd, which a sandbox may not have. With the
flag, which lies above the 32 bits that open(2) knows, the kernel looks before it opens: a directory and whatever else is no
regular file is EFTYPE. It goes with O_CREAT, which makes a regular file anyway, and not with O_DIRECTORY (EINVAL). A kernel
that does not know the flag says EINVAL.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, O, S

REGULAR = 1 << 32
NAMES = ("file", "symlink to a file", "directory", "fifo", "symlink to the fifo", "device", "new file")


def expected(works):
    table = {"file": "ok", "symlink to a file": "ok", "directory": "EFTYPE", "fifo": "EFTYPE", "symlink to the fifo": "EFTYPE",
             "device": "EFTYPE", "new file": "ok", "with O_DIRECTORY": "EINVAL"}
    return table if works else dict.fromkeys(table, "EINVAL")


CASE = Case(
    claim="openat2 with OPENAT2_REGULAR opens regular files only (7.2).",
    cites=("build_open_flags() in fs/open.c, do_open() in fs/namei.c",),
    expect=(
        Rule(expected(True), since="7.2", cites="\"openat2: new OPENAT2_REGULAR flag support\", 7.2"),
        Rule(expected(False)),
    ),
    needs=("root",),
)


def observe(lab):
    lab.file("file")
    lab.mkdir("directory", 0o755)
    lab.symlink("file", "symlink to a file")
    lab.symlink("fifo", "symlink to the fifo")
    lab.mknod("fifo", S.IFIFO | 0o644, 0)
    # Of a major number for local use: there is none.
    lab.mknod("device", S.IFCHR | 0o644, 240 << 8)
    how = {"flags": REGULAR | O.NONBLOCK, "mode": 0}
    calls = [("openat2", AT_FDCWD, name, how if name != "new file" else {"flags": REGULAR | O.CREAT | O.WRONLY, "mode": 0o600})
             for name in NAMES]
    seen = dict(zip(NAMES, lab.batch(calls)))
    seen["with O_DIRECTORY"] = lab.attempt.openat2(AT_FDCWD, "directory", {"flags": REGULAR | O.DIRECTORY, "mode": 0})
    return seen

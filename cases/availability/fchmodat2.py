"""fchmodat2(2) changes the mode of what a descriptor means, or refuses to follow a symlink, in the kernel itself (6.6).

The old call has no flags, so that libc emulates AT_SYMLINK_NOFOLLOW by way of /proc/self/fd: where /proc is not mounted,
as in many a sandbox, a safe chmod was not to be had. fchmodat2 has the flags. A symlink itself has no mode that could be
changed: EOPNOTSUPP, and the target keeps its own. With AT_EMPTY_PATH a descriptor made with O_PATH is enough, for which
fchmod(2) says EBADF.

Seccomp filters matter here: one that does not know the number and answers EPERM instead of ENOSYS stops the fallback.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, O


def expected(works):
    def row(result, mode):
        return {"result": result if works else "ENOSYS", "mode of the file": mode if works else "00644"}
    return {
        "path": row("ok", "00600"),
        "symlink, followed": row("ok", "00640"),
        "symlink, AT_SYMLINK_NOFOLLOW": row("EOPNOTSUPP", "00640"),
        "O_PATH, AT_EMPTY_PATH": row("ok", "00711"),
        "unknown flag": row("EINVAL", "00711"),
        "fchmod of O_PATH": {"result": "EBADF", "mode of the file": "00711" if works else "00644"},
    }


CASE = Case(
    claim="fchmodat2 works on symlinks and O_PATH descriptors without /proc (6.6); a symlink itself has no mode (EOPNOTSUPP).",
    cites=("fchmodat2(2), 'DESCRIPTION'", "do_fchmodat() in fs/open.c"),
    expect=(
        Rule(expected(works=True), since="6.6", cites="09da082b07bb (\"fs: Add fchmodat2()\"), 6.6"),
        Rule(expected(works=False)),
    ),
)


def observe(lab):
    lab.file("file", 0o644)
    lab.symlink("file", "symlink")
    held = lab.open("file", O.PATH, 0)
    tried = {
        "path": ("fchmodat2", AT_FDCWD, "file", 0o600, 0),
        "symlink, followed": ("fchmodat2", AT_FDCWD, "symlink", 0o640, 0),
        "symlink, AT_SYMLINK_NOFOLLOW": ("fchmodat2", AT_FDCWD, "symlink", 0o777, AT.SYMLINK_NOFOLLOW),
        "O_PATH, AT_EMPTY_PATH": ("fchmodat2", held, "", 0o711, AT.EMPTY_PATH),
        "unknown flag": ("fchmodat2", AT_FDCWD, "file", 0o600, 1),
        "fchmod of O_PATH": ("fchmod", held, 0o600),
    }
    return {name: {"result": lab.batch([call])[0], "mode of the file": lab.status("file")["mode"]}
            for name, call in tried.items()}

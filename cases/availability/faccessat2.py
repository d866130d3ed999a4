"""faccessat2(2) asks with the effective ids, of a symlink itself, or by an O_PATH descriptor, what the older call cannot (5.8).

access(2) and the kernel's faccessat judge by the *real* ids: a program that has changed its effective user asks for somebody
else. The flags of the library function were emulated by libc, which looked at the mode bits and so got ACLs, capabilities and
read-only mounts wrong. On a read-only mount W_OK is EROFS here, as it will be for open; whatever the mode says.

A caller whose real user is root and whose effective user owns nothing gets two answers: by the real ids it may (its
permitted capabilities count as if they were effective), by the effective ones it may not.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MS, O
from ksem.guest.lab import OTHER

W_OK, R_OK, F_OK = 2, 4, 0
EACCESS = 0x200
QUESTIONS = {
    "real ids": ("closed", R_OK, 0),
    "effective ids": ("closed", R_OK, EACCESS),
    "read-only mount, effective ids": ("ro/open", W_OK, EACCESS),
    "dangling symlink": ("dangling", F_OK, 0),
    "dangling symlink itself": ("dangling", F_OK, AT.SYMLINK_NOFOLLOW),
    "unknown flag": ("closed", R_OK, 1),
}

CASE = Case(
    claim="faccessat2 judges by the effective ids if asked to, and asks about a symlink or a descriptor itself (5.8).",
    cites=(
        "access(2), 'faccessat2()'",
        "do_faccessat() in fs/open.c: access_override_creds()",
        "c8ffd8bcdd28 (\"vfs: add faccessat2 syscall\"), 5.8",
    ),
    expect={
        "real ids": "ok",
        "effective ids": "EACCES",
        "read-only mount, effective ids": "EROFS",
        "dangling symlink": "ENOENT",
        "dangling symlink itself": "ok",
        "unknown flag": "EINVAL",
        "descriptor, effective ids": "EACCES",
        "open": "EACCES",
    },
    needs=("root",),
)


def observe(lab):
    lab.file("closed", 0o600)
    lab.symlink("nowhere", "dangling")
    lab.tmpfs("ro")
    lab.file("ro/open", 0o666)
    lab.mount(None, "ro", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
    held = lab.open("closed", O.PATH, 0)
    lab.setresuid(0, OTHER, 0)
    seen = dict(zip(QUESTIONS, lab.batch(("faccessat2", AT_FDCWD, *question) for question in QUESTIONS.values())))
    seen["descriptor, effective ids"] = lab.attempt.faccessat2(held, "", R_OK, AT.EMPTY_PATH | EACCESS)
    seen["open"] = lab.try_open("closed", 0)
    return seen

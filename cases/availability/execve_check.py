"""execveat(2) with AT_EXECVE_CHECK answers whether a file could be executed, and executes nothing (6.14).

An interpreter that reads a script does not execute it, so that noexec mounts and missing execute permission say nothing to
it. access(2) with X_OK knows the permission, but neither a memfd that was sealed nor what a security module thinks, and asks
for the real user. With the flag the kernel does all that it does before it runs a program, for the file behind a descriptor
too, and stops.

What the file holds is not looked at: a text is as good as a program. An older kernel does not know the flag (EINVAL), and so
executes nothing either.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, MFD, X_OK, O
from ksem.guest.lab import GROUP, OWNER

# What access(2) says, and what the check says.
FILES = {
    "text, executable": ("ok", "ok"), "text": ("EACCES", "EACCES"), "text, set-user-id": ("ok", "ok"),
    "on a noexec mount": ("EACCES", "EACCES"), "directory": ("ok", "EACCES"), "no such file": ("ENOENT", "ENOENT"),
}


def expected(works):
    def answer(check):
        return check if works else "EINVAL"
    table = {name: {"access": access, "check": answer(check)} for name, (access, check) in FILES.items()}
    return dict(table, **{
        "symlink": answer("ok"), "symlink itself": answer("ELOOP"), "O_PATH descriptor": answer("ok"),
        "memfd sealed against exec": answer("EACCES"),
        "caller still there": "ok",
    })


CASE = Case(
    claim="execveat with AT_EXECVE_CHECK says whether a file may be executed, without executing it (6.14).",
    cites=("execveat(2), AT_EXECVE_CHECK", "Documentation/userspace-api/check_exec.rst", "do_open_execat() in fs/exec.c"),
    expect=(
        Rule(expected(True), since="6.14",
             cites="a5874fde3c08 (\"exec: Add a new AT_EXECVE_CHECK flag to execveat(2)\"), 6.14"),
        Rule(expected(False)),
    ),
    needs=("root",),
    survivors={
        "drop write_file(*": "What is in the file is not looked at, as is claimed.",
        "drop chmod(*": "Only a writer without CAP_FSETID would have taken the set-user-id bit away.",
        "drop lab.become": "Root gets the same answers: a file that nobody may execute, and a mount, stop it too.",
    },
)


def observe(lab):
    lab.tmpfs("place")
    lab.tmpfs("noexec", ["noexec"])
    paths = {"text, executable": "place/executable", "text": "place/text", "text, set-user-id": "place/setuid",
             "on a noexec mount": "noexec/executable", "directory": "place", "no such file": "place/none"}
    for path, mode in (("place/executable", 0o755), ("place/text", 0o644), ("place/setuid", 0o4755),
                       ("noexec/executable", 0o755)):
        lab.file(path, mode)
        lab.write_file(path, "a text\n")
        lab.chmod(path, mode)
    lab.symlink("executable", "place/symlink")
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    seen = {name: dict(zip(("access", "check"), user.batch([("access", path, X_OK), check(AT_FDCWD, path)])))
            for name, path in paths.items()}
    descriptor = user.open("place/executable", O.PATH, 0)
    sealed = user.issue("memfd_create", ["sealed", MFD.NOEXEC_SEAL])[0]
    results = user.batch([check(AT_FDCWD, "place/symlink"), check(AT_FDCWD, "place/symlink", AT.SYMLINK_NOFOLLOW),
                          check(descriptor, "", AT.EMPTY_PATH), check(-1 if sealed is None else sealed, "", AT.EMPTY_PATH),
                          ("getuid",)])
    return dict(seen, **dict(zip(("symlink", "symlink itself", "O_PATH descriptor", "memfd sealed against exec",
                                  "caller still there"), results)))


def check(directory, path, more=0):
    return ("execveat", directory, path, AT.EXECVE_CHECK | more)

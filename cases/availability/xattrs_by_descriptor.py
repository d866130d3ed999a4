"""setxattrat(2) and getxattrat(2) take a directory to start from and say whether a symlink is followed (6.13).

The older calls take a path, or a descriptor; for a symlink there is another set of them. With the newer ones a tree can be
walked by descriptors, and AT_SYMLINK_NOFOLLOW names the symlink itself, whose trusted.* may be set where user.* may
not (EPERM; reading it is ENODATA).

What one would expect of AT_EMPTY_PATH does not work: with a descriptor made with O_PATH it is EBADF, as with fsetxattr(2),
where fchmodat2(2) and fchownat(2) take one. So who holds a file by O_PATH still has to go through /proc/self/fd, or to
keep the directory and the name, as the row below does. A descriptor that is open for reading works.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, O


def expected(works):
    def row(set_to, read):
        return {"set": set_to if works else "ENOSYS", "read back": read if works else "ENOSYS"}
    return {
        "O_PATH descriptor": row("EBADF", "EBADF"),
        "descriptor": row("ok", "value"),
        "relative path": row("ok", "value"),
        "symlink, followed": row("ok", "value"),
        "symlink itself": row("ok", "value"),
        "symlink itself, user.name": row("EPERM", "ENODATA"),
        "unknown flag": row("EINVAL", "EINVAL"),
        "file by the older call": {"trusted.path": "value" if works else "ENODATA",
                                   "trusted.symlink": "ENODATA"},
    }


CASE = Case(
    claim="setxattrat and getxattrat work from a directory and on symlinks themselves (6.13); O_PATH is EBADF.",
    cites=("path_setxattrat() and path_getxattrat() in fs/xattr.c", "xattr_permission() in fs/xattr.c"),
    expect=(
        Rule(expected(works=True), since="6.13", cites="6140be90ec70 (\"fs/xattr: add *at family syscalls\"), 6.13"),
        Rule(expected(works=False)),
    ),
    needs=("root",),
    options=("CONFIG_TMPFS_XATTR",),
)


def observe(lab):
    lab.tmpfs("place")
    lab.file("place/file")
    lab.symlink("file", "place/symlink")
    place, file, readable = (lab.open(*given, 0) for given in (("place", O.PATH), ("place/file", O.PATH), ("place/file", 0)))
    questions = {
        "O_PATH descriptor": (file, "", AT.EMPTY_PATH, "trusted.descriptor"),
        "descriptor": (readable, "", AT.EMPTY_PATH, "trusted.readable"),
        "relative path": (place, "file", 0, "trusted.path"),
        "symlink, followed": (AT_FDCWD, "place/symlink", 0, "trusted.followed"),
        "symlink itself": (AT_FDCWD, "place/symlink", AT.SYMLINK_NOFOLLOW, "trusted.symlink"),
        "symlink itself, user.name": (AT_FDCWD, "place/symlink", AT.SYMLINK_NOFOLLOW, "user.name"),
        "unknown flag": (AT_FDCWD, "place/file", 1, "trusted.name"),
    }
    seen = {}
    for name, question in questions.items():
        result = lab.attempt.setxattrat(*question, "value")
        seen[name] = {"set": result, "read back": answer(lab, "getxattrat", question)}
    seen["file by the older call"] = {name: answer(lab, "getxattr", ("place/file", name))
                                      for name in ("trusted.path", "trusted.symlink")}
    return seen


def answer(lab, call, given):
    value, error = lab.issue(call, list(given))
    return error or value

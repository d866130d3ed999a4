"""name_to_handle_at(2) says which mount a file lies on, since 6.12 by an id that is never used again.

Who gets a file handle needs to know the filesystem it is for, and got the id that mountinfo shows. That is the smallest free
number: after an unmount the next mount may have it, so a handle that was kept can be opened on the wrong filesystem. With
AT_HANDLE_MNT_ID_UNIQUE the id is the one of statx(2)'s STATX_MNT_ID_UNIQUE, which is what statmount(2) takes; those start
where the old ones end, so that the two cannot be mistaken for each other. Before 6.12 the flag is EINVAL.

A bind mount of the same filesystem is another mount; a handle made through either names the same file, so that nothing but
this id tells them apart.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD

AT_HANDLE_MNT_ID_UNIQUE = 1
PATHS = ("source/file", "bind/file")


def expected(unique):
    return {
        "without a flag": dict.fromkeys(PATHS, "one that is used again"),
        "AT_HANDLE_MNT_ID_UNIQUE": dict.fromkeys(PATHS, "one that never is" if unique else "EINVAL"),
        "unknown flag": dict.fromkeys(PATHS, "EINVAL"),
    }


CASE = Case(
    claim="name_to_handle_at gives a mount id that is never used again, if asked to (6.12).",
    cites=("open_by_handle_at(2), 'name_to_handle_at()'", "do_sys_name_to_handle() in fs/fhandle.c",
           "MNT_UNIQUE_ID_OFFSET in fs/namespace.c"),
    expect=(
        Rule(expected(unique=True), since="6.12",
             cites="4356d575ef0f (\"fhandle: expose u64 mount id to name_to_handle_at(2)\"), 6.12"),
        Rule(expected(unique=False)),
    ),
    options=("CONFIG_FHANDLE",),
)


def observe(lab):
    lab.tmpfs("source")
    lab.file("source/file")
    lab.bind("source", "bind")
    flags = {"without a flag": 0, "AT_HANDLE_MNT_ID_UNIQUE": AT_HANDLE_MNT_ID_UNIQUE, "unknown flag": 1 << 30}
    return {name: {path: kind_of_id(lab, path, flag) for path in PATHS} for name, flag in flags.items()}


def kind_of_id(lab, path, flag):
    beyond, error = lab.issue("name_to_handle_at", [AT_FDCWD, path, flag])
    return error or ("one that never is" if beyond else "one that is used again")

"""In a setgid directory new files get a group that their maker may not even have a number for; the setgid bit they do not get.

A directory with S_ISGID gives its group to what is made in it, whoever makes it, and new directories get the bit
too. The group need not be mapped where the maker is: so a sandbox makes files of a group that it is no member of. That must
not become a program that runs with that group. So S_ISGID with group execute permission is cleared from a new file unless the
maker is in the group or has CAP_FSETID over the directory, which takes a mapped owner and group. chmod by the owner of the file
clears it for the same reason, silently. Without group execute permission the bit has no such meaning and is kept by the
call that makes the file; chmod clears it there as well.

To root of a user namespace an unmapped group is thus what it is to the plain user outside. With the group
mapped it may set the bit, where that user may not.
"""

from ksem.guest.case import Case
from ksem.guest.flags import O, S
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

GROUPS = {"own": GROUP, "mapped, not its own": OTHER, "unmapped": 0}
CALLERS = ("plain user", "root of a user namespace")
# What is made: the call, and the mode that is asked for.
MADE = {
    "plain file": ("open", 0o644), "executable setgid file": ("open", 0o2755), "setgid file": ("open", 0o2644),
    "executable setgid pipe": ("mknod", 0o2755), "directory": ("mkdir", 0o755), "chmod executable": ("chmod", 0o2755),
    "chmod": ("chmod", 0o2644),
}


def expected(group, caller):
    trusted = group == "own" or (group == "mapped, not its own" and caller != "plain user")
    table = {}
    for name, (call, mode) in MADE.items():
        if call == "mkdir":
            mode |= 0o2000
        elif not trusted and (call == "chmod" or mode & 0o2010 == 0o2010):
            mode &= ~0o2000
        table[name] = "ok: %05o %s" % (mode, user_name(GROUPS[group]))
    return table


CASE = Case(
    claim="A file made in a setgid directory gets the directory's group, mapped or not, but S_ISGID with group execute"
          " permission only if its maker is in that group or has CAP_FSETID over the directory.",
    cites=(
        "inode(7), 'The file type and mode', S_ISGID",
        "chmod(2), 'DESCRIPTION'",
        "inode_init_owner() and mode_strip_sgid() in fs/inode.c, setattr_prepare() in fs/attr.c",
        "user_namespaces(7), 'Operation of file-related capabilities', CAP_FSETID",
    ),
    params={"group": tuple(GROUPS), "caller": CALLERS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop umask(*": "It is about modes that no umask takes anything from.",
    },
)


def observe(lab, group, caller):
    lab.mkdir("dir", 0o777)
    lab.chown("dir", OWNER, GROUPS[group])
    lab.chmod("dir", 0o2777)
    if caller == "plain user":
        by = lab.become(lab.fork("plain"), OWNER, GROUP)
    else:
        by = lab.mapped("inside", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})
    calls = [("umask", 0)]
    for name, (call, mode) in MADE.items():
        path = "dir/" + name
        if call == "mkdir":
            calls.append(("mkdir", path, mode))
        elif call == "mknod":
            calls.append(("mknod", path, S.IFIFO | mode, 0))
        else:
            calls.append(("open", path, O.CREAT | O.WRONLY, 0o644 if call == "chmod" else mode))
    by.values(calls)
    chmods = [name for name, (call, _) in MADE.items() if call == "chmod"]
    results = dict.fromkeys(MADE, "ok")
    results.update(zip(chmods, by.batch(("chmod", "dir/" + name, MADE[name][1]) for name in chmods)))
    return {name: seen(lab, "dir/" + name, result) for name, result in results.items()}


def seen(lab, path, result):
    now = lab.status(path)
    return "%s: %s %s" % (result, now["mode"], user_name(now["gid"]))

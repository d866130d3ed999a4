"""In a sticky directory that all may write to, a symlink is followed only by its owner, or if it is the directory owner's.

A daemon that chowns, opens or removes by path in /tmp meets symlinks that somebody has put there for it. With
fs.protected_symlinks, which distributions turn on, following one at the end of a path is EACCES in a directory that is both
sticky and writable by all, unless the link belongs to whoever follows it, or to the owner of the directory. Root is no
exception, nor is any capability: whose link it is counts, not what one may do.

It is no general protection. In a directory with either mode alone all links are followed, and so they are in the middle of a
path: there a directory is searched, and the link's own directory is not asked. lchown and O_NOFOLLOW ask nothing.
"""

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# The directory belongs to OWNER, the links to those who are named, and what they lead to is root's.
DIRECTORIES = {"sticky, open to all": 0o1777, "sticky": 0o1755, "open to all": 0o777}
LINKS = {"follower's": None, "directory owner's": OWNER, "stranger's": OTHER}
FOLLOWERS = {"root": (0, 0), "directory's owner": (OWNER, GROUP), "stranger": (OTHER, OTHER)}
CALLS = ("open", "chown", "lchown", "in the middle of a path")


def expected(directory):
    return {who: {link: outcome(directory, user, owner) for link, owner in LINKS.items()}
            for who, (user, _) in FOLLOWERS.items()}


def outcome(directory, user, owner):
    owner = user if owner is None else owner
    followed = directory != "sticky, open to all" or owner in (user, OWNER)
    refused = None if followed else "EACCES"
    # What a link leads to is root's; who may chown it is root alone. The link itself may be given to itself by its owner.
    return {"open": refused or "ok", "chown": refused or ("ok" if user == 0 else "EPERM"),
            "lchown": "ok" if user in (0, owner) else "EPERM", "in the middle of a path": "ok",
            "victim": "changed" if user == 0 and followed else "root"}


CASE = Case(
    claim="With fs.protected_symlinks a symlink at the end of a path is EACCES in a sticky directory that all may write to, for"
          " root too, unless it is the follower's or the directory owner's.",
    cites=(
        "proc_sys_fs(5), /proc/sys/fs/protected_symlinks",
        "may_follow_link() in fs/namei.c",
        "800179c9b8a1 (\"fs: add link restrictions\"), 3.6",
    ),
    params={"directory": tuple(DIRECTORIES)},
    expect=expected,
    needs=("root",),
    documented="chown(2) and open(2) do not refer to the rule and its EACCES, which proc(5) has at protected_symlinks.",
    survivors={
        'drop lchown("place/*': "For whoever may follow a link of root's too, it is no matter whose it is: in the middle of a"
            " path it never is.",
    },
)


def observe(lab, directory):
    if lab.read_file("/proc/sys/fs/protected_symlinks") == "0\n":
        raise Unsupported("fs.protected_symlinks is off on this machine")
    lab.mkdir("place", 0o755)
    lab.mkdir("elsewhere", 0o755)
    lab.values([("chown", "place", OWNER, GROUP), ("chmod", "place", DIRECTORIES[directory])])
    seen = {}
    for who, (user, group) in FOLLOWERS.items():
        process = lab if user == 0 else lab.become(lab.fork(who), user, group)
        seen[who] = {link: tried(lab, process, user, "%s %s" % (who, link), user if owner is None else owner)
                     for link, owner in LINKS.items()}
    return seen


def tried(lab, process, user, name, owner):
    victim, link, directory = "elsewhere/" + name, "place/" + name, "place/directory " + name
    lab.file(victim)
    lab.values([("symlink", "../" + victim, link), ("symlink", "../elsewhere", directory), ("lchown", link, owner, owner),
                ("lchown", directory, owner, owner)])
    # To ids that the caller's own files may have, so that who owns the link may do it.
    calls = [("try_open", link, 0), ("chown", link, GROUP if user == 0 else user, -1), ("lchown", link, owner, -1),
             ("try_open", directory + "/" + name, O.CLOEXEC)]
    seen = dict(zip(CALLS, process.batch(calls)))
    return dict(seen, victim="root" if user_name(lab.status(victim)["uid"]) == "root" else "changed")

"""What was the client's for a while can be anything when it is chowned again: each kind, by each way to name it.

A daemon that takes a tree back, or chowns it a second time, meets names that the client could replace in between. Root's
chown follows a symlink, and gives away what it points to, anywhere on the machine. lchown, AT_SYMLINK_NOFOLLOW and
a descriptor opened with O_NOFOLLOW stop at the link (the last with ELOOP). Nothing stops at a hard link: it is the
file itself, only its link count tells. (fs.protected_hardlinks keeps clients from linking what they can neither own nor
write; the link is made by root here, to see what chown does with it.)

A set-id program is made harmless by root's chown, as by every chown. A daemon with CAP_CHOWN alone is refused (EPERM):
clearing the bits is for the owner. That is a protection, nothing comes to belong to the daemon with the client's bits on; and
a failure to be reckoned with, as the client can stop the daemon so from taking its tree back. The same daemon follows
symlinks as root does: CAP_CHOWN reaches every file of the machine.

A fifo may block an open without O_NONBLOCK; with O_PATH nothing is opened at all, and fchownat changes what was
looked at before: that is the way to check first.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CAP, O, S
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

THINGS = ("file", "set-id program", "symlink to a file", "symlink to a directory", "hard link", "fifo")
TARGETS = {"symlink to a file": "victim", "symlink to a directory": "directory", "hard link": "linked victim"}
WAYS = ("chown", "lchown", "fchownat, AT_SYMLINK_NOFOLLOW", "open with O_NOFOLLOW, fchown", "open with O_PATH, fchownat")
FOLLOWS = ("chown",)


def expected(way, caller):
    return {thing: outcome(thing, way, caller) for thing in THINGS}


def outcome(thing, way, caller):
    """How it ends, whose the name is then, and whose what the name leads to."""
    mode = {"set-id program": "04755", "fifo": "00644"}.get(thing, "00644")
    link = thing.startswith("symlink")
    result = "ok"
    if link and way.startswith("open with O_NOFOLLOW"):
        result = "ELOOP"
    elif thing == "set-id program" and caller == "CAP_CHOWN":
        result = "EPERM"
    changed = result == "ok"
    name_changed = changed and not (link and way in FOLLOWS)
    if thing == "set-id program" and changed:
        mode = "00755"
    found = {"result": result, "name": "%s %s" % ("00777" if link else mode, "owner" if name_changed else
                                                   "root" if thing == "hard link" else "other")}
    if thing in TARGETS:
        hit = changed and (way in FOLLOWS or not link)
        found["target"] = "owner" if hit else "root"
    return found


CASE = Case(
    claim="Taking back what was the client's, a chown by path follows its symlinks; no call stops at a hard link; and a set-id"
          " program is cleared by root, but refused to CAP_CHOWN alone.",
    cites=(
        "chown(2), 'DESCRIPTION': lchown() does not dereference symbolic links",
        "open(2), O_NOFOLLOW and O_PATH",
        "proc_sys_fs(5), /proc/sys/fs/protected_hardlinks",
        "chown_common() in fs/open.c; setattr_prepare() in fs/attr.c",
    ),
    params={"way": WAYS, "caller": ("root", "CAP_CHOWN")},
    expect=expected,
    needs=("root",),
    survivors={
        'drop chown("tree/fifo"*': "CAP_CHOWN does not ask whose it was.",
        'drop chown("tree", *': "Nor whose the directory is that it lies in.",
    },
)


def observe(lab, way, caller):
    build(lab)
    process = lab
    if caller == "CAP_CHOWN":
        process = lab.become(lab.fork("daemon"), OWNER, GROUP, (), [CAP.CHOWN])
    return {thing: dict(result=change(process, way, "tree/" + thing), **look(lab, thing)) for thing in THINGS}


def build(lab):
    """What is outside of the tree is root's, in the tree all is the client's."""
    for name in ("victim", "linked victim"):
        lab.file(name)
    lab.mkdir("directory", 0o755)
    lab.mkdir("tree", 0o755)
    lab.file("tree/file", 0o644, OTHER, OTHER)
    lab.file("tree/set-id program", 0o4755, OTHER, OTHER)
    lab.mknod("tree/fifo", S.IFIFO | 0o644, 0)
    lab.link("linked victim", "tree/hard link")
    for thing in ("symlink to a file", "symlink to a directory"):
        lab.symlink("../" + TARGETS[thing], "tree/" + thing)
        lab.lchown("tree/" + thing, OTHER, OTHER)
    for path in ("tree/fifo", "tree"):
        lab.chown(path, OTHER, OTHER)


def change(process, way, path):
    if way in ("chown", "lchown"):
        return getattr(process.attempt, way)(path, OWNER, GROUP)
    if way.startswith("fchownat"):
        return process.attempt.fchownat(AT_FDCWD, path, OWNER, GROUP, AT.SYMLINK_NOFOLLOW)
    flags = O.NOFOLLOW | (O.PATH if "O_PATH" in way else O.NONBLOCK)
    descriptor, error = process.issue("open", [path, flags, 0])
    if error:
        return error
    if "O_PATH" in way:
        result = process.attempt.fchownat(descriptor, "", OWNER, GROUP, AT.EMPTY_PATH)
    else:
        result = process.attempt.fchown(descriptor, OWNER, GROUP)
    process.close(descriptor)
    return result


def look(lab, thing):
    now = lab.status("tree/" + thing)
    found = {"name": "%s %s" % (now["mode"], user_name(now["uid"]))}
    if thing in TARGETS:
        found["target"] = user_name(lab.status(TARGETS[thing])["uid"])
    return found

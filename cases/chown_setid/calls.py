"""Every call of the chown family clears the set-id bits of what it changes, unless that is a directory.

chown, lchown, fchown and fchownat meet in chown_common(), so which one is used decides only what is changed: chown
follows a symlink, lchown and AT_SYMLINK_NOFOLLOW change the link, which has no set-id bits, and leave what it points to
alone; fchown changes what was opened, unless it was opened with O_PATH (EBADF); AT_EMPTY_PATH works with such a
descriptor too, also with one of a symlink.

Directories keep both bits: S_ISGID has another meaning there. So clearing them is never asked for, and CAP_CHOWN
alone is enough to give a set-id directory away, where it is not for a file.

All filesystems agree. XFS once had a rule of its own, which took both bits from directories too if the caller had no
CAP_FSETID; it went with 5.18.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import AT, AT_FDCWD, CAP, O, S
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

FOLLOWING = ("chown", "fchown", "fchownat")
# How a path is opened first, for the calls that take a descriptor.
DESCRIPTORS = {"fchown": O.NONBLOCK, "fchown, O_PATH": O.PATH,
               "fchownat, AT_EMPTY_PATH": O.PATH | O.NOFOLLOW}
CALLS = ("chown", "lchown", "fchown", "fchown, O_PATH", "fchownat", "fchownat, AT_SYMLINK_NOFOLLOW",
         "fchownat, AT_EMPTY_PATH")
OBJECTS = ("file", "directory", "fifo", "socket", "device")
# Neither can be opened: the one never, the other as there is no such device.
UNOPENED = ("socket", "device")
# Of a major number for local use. 0 would be a whiteout to overlayfs.
NO_DEVICE = 240 << 8
LINKS = {"symlink to file": "file", "symlink to directory": "directory"}
CALLERS = ("root", "CAP_CHOWN")
BEFORE = dict.fromkeys(OBJECTS, "06755 owner:group")
LINK_BEFORE = "00777 owner:group"


def expected(call, fs):
    return {caller: dict([(name, plain(call, caller, name)) for name in OBJECTS]
                         + [(name, linked(call, caller, name)) for name in LINKS]) for caller in CALLERS}


def plain(call, caller, name):
    if call == "fchown, O_PATH":
        return {"result": "EBADF", "now": BEFORE[name]}
    if call == "fchown" and name in UNOPENED:
        return {"result": "ENXIO", "now": BEFORE[name]}
    if name == "directory":
        return {"result": "ok", "now": "06755 other:other"}
    if caller == "CAP_CHOWN":
        return {"result": "EPERM", "now": BEFORE[name]}
    return {"result": "ok", "now": "00755 other:other"}


def linked(call, caller, name):
    if call in FOLLOWING or call == "fchown, O_PATH":
        target = plain(call, caller, LINKS[name])
        return {"result": target["result"], "now": LINK_BEFORE, "what it points to": target["now"]}
    return {"result": "ok", "now": "00777 other:other", "what it points to": BEFORE[LINKS[name]]}


CASE = Case(
    claim="chown, fchown, lchown and fchownat all clear the set-id bits of a file, and none clears those of a"
          " directory.",
    cites=(
        "chown(2), 'DESCRIPTION'",
        "IEEE Std 1003.1, chown(), 'DESCRIPTION'",
        "open(2), O_PATH: fchown(2) fails with EBADF",
        "chown_common() in fs/open.c: nothing is cleared if S_ISDIR(inode->i_mode)",
        "e014f37db1a2 (\"xfs: use setattr_copy to set vfs inode attributes\"), 5.18",
    ),
    params={"call": CALLS, "fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    where=lambda call, fs: fs == "tmpfs" or call == "lchown",
    expect=expected,
    needs=lambda call, fs: ("root", "fs:" + fs),
    survivors={
        'drop chmod("place/directory"*': "Those of a directory are kept, as is claimed: there is nothing to put back.",
    },
)


def observe(lab, call, fs):
    lab.filesystem(fs, "place")
    build(lab)
    stranger = lab.become(lab.fork("CAP_CHOWN"), OTHER, OTHER, (), [CAP.CHOWN])
    table = {}
    for name, caller in (("root", lab), ("CAP_CHOWN", stranger)):
        table[name] = {}
        for path in OBJECTS + tuple(LINKS):
            if look(lab, path) != (LINK_BEFORE if path in LINKS else BEFORE[path]):
                raise Broken("what is to be changed has been changed")
            outcome = {"result": change(caller, call, "place/" + path), "now": look(lab, path)}
            if path in LINKS:
                outcome["what it points to"] = look(lab, LINKS[path])
            table[name][path] = outcome
            restore(lab, LINKS.get(path, path), path)
    return table


def build(lab):
    lab.file("place/file")
    lab.mkdir("place/directory", 0o755)
    for path, kind in (("fifo", S.IFIFO), ("socket", S.IFSOCK), ("device", S.IFCHR)):
        lab.mknod("place/" + path, kind | 0o755, NO_DEVICE)
        restore(lab, path, path)
    for path, target in LINKS.items():
        lab.symlink(target, "place/" + path)
        restore(lab, target, path)


def restore(lab, target, path):
    """The ids first: chown would clear the bits."""
    for one in dict.fromkeys((path, target)):
        lab.lchown("place/" + one, OWNER, GROUP)
    lab.chmod("place/" + target, 0o6755)


def change(caller, call, path):
    if call in ("chown", "lchown"):
        return getattr(caller.attempt, call)(path, OTHER, OTHER)
    if call not in DESCRIPTORS:
        flags = AT.SYMLINK_NOFOLLOW if "NOFOLLOW" in call else 0
        return caller.attempt.fchownat(AT_FDCWD, path, OTHER, OTHER, flags)
    descriptor, error = caller.issue("open", [path, DESCRIPTORS[call], 0])
    if error:
        return error
    if call.startswith("fchownat"):
        result = caller.attempt.fchownat(descriptor, "", OTHER, OTHER, AT.EMPTY_PATH)
    else:
        result = caller.attempt.fchown(descriptor, OTHER, OTHER)
    caller.close(descriptor)
    return result


def look(lab, path):
    now = lab.status("place/" + path)
    return "%s %s:%s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]))

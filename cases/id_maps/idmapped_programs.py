"""A set-id program runs as who the mount shows as its owner, and as its caller where the mount shows nobody.

An idmapped mount translates owners for execve(2) too. A program that the filesystem stores as the builder's, and the mount
shows as the client's, makes whoever runs it the client. So who may make an idmapped mount, root of the filesystem's user
namespace, decides whose rights such programs lend; the builder who set the bit does not. What the map leaves out belongs to
nobody there, and its bits are ignored, without an error. A user namespace of the caller must have ids for who is shown; that
it has them for who is stored helps nothing.

By another path the same file runs as it is stored: the mount changes nothing else.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

MODES = ("00755", "04755", "02755", "06755")
# Who is stored as owner and group: who is shown. The caller is a user with the number GROUP.
SHOWN = {OWNER: OTHER}
CALLER = GROUP
PLACES = {
    "the filesystem": ("files/owner's", None),
    "an idmapped mount": ("mapped/owner's", None),
    "an idmapped mount, owner left out": ("mapped/root's", None),
    "an idmapped mount, in a namespace with who is shown": ("mapped/owner's", (CALLER, OTHER)),
    "an idmapped mount, in a namespace with who is stored": ("mapped/owner's", (CALLER, OWNER)),
}
RUNS_AS = {"the filesystem": "owner", "an idmapped mount": "other",
           "an idmapped mount, in a namespace with who is shown": "other"}


def expected(place):
    who, caller = RUNS_AS.get(place), user_name(CALLER)
    return {mode: "%s:%s" % (who if who and int(mode, 8) & 0o4000 else caller, who if who and int(mode, 8) & 0o2000 else caller)
            for mode in MODES}


CASE = Case(
    claim="Through an idmapped mount a set-id program runs as the owner that is shown, and as its caller if none is.",
    cites=(
        "mount_setattr(2), 'ID-mapped mounts'",
        "bprm_fill_uid() in fs/exec.c: i_uid_into_vfsuid(), and vfsuid_has_mapping() of the caller's user namespace",
        "Documentation/filesystems/idmappings.rst",
    ),
    params={"place": tuple(PLACES)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns", "syscall:mount_setattr", "fs:ext4"),
    documented="execve(2) speaks of the owner of the file, not of the one that an idmapped mount shows.",
)


def observe(lab, place):
    lab.filesystem("ext4", "files")
    for name, owner in (("owner's", OWNER), ("root's", 0)):
        lab.mkdir("files/" + name, 0o755)
        for mode in MODES:
            lab.program("files/%s/%s" % (name, mode), int(mode, 8), owner, owner)
    idmap(lab)
    path, ids = PLACES[place]
    caller = lab.become(lab.fork("caller"), CALLER, CALLER)
    if ids is not None:
        caller.unshare(CLONE.NEWUSER)
        # Ids keep their numbers inside, so that observations name them alike.
        maps = {one: one for one in ids}
        lab.map_ids(caller, maps, maps, by=lab)
    answers = caller.batch([("run_program", "%s/%s" % (path, mode)) for mode in MODES])
    return {mode: answer if isinstance(answer, str) else "%s:%s" % (user_name(answer["euid"]), user_name(answer["egid"]))
            for mode, answer in zip(MODES, answers)}


def idmap(lab):
    lab.mkdir("mapped", 0o755)
    holder = lab.fork("map")
    holder.unshare(CLONE.NEWUSER)
    lab.map_ids(holder, SHOWN, SHOWN, by=lab)
    namespace = lab.open("/proc/%d/ns/user" % holder.pid, 0, 0)
    tree = lab.open_tree(AT_FDCWD, "files", OPEN_TREE.CLONE)
    lab.mount_setattr(tree, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": namespace})
    lab.move_mount(tree, "", AT_FDCWD, "mapped", MOVE_MOUNT.F_EMPTY_PATH)

"""Through an idmapped mount chown means the ids that the mount shows, clears the same bits, and refuses ids that it lacks.

An idmapped mount shows each owner on the disk as another, by the map of a user namespace. All rules of chown are then about
what is shown: the owner is who the mount shows as the owner, an id in a call is translated to the one on the disk, and
group membership is compared with the group that is shown. The owner on the disk is a stranger here.

An id that the mount cannot translate cannot be written: chown to it fails with EOVERFLOW, for root too, before any right
is looked at, and so does creating a file as a user that the mount does not know. Naming the number that is on the disk is
such a mistake. -1, -1 stays what it is, a call that asks for no id.

Containers whose root filesystem is idmapped rely on both: what they give away lands within their range, and what
lies outside fails instead of becoming somebody's.
"""

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import AT, AT_FDCWD, CAP, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# On the disk: shown. Everything else has no counterpart.
UIDS, GIDS = {OWNER: OTHER, 0: 0}, {GROUP: OTHER, 0: 0}
IDS = {
    "-1, -1": (-1, -1),
    "as shown": (OTHER, OTHER),
    "as on the disk": (OWNER, GROUP),
    "owner on the disk, -1": (OWNER, -1),
    "root, -1": (0, -1),
    "-1, root": (-1, 0),
}
# uid, group, capabilities
CALLERS = {
    "root": (0, 0, ("CHOWN", "FOWNER", "DAC_OVERRIDE")),
    "owner as shown": (OTHER, OTHER, ()),
    "owner on the disk": (OWNER, GROUP, ()),
    "owner on the disk with CAP_CHOWN": (OWNER, GROUP, ("CHOWN",)),
    "owner on the disk with CAP_CHOWN and CAP_FOWNER": (OWNER, GROUP, ("CHOWN", "FOWNER")),
}


def expected(caller, fs):
    uid, gid, held = CALLERS[caller]
    on_disk = {shown: disk for disk, shown in UIDS.items()}.get(uid)
    group = {shown: disk for disk, shown in GIDS.items()}.get(gid)
    created = "EOVERFLOW" if on_disk is None else "00644 %s:%s" % (user_name(on_disk), user_name(group))
    return dict({name: outcome(uid, gid, held, *ids) for name, ids in IDS.items()}, create=created)


def outcome(uid, gid, held, new_uid, new_gid):
    """notify_change(), then setattr_prepare(); the file is 06755, so that clearing takes the owner or CAP_FOWNER."""
    if new_uid not in (-1, *UIDS.values()) or new_gid not in (-1, *GIDS.values()):
        return spelled("EOVERFLOW", "06755", OWNER, GROUP)
    owner_ok = new_uid == -1 or (uid == OTHER and new_uid == OTHER)
    group_ok = new_gid == -1 or (uid == OTHER and new_gid in (gid, OTHER))
    mode_ok = uid == OTHER or "FOWNER" in held
    if not mode_ok or not ("CHOWN" in held or (owner_ok and group_ok)):
        return spelled("EPERM", "06755", OWNER, GROUP)
    return spelled("ok", "00755", 0 if new_uid == 0 else OWNER, 0 if new_gid == 0 else GROUP)


def spelled(result, mode, uid, gid):
    """With the ids on the disk, and what the mount shows for them."""
    return {"result": result, "disk": "%s %s:%s" % (mode, user_name(uid), user_name(gid)),
            "shown": "%s %s:%s" % (mode, user_name(UIDS[uid]), user_name(GIDS[gid]))}


CASE = Case(
    claim="Through an idmapped mount chown's rules are about the ids that it shows; an id that it does not map is EOVERFLOW for"
          " every caller.",
    cites=(
        "mount_setattr(2), 'ID-mapped mounts'",
        "Documentation/filesystems/idmappings.rst",
        "chown_common() in fs/open.c; notify_change() in fs/attr.c: vfsuid_has_fsmapping()",
        "2f221d6f7b88 (\"attr: handle idmapped mounts\"), 5.12",
    ),
    params={"caller": tuple(CALLERS), "fs": ("tmpfs", "ext4", "xfs", "btrfs")},
    where=lambda caller, fs: fs in ("tmpfs", "ext4") or caller == "owner as shown",
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda caller, fs: ("root", "userns", "syscall:mount_setattr", "fs:" + fs),
    documented="chown(2), 'ERRORS' does not list EOVERFLOW.",
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    # Who makes what in it is part of the question, not who may.
    lab.chmod("files", 0o777)
    lab.file("files/file", 0o6755, OWNER, GROUP)
    idmap(lab, fs)
    uid, gid, held = CALLERS[caller]
    process = lab
    if caller != "root":
        process = lab.become(lab.fork("caller"), uid, gid, (), [getattr(CAP, name) for name in held])
    table = {name: attempt(lab, process, ids) for name, ids in IDS.items()}
    created = process.try_open("mapped/new", O.CREAT | O.EXCL | O.WRONLY)
    if created == "ok":
        lab.chmod("files/new", 0o644)
    return dict(table, create=look(lab, "files/new") if created == "ok" else created)


def idmap(lab, fs):
    """An idmapped mount of `files` on `mapped`."""
    lab.mkdir("mapped", 0o755)
    holder = lab.fork("map")
    holder.unshare(CLONE.NEWUSER)
    lab.map_ids(holder, UIDS, GIDS, by=lab)
    namespace = lab.open("/proc/%d/ns/user" % holder.pid, O.CLOEXEC, 0)
    tree = lab.open_tree(AT_FDCWD, "files", OPEN_TREE.CLONE | O.CLOEXEC)
    result = lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": namespace})
    if result == "EINVAL":
        raise Unsupported("no idmapped mounts of %s" % fs)
    if result != "ok":
        raise RuntimeError("mount_setattr: " + result)
    lab.move_mount(tree, "", AT_FDCWD, "mapped", MOVE_MOUNT.F_EMPTY_PATH)


def attempt(lab, process, ids):
    result = process.attempt.chown("mapped/file", *ids)
    seen = {"result": result, "disk": look(lab, "files/file"), "shown": look(lab, "mapped/file")}
    lab.chown("files/file", OWNER, GROUP)
    lab.chmod("files/file", 0o6755)
    return seen


def look(lab, path):
    now = lab.status(path)
    return "%s %s:%s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]))

"""A chown that succeeds changes ctime, even when it changes nothing else; one that fails changes nothing at all.

chown_common() always asks for ATTR_CTIME. So -1, -1 and the ids that a file already has move its ctime, where the
standard would allow the former to leave it. As -1, -1 asks for no right, anybody who can reach a path can do so, to files and
directories alike: a cache or a backup that takes ctime for "something has changed" can be kept busy by a stranger. An
equal ctime proves the opposite reliably, as nobody can set it back.

A call that fails leaves mode, owner, group and ctime alone: EPERM for missing rights, also for the set-id bits that would have
to be cleared; EROFS, ENOENT and ENOTDIR from the path; EINVAL for a flag that fchownat does not know.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MS
from ksem.guest.lab import GROUP, OTHER, OWNER

# What is changed: file or directory, its mode; the call; whether the stranger's, owner's and root's attempts succeed.
ATTEMPTS = {
    "-1, -1": ("file", 0o644, ("chown", "{path}", -1, -1)),
    "-1, -1 on a directory": ("directory", 0o755, ("chown", "{path}", -1, -1)),
    "-1, -1 on a set-group-id directory": ("directory", 0o2755, ("chown", "{path}", -1, -1)),
    "-1, -1 on a set-user-id file": ("file", 0o4755, ("chown", "{path}", -1, -1)),
    "the same owner": ("file", 0o644, ("chown", "{path}", OWNER, -1)),
    "the same group": ("file", 0o644, ("chown", "{path}", -1, GROUP)),
    "another owner": ("file", 0o644, ("chown", "{path}", OTHER, -1)),
    "another owner, set-user-id": ("file", 0o4755, ("chown", "{path}", OTHER, -1)),
    "group of root": ("file", 0o644, ("chown", "{path}", -1, 0)),
    "-1, -1 on a read-only mount": ("file", 0o644, ("chown", "read-only/{name}", -1, -1)),
    "-1, -1 below a file": ("file", 0o644, ("chown", "{path}/x", -1, -1)),
    "-1, -1 with an unknown flag": ("file", 0o644, ("fchownat", AT_FDCWD, "{path}", -1, -1, AT.SYMLINK_FOLLOW)),
}
ERRORS = {"-1, -1 on a read-only mount": "EROFS", "-1, -1 below a file": "ENOTDIR", "-1, -1 with an unknown flag": "EINVAL"}
# Who may: root everything that can be done at all.
ALLOWED = {
    "owner": ("-1, -1", "-1, -1 on a directory", "-1, -1 on a set-group-id directory", "-1, -1 on a set-user-id file",
              "the same owner", "the same group"),
    "stranger": ("-1, -1", "-1, -1 on a directory", "-1, -1 on a set-group-id directory"),
}
CALLERS = ("root", "owner", "stranger")


def expected(caller, fs):
    return {name: outcome(caller, name) for name in ATTEMPTS}


def outcome(caller, name):
    _, mode, call = ATTEMPTS[name]
    error = ERRORS.get(name) or (None if caller == "root" or name in ALLOWED[caller] else "EPERM")
    if error:
        return {"result": error, "ctime": "kept", "now": spelled(mode, OWNER, GROUP)}
    uid, gid = call[-2:]
    directory = ATTEMPTS[name][0] == "directory"
    return {"result": "ok", "ctime": "changed", "now": spelled(
        mode if directory else mode & ~0o4000, OWNER if uid == -1 else uid, GROUP if gid == -1 else gid)}


def spelled(mode, uid, gid):
    return "%05o %d:%d" % (mode, uid, gid)


CASE = Case(
    claim="Every chown that succeeds changes ctime, also -1, -1 by a stranger; one that fails changes neither mode, owner nor"
          " ctime.",
    cites=(
        "IEEE Std 1003.1, chown(), 'DESCRIPTION'",
        "chown_common() in fs/open.c: newattrs.ia_valid = ATTR_CTIME",
        "chown(2), 'ERRORS'",
    ),
    params={"caller": CALLERS, "fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    where=lambda caller, fs: fs == "tmpfs" or caller == "stranger",
    expect=expected,
    needs=lambda caller, fs: ("root", "fs:" + fs),
    documented="chown(2) does not say that -1, -1 needs no right, nor that it changes ctime.",
    survivors={
        'drop chmod("files/*': "The directory is made with that mode.",
    },
)


def observe(lab, caller, fs):
    lab.filesystem(fs, "files")
    for number, (kind, mode, _) in enumerate(ATTEMPTS.values()):
        path = "files/%d" % number
        if kind == "file":
            lab.file(path, mode, OWNER, GROUP)
        else:
            lab.mkdir(path, 0o755)
            lab.chown(path, OWNER, GROUP)
            lab.chmod(path, mode)
    lab.bind("files", "read-only")
    lab.mount(None, "read-only", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
    lab.file("files/before")
    lab.tick()
    process = lab
    if caller != "root":
        process = lab.become(lab.fork("caller"), *((OWNER, GROUP) if caller == "owner" else (OTHER, OTHER)))
    results = process.batch(tuple(word.format(path="files/%d" % number, name=number) if isinstance(word, str) else word
                                  for word in call) for number, (_, _, call) in enumerate(ATTEMPTS.values()))
    return {name: seen(lab, "files/%d" % number, result)
            for number, (name, result) in enumerate(zip(ATTEMPTS, results))}


def seen(lab, path, result):
    changed = lab.changed_after(path, "files/before")
    now = lab.status(path)
    return {"result": result, "ctime": "changed" if changed else "kept",
            "now": spelled(int(now["mode"], 8), now["uid"], now["gid"])}

"""What was opened before / was bound stays a way to write to it: a mount flag is asked of the mount that a file was opened on.

The recipe puts a new, read-only mount over the root; it does not touch the one below. A descriptor for writing, a
descriptor of a directory and a working directory that are older hold that lower mount and write as before, also after
pivot_root has made the new mount `/` and the old root was detached: a mount lives as long as something in it is open.
By `..` they reach what lies above the root: all of the machine after chroot, which confines only paths that start at `/`;
after pivot_root the rest of that one filesystem, as a detached mount has no parent any more. So a sandbox has to close
what it inherits, and change its directory after the last step, also when it stands in the root already.

The other order shows itself: a file that is open for writing on the new mount makes the remount fail with EBUSY, and
then nothing is read-only.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MNT, MS, O
from ksem.guest.lab import GROUP, OWNER

WRITER = O.WRONLY
WHEN = ("before the root was bound", "between bind and remount", "after the remount")
REMOUNT = MS.REMOUNT | MS.BIND | MS.RDONLY


def expected(when, entered):
    below = when == WHEN[0]
    remount = "EBUSY" if when == WHEN[1] else "ok"
    free = below or remount == "EBUSY"
    by = {
        "write to a descriptor": "ok" if when != WHEN[2] else "not opened",
        "fchmod of a descriptor": "ok" if free else "EROFS",
        "mkdirat in a descriptor": "ok" if free else "EROFS",
        "mkdir in the working directory": "ok" if free else "EROFS",
        "mkdir by path": "EROFS" if remount == "ok" else "ok",
        "mkdir after a new chdir": "EROFS" if remount == "ok" else "ok",
    }
    outside = below or entered == "not yet"
    by["the directory above"] = "ok" if outside else "ENOENT"
    by["the machine's /"] = "ok" if outside and entered != "pivot_root" else "ENOENT"
    return dict(by, remount=remount, opening="EROFS" if when == WHEN[2] else "ok")


CASE = Case(
    claim="Descriptors and a working directory from before the root was bound onto itself go on writing beneath the read-only"
          " mount; one for writing on the new mount makes its remount EBUSY.",
    cites=(
        "mount(2), 'ERRORS', EBUSY",
        "mnt_hold_writers() in fs/namespace.c; mnt_want_write_file() asks file->f_path.mnt",
        "pivot_root(2), 'NOTES'; umount(2), MNT_DETACH",
    ),
    params={"when": WHEN, "entered": ("not yet", "chroot", "pivot_root")},
    expect=expected,
    needs=("root", "userns"),
    options=("CONFIG_USER_NS",),
    survivors={
        "drop lab.map_ids": "What it owned it owns in there too, with a name for it or without.",
    },
)


def observe(lab, when, entered):
    lab.mkdir("outside", 0o755)
    lab.mkdir("root", 0o755)
    lab.file("root/file", 0o644, OWNER, GROUP)
    lab.chown("root", OWNER, GROUP)
    lab.become(lab, OWNER, GROUP)
    lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    lab.map_ids(lab, {0: OWNER}, {0: GROUP})
    holder = lab.fork("holder")
    opened = hold(holder) if when == WHEN[0] else None
    lab.mount("root", "root", None, MS.BIND | MS.REC, None)
    opened = hold(holder) if when == WHEN[1] else opened
    remount = lab.attempt.mount(None, "root", None, REMOUNT, None)
    opened = opened or hold(holder)
    path = enter(lab, holder, entered)
    writing, file, directory = opened
    calls = {
        "fchmod of a descriptor": ("fchmod", file, 0o640),
        "mkdirat in a descriptor": ("mkdirat", directory, "by descriptor", 0o755),
        "mkdir in the working directory": ("mkdir", "by cwd", 0o755),
        "mkdir by path": ("mkdir", path + "/by path", 0o755),
        "the directory above": ("try_open", "../outside", O.DIRECTORY),
        "the machine's /": ("try_open", "../../dev", O.DIRECTORY),
        "chdir": ("chdir", path),
        "mkdir after a new chdir": ("mkdir", "by new cwd", 0o755),
    }
    if writing is not None:
        calls["write to a descriptor"] = ("write", writing, "x", 1)
    found = dict(zip(calls, holder.batch(calls.values())))
    del found["chdir"]
    found.setdefault("write to a descriptor", "not opened")
    return dict(found, remount=remount, opening="ok" if writing is not None else "EROFS")


def hold(holder):
    """Work in the root, and open a file for writing, as far as that is possible, for reading, and the directory."""
    holder.chdir("root")
    answer = holder.try_open("file", WRITER)
    writing = holder.open("file", WRITER, 0) if answer == "ok" else None
    return writing, holder.open("file", 0, 0), holder.open(".", O.DIRECTORY, 0)


def enter(lab, holder, entered):
    """Make the root `/` for the holder: its path from there. pivot_root takes along who stood in the old root, not where."""
    if entered == "not yet":
        return "/tmp/root"
    if entered == "chroot":
        holder.chroot("/tmp/root")
        return "/"
    lab.chdir("root")
    lab.pivot_root(".", ".")
    lab.umount2(".", MNT.DETACH)
    return "/"

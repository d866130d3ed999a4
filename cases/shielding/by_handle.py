"""A file handle walks through no directory: who may open one passes every shield above the file.

open_by_handle_at(2) finds an inode by what the filesystem calls it. No directory is searched on the way, so a 0700 directory
above does not count; the permissions of the file itself do. Handles can be guessed, as they are small numbers on many
filesystems, and so the call was for CAP_DAC_READ_SEARCH over the machine alone. Who has that searches closed directories
anyway.

Since 6.11 root of a user namespace may open directories by it, with O_DIRECTORY: on a filesystem that it mounted, and in a
mount of its own mount namespace on which nothing is locked. Each directory on the way up must have an owner and a group that
are mapped, as if it had been walked; that is more than a path is asked for, and nothing that a path would not give. Files
stay EPERM. To make a handle, name_to_handle_at(2), takes the path, and so is no way around anything.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CAP, CLONE, O
from ksem.guest.lab import GROUP, OTHER, OWNER

CALLERS = ("root", "stranger", "stranger with CAP_DAC_READ_SEARCH", "owner", "root of a user namespace",
           "root of a user namespace, its own filesystem")
FILES = {"open to all": 0o666, "closed": 0o600}


def since_6_11(caller):
    return table(caller, directories="namespace" in caller)


def before_6_11(caller):
    return table(caller, directories=False)


def table(caller, directories):
    """Those whose capability is to read and search have the file's own mode for the rest: for reading it is enough."""
    opens = caller in ("root", "stranger with CAP_DAC_READ_SEARCH")
    searches = caller != "stranger"
    seen = {"directory": {"by path": "ok" if searches else "EACCES", "handle": "ok" if searches else "EACCES",
                          "by handle": ("ok" if opens or directories else "EPERM") if searches else "not tried"}}
    for name, mode in FILES.items():
        reads = opens
        writes = opens and (caller != "stranger with CAP_DAC_READ_SEARCH" or mode == 0o666)
        seen[name] = {
            "by path": "EACCES" if not searches else "ok",
            "handle": "ok" if searches else "EACCES",
            "read by handle": ("ok" if reads else "EPERM") if searches else "not tried",
            "write by handle": ("ok" if writes else "EACCES" if opens else "EPERM") if searches else "not tried",
        }
    return seen


CASE = Case(
    claim="open_by_handle_at passes every directory above a file, for CAP_DAC_READ_SEARCH over the machine; since 6.11 root of"
          " a user namespace may open directories by it.",
    cites=(
        "open_by_handle_at(2), 'DESCRIPTION' and 'ERRORS', EPERM",
        "capabilities(7), CAP_DAC_READ_SEARCH",
        "may_decode_fh() in fs/fhandle.c",
    ),
    params={"caller": CALLERS},
    expect=(
        Rule(since_6_11, since="6.11", cites="620c266f3949 (\"fhandle: relax open_by_handle_at() permission checks\"), 6.11"),
        Rule(before_6_11, cites="open_by_handle_at(2), 'ERRORS', EPERM"),
    ),
    options=("CONFIG_FHANDLE", "CONFIG_USER_NS"),
    needs=("root", "userns"),
    documented="open_by_handle_at(2) of man-pages 6.03 asks for CAP_DAC_READ_SEARCH over the machine; directories take"
               " less since 6.11.",
    survivors={
        'drop chown("place/shield/open to all"*': "Whose it is does not matter where all may read and write it.",
        'drop chmod("place/shield/closed", 0600)': "It is made with that mode.",
    },
)


def observe(lab, caller):
    process = lab.fork("caller")
    uid, gid = (OTHER, OTHER) if "stranger" in caller else (OWNER, GROUP)
    if caller != "root":
        lab.become(process, uid, gid, (), [CAP.DAC_READ_SEARCH] if "SEARCH" in caller else ())
    if "namespace" in caller:
        process.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(process, {0: OWNER}, {0: GROUP}, by=lab)
    maker = lab
    lab.mkdir("place", 0o755)
    if "own filesystem" in caller:
        maker = process
        process.mount("own", "place", "tmpfs", 0, "mode=755")
    maker.values([("mkdir", "place/shield", 0o755), ("mkdir", "place/shield/directory", 0o755)])
    for name, mode in FILES.items():
        path = "place/shield/" + name
        maker.values([("close", maker.open(path, O.CREAT | O.WRONLY, 0o600)), ("chmod", path, mode)])
        if maker is lab:
            lab.chown(path, OWNER, GROUP)
    if maker is lab:
        lab.values(("chown", "place" + path, OWNER, GROUP) for path in ("", "/shield", "/shield/directory"))
    maker.chmod("place/shield", 0o700)
    mount = process.open("place", O.DIRECTORY, 0)
    by_path, opened = process.batch([("try_open", "place/shield/directory", O.DIRECTORY),
                                     ("open_by_handle", "place/shield/directory", mount, O.DIRECTORY)])
    seen = {"directory": {"by path": by_path, "handle": opened["handle"], "by handle": named(opened["open"])}}
    return dict(seen, **{name: tried(process, "place/shield/" + name, mount) for name in FILES})


def tried(process, path, mount):
    calls = [("try_open", path, 0)] + [("open_by_handle", path, mount, flags) for flags in (0, O.WRONLY)]
    by_path, read, write = process.batch(calls)
    return {"by path": by_path, "handle": read["handle"], "read by handle": named(read["open"]),
            "write by handle": named(write["open"])}


def named(opened):
    return opened if isinstance(opened, str) else "ok"

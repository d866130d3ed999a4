"""A path that was a client's may lead elsewhere by now: chown follows it, and no flag protects from a hard link.

Between giving a path away and taking it back, its owner can have replaced what is there. chown and fchownat follow a
symlink, so a privileged chown of such a path changes the file that the client chose: it gives away what was
somebody else's. lchown and AT_SYMLINK_NOFOLLOW change the link itself, and so does a descriptor that was opened with
O_PATH|O_NOFOLLOW; open with O_NOFOLLOW alone fails with ELOOP.

All of these look at the last component only. A symlink in place of a directory on the way is followed by every one of them;
what helps is to walk by descriptors, each opened with O_NOFOLLOW|O_DIRECTORY (ENOTDIR; ELOOP without O_DIRECTORY).

A hard link to another's file cannot be told from the file, and every call changes that file. Only fs.protected_hardlinks keeps
a client from making one of what it may not write to, or a directory above that it cannot enter.

The set-id bits of the file that is changed go in each case. That limits the damage of a misled chown: it gives a file away,
but no set-id program of its new owner.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# What has become of tree/directory/entry. The victim is a set-user-id program of OWNER's, elsewhere.
BECAME = ("what it was", "set-user-id program", "symlink to the victim", "hard link to the victim", "symlink on the way")
CALLS = ("chown", "lchown", "fchownat", "fchownat, AT_SYMLINK_NOFOLLOW", "open, O_NOFOLLOW and fchown",
         "open, O_PATH|O_NOFOLLOW and fchownat", "openat by components, O_NOFOLLOW and fchown")
FOLLOWING = ("chown", "fchownat")
ENTRY, VICTIM = "tree/directory/entry", "elsewhere/entry"


def expected(became):
    return {call: outcome(became, call) for call in CALLS}


def outcome(became, call):
    victim, before = "04755 owner:group", entry_before(became)
    if became == "symlink to the victim":
        if call in FOLLOWING:
            return {"result": "ok", "entry": before, "victim": "00755 root:root"}
        if "and fchown" in call and "O_PATH" not in call:
            return {"result": "ELOOP", "entry": before, "victim": victim}
        return {"result": "ok", "entry": "00777 root:root", "victim": victim}
    if became == "symlink on the way" and "components" in call:
        return {"result": "ENOTDIR", "entry": before, "victim": victim}
    changed = "00755 root:root" if became != "what it was" else "00644 root:root"
    return {"result": "ok", "entry": changed, "victim": changed if "victim" in became or "way" in became else victim}


def entry_before(became):
    return {"what it was": "00644 other:other", "symlink to the victim": "00777 other:other",
            "set-user-id program": "04755 other:other"}.get(became, "04755 owner:group")


CASE = Case(
    claim="A privileged chown of a path that its owner has replaced by a symlink changes what that points to, which lchown and"
          " O_NOFOLLOW avoid for the last component alone; a hard link to another's file is not recognized by any call.",
    cites=(
        "chown(2), 'DESCRIPTION'; symlink(7), 'System calls'",
        "open(2), O_NOFOLLOW, O_PATH",
        "proc_sys_fs(5), /proc/sys/fs/protected_hardlinks",
        "do_fchownat() in fs/open.c: LOOKUP_FOLLOW",
    ),
    params={"became": BECAME},
    expect=expected,
    needs=("root",),
    survivors={
        'drop lchown("*': "It puts back what it was; not every call changes it.",
        'drop chmod("*': "It puts back what it was; not every call changes it.",
    },
)


def observe(lab, became):
    for path in ("tree", "elsewhere"):
        lab.mkdir(path, 0o755)
    lab.file(VICTIM, 0o4755, OWNER, GROUP)
    make(lab, became)
    table = {}
    for call in CALLS:
        result = change(lab, call)
        table[call] = {"result": result, "entry": look(lab, ENTRY), "victim": look(lab, VICTIM)}
        restore(lab, became)
    return table


def make(lab, became):
    if became == "symlink on the way":
        lab.symlink("../elsewhere", "tree/directory")
        return
    lab.mkdir("tree/directory", 0o755)
    if became == "symlink to the victim":
        lab.symlink("../../" + VICTIM, ENTRY)
    elif became == "hard link to the victim":
        lab.link(VICTIM, ENTRY)
    else:
        lab.file(ENTRY)
    restore(lab, became)


def restore(lab, became):
    lab.lchown(ENTRY, OTHER, OTHER)
    if became in ("what it was", "set-user-id program"):
        lab.chmod(ENTRY, 0o644 if became == "what it was" else 0o4755)
    lab.lchown(VICTIM, OWNER, GROUP)
    lab.chmod(VICTIM, 0o4755)


def change(lab, call):
    if call in ("chown", "lchown"):
        return getattr(lab.attempt, call)(ENTRY, 0, 0)
    if call.startswith("fchownat"):
        return lab.attempt.fchownat(AT_FDCWD, ENTRY, 0, 0, AT.SYMLINK_NOFOLLOW if "NOFOLLOW" in call else 0)
    opened = []
    result = walk(lab, call, opened)
    if result == "ok" and "O_PATH" in call:
        result = lab.attempt.fchownat(opened[-1], "", 0, 0, AT.EMPTY_PATH)
    elif result == "ok":
        result = lab.attempt.fchown(opened[-1], 0, 0)
    for descriptor in opened:
        lab.close(descriptor)
    return result


def walk(lab, call, opened):
    """Open the entry in that way; what was opened is added to `opened`."""
    ways = [(ENTRY, O.NOFOLLOW | (O.PATH if "O_PATH" in call else 0))]
    if "components" in call:
        ways = [("tree", O.NOFOLLOW | O.DIRECTORY), ("directory", O.NOFOLLOW | O.DIRECTORY), ("entry", O.NOFOLLOW)]
    for name, flags in ways:
        descriptor, error = lab.issue("openat", [opened[-1] if opened else AT_FDCWD, name, flags, 0])
        if error:
            return error
        opened.append(descriptor)
    return "ok"


def look(lab, path):
    now = lab.status(path)
    return "%s %s:%s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]))

"""Somebody else's files stay somebody else's, whatever number they are shown with: access goes by the real owner.

To a process that is root of one id in its user namespace, a directory of root's or of any other user seems to be the
overflow user's. It is judged just as the same user outside of any namespace is: by the permissions for others. So
writing to a closed file, and making, removing or renaming names in a closed directory, are EACCES; chmod and
chown are EPERM on an open one too. The capabilities of that root count for nothing here, as they reach only inodes
whose owner and group are mapped. Nor is it worse off than the plain user: where everybody may write, so may it.

Therefore a root-owned directory can serve as `/` for a sandbox that cannot map root, and so can one of any user but the
sandbox's own. One of its own is no protection: there the same calls succeed.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, W_OK, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

OWNERS = {"root": 0, "other": OTHER, "own": OWNER}
# Of the directory and of the files in it.
MODES = {"closed": (0o755, 0o644), "open": (0o777, 0o666), "sticky": (0o1777, 0o666)}


def expected(owner, mode):
    names = {"root": "root", "other": "other", "own": "owner"}
    inside = {"root": "overflow", "other": "overflow", "own": "root"}
    result = results(owner, mode)
    return {"plain user": dict(result, owner=names[owner]),
            "root of a user namespace": dict(result, owner=inside[owner])}


def results(owner, mode):
    own = owner == "own"
    write = "ok" if own or mode != "closed" else "EACCES"
    names = write if own or mode != "sticky" else "EPERM"
    change = "ok" if own else "EPERM"
    return {
        "read": "ok", "list": "ok", "may write": write, "write": write,
        "create": write, "mkdir": write, "rename": names, "unlink": names,
        "chmod file": change, "chmod directory": change, "chown file": change, "chown directory": change,
        "left": left(write, names),
    }


def left(write, names):
    """The names in the directory afterwards: what was made, and what could be neither renamed nor removed."""
    made = ["created", "made"] if write == "ok" else []
    old = ["file", "renamed"] if names == "ok" else ["file", "rename me", "unlink me"]
    return sorted(made + old)


CASE = Case(
    claim="Root of a user namespace has no more rights to an inode of an unmapped owner than the same user has outside:"
          " the mode for others decides, chmod and chown are EPERM.",
    cites=(
        "user_namespaces(7), 'Accessing files'",
        "user_namespaces(7), 'Operation of file-related capabilities'",
        "privileged_wrt_inode_uidgid() and inode_owner_or_capable() in the kernel",
        "23adbe12ef7d (\"fs,userns: Change inode_capable to capable_wrt_inode_uidgid\"), 3.16, CVE-2014-4014",
    ),
    params={"owner": tuple(OWNERS), "mode": tuple(MODES)},
    shown_with={"owner": "root", "mode": "closed"},
    where=lambda owner, mode: owner != "own" or mode == "closed",
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, owner, mode):
    overflow = lab.overflow_ids()[0]
    plain = lab.become(lab.fork("plain"), OWNER, GROUP)
    inside = lab.mapped("inside", {0: OWNER}, {0: GROUP})
    table = {}
    # Each names itself in chown as its own user namespace does.
    for name, process, own_id in (("plain user", plain, OWNER), ("root of a user namespace", inside, 0)):
        build(lab, process.name, OWNERS[owner], mode)
        lab.chdir(process.name)
        _, seen = process.values([("chdir", process.name), ("statx", AT_FDCWD, ".", 0, 0x7FF)])
        table[name] = dict(tried(process, own_id), owner=user_name(seen["uid"], overflow))
        table[name]["left"] = lab.list_directory(".")
        lab.chdir("..")
    return table


def build(lab, path, owner, mode):
    directory, file = MODES[mode]
    group = GROUP if owner == OWNER else owner
    lab.mkdir(path, 0o755)
    for name in ("file", "rename me", "unlink me"):
        lab.file(path + "/" + name, file, owner, group)
    lab.chown(path, owner, group)
    lab.chmod(path, directory)


def tried(process, own_id):
    own_group = own_id and GROUP
    calls = {
        "read": ("try_open", "file", 0),
        "list": ("try_open", ".", O.DIRECTORY),
        "may write": ("access", "file", W_OK),
        "write": ("try_open", "file", O.WRONLY),
        "create": ("try_open", "created", O.WRONLY | O.CREAT),
        "mkdir": ("mkdir", "made", 0o755),
        "rename": ("rename", "rename me", "renamed"),
        "unlink": ("unlink", "unlink me"),
        "chmod file": ("chmod", "file", 0o600),
        "chmod directory": ("chmod", ".", 0o700),
        "chown file": ("chown", "file", own_id, own_group),
        "chown directory": ("chown", ".", own_id, own_group),
    }
    return dict(zip(calls, process.batch(calls.values())))

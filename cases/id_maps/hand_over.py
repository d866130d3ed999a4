"""Two ordinary users cannot hand an inode over, however well they cooperate; a second id that is mapped can.

A build daemon's user would like to give a finished tree to a client without copying it, and the client would help. Everything
that changes an inode's owner asks for CAP_CHOWN over it, and that reaches only ids that are mapped. So a
user namespace would have to map both users, and to map anybody else takes CAP_SETUID outside of it, whoever of the two writes
the map: the client's process is not the one who made the namespace (EACCES, as the file is not its own), and cannot join it.
A process with one user as its real and the other as its effective id, which is what a setuid program of theirs is, can map its
effective id alone.

What needs no change of owner works, and does not help: passing a descriptor, a hard link, renaming into the client's
directory. The inode stays the builder's. fchown by the client is EPERM on it, and the client can
neither empty nor remove a directory that was moved there. What is left is copying, or a helper with privilege: where root has
mapped both users, chown works in either direction, and the same holds for any subordinate ids that the two share.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, PR, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

TEXT = "0 %d 1\n1 %d 1\n" % (OWNER, OTHER)
WAYS = ("as they are", "the builder maps both", "the client maps both", "the client joins", "effective user of the other",
        "root maps both")
BUILDER = [("setgroups", 0, []), ("setresgid", GROUP, GROUP, GROUP)]


def expected(way):
    if way == "as they are":
        return {
            "chown by the builder": "EPERM", "chown by the client": "EPERM", "fchown by the client": "EPERM",
            "hard link by the client": "ok", "rename to the client by the builder": "ok",
            "rename a directory to the client": "ok", "link removed by the client": "ok",
            "remove what is in the directory": "EACCES", "remove the directory": "ENOTEMPTY", "owners": ["owner", "owner"],
        }
    if way == "root maps both":
        return {"give": "ok", "given to": "other", "take back": "ok", "at the end": "owner"}
    refused = {"the builder maps both": "EPERM", "the client maps both": "EACCES", "the client joins": "EACCES",
               "effective user of the other": "EPERM"}[way]
    return {way: refused, "chown by root of the namespace": "EPERM" if "effective" in way else "EINVAL", "owner": "owner"}


CASE = Case(
    claim="Without privilege no two users can change the owner of an inode from one to the other, with user namespaces or"
          " without; where a map has both, chown does it.",
    cites=(
        "chown(2), 'DESCRIPTION'",
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "chown_ok() in fs/attr.c, new_idmap_permitted() in kernel/user_namespace.c",
    ),
    params={"way": WAYS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        'drop chown("client\'s"*': "All may write to it: that it is the client's own does not help either, as is claimed.",
        "drop setgroups(0, {})": "A group has no part in it.",
        "drop setresgid(*": "A group has no part in it.",
    },
)


def observe(lab, way):
    lab.file("file", 0o666, OWNER, GROUP)
    if way == "as they are":
        return without_namespaces(lab)
    if way == "root maps both":
        builder = lab.mapped("builder", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})
        observation = {"give": builder.attempt.chown("file", 1, 1), "given to": owner(lab, "file")}
        observation["take back"] = builder.attempt.chown("file", 0, 0)
        return dict(observation, **{"at the end": owner(lab, "file")})
    builder = lab.fork("builder")
    effective = OTHER if "effective" in way else OWNER
    builder.values([*BUILDER, ("setresuid", OWNER, effective, effective), ("prctl", PR.SET_DUMPABLE, 1),
                    ("unshare", CLONE.NEWUSER)])
    if way in ("the builder maps both", "effective user of the other"):
        by, call = builder, ("write_file", "/proc/self/uid_map", TEXT)
    else:
        by = lab.become(lab.fork("client"), OTHER, OTHER)
        proc = "/proc/%d/" % builder.pid
        call = ("write_file", proc + "uid_map", TEXT) if "maps" in way else ("try_open", proc + "ns/user", 0)
    observation = {way: by.batch([call])[0]}
    # The one id that it may map, and then a chown to what would be the other.
    builder.write_file("/proc/self/uid_map", "0 %d 1\n" % effective)
    observation["chown by root of the namespace"] = builder.attempt.chown("file", 0 if effective == OTHER else 1, -1)
    return dict(observation, owner=owner(lab, "file"))


def without_namespaces(lab):
    lab.mkdir("builder's", 0o777)
    lab.chmod("builder's", 0o777)
    lab.mkdir("client's", 0o777)
    lab.chown("client's", OTHER, OTHER)
    lab.chmod("client's", 0o777)
    lab.link("file", "builder's/file")
    lab.mkdir("builder's/tree", 0o755)
    lab.chown("builder's/tree", OWNER, GROUP)
    lab.file("builder's/tree/file", 0o644, OWNER, GROUP)
    # Open in both, as if it had been passed on.
    descriptor = lab.open("file", O.RDWR, 0)
    builder = lab.become(lab.fork("builder"), OWNER, GROUP)
    client = lab.become(lab.fork("client"), OTHER, OTHER)
    given = builder.batch([("chown", "file", OTHER, -1), ("rename", "builder's/file", "client's/file"),
                           ("rename", "builder's/tree", "client's/tree")])
    taken = client.batch([("chown", "client's/file", OTHER, -1), ("fchown", descriptor, OTHER, -1),
                          ("link", "client's/file", "client's/link"), ("unlink", "client's/link"),
                          ("unlink", "client's/tree/file"), ("rmdir", "client's/tree")])
    return {
        "chown by the builder": given[0], "chown by the client": taken[0], "fchown by the client": taken[1],
        "hard link by the client": taken[2], "rename to the client by the builder": given[1],
        "rename a directory to the client": given[2], "link removed by the client": taken[3],
        "remove what is in the directory": taken[4], "remove the directory": taken[5],
        "owners": [owner(lab, "client's/file"), owner(lab, "client's/tree")],
    }


def owner(lab, path):
    return user_name(lab.status(path)["uid"])

"""Capabilities over a file need its owner and its group mapped; chmod needs the owner alone.

A process that is root of a user namespace, and holds every capability there, meets a file that is not its own. With
both ids of the file mapped it may do all: read and write what nobody may, chmod, chown, remove it from a sticky
directory. With either of them unmapped it is a stranger: CAP_DAC_OVERRIDE, CAP_CHOWN and CAP_FOWNER do not reach the
inode.

There is one exception: who may change the mode is asked with the owner alone, so chmod by CAP_FOWNER works
where only the group is unmapped. Removing a name from a sticky directory takes CAP_FOWNER too, and there it needs
both.
"""

from ksem.guest.case import Case
from ksem.guest.flags import O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# The process has OWNER and GROUP as 0, and OTHER as 1 for users and groups. Nobody else is mapped.
FILES = {
    "both mapped": (OTHER, OTHER),
    "only the owner mapped": (OTHER, 0),
    "only the group mapped": (0, OTHER),
    "neither mapped": (0, 0),
}


def expected(file):
    both, owner = file == "both mapped", file in ("both mapped", "only the owner mapped")
    name = "%s:%s" % tuple(user_name(one) for one in FILES[file])
    return {
        "open for reading": "ok" if both else "EACCES",
        "open for writing": "ok" if both else "EACCES",
        "chmod": {"result": "ok" if owner else "EPERM", "mode": "00040" if owner else "00000"},
        "chown": {"result": "ok" if both else "EPERM", "owner": "owner:group" if both else name},
        "unlink from a sticky directory": "ok" if both else "EPERM",
    }


CASE = Case(
    claim="Capabilities in a user namespace reach a file only if its owner and group are both mapped; for chmod the"
          " owner is enough.",
    cites=(
        "user_namespaces(7), 'Operation of file-related capabilities'",
        "privileged_wrt_inode_uidgid() in kernel/capability.c, inode_owner_or_capable() in fs/inode.c,"
        " __check_sticky() in fs/namei.c",
        "23adbe12ef7d (\"fs,userns: Change inode_capable to capable_wrt_inode_uidgid\"), 3.16, CVE-2014-4014",
    ),
    params={"file": tuple(FILES)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="user_namespaces(7) says of CAP_FOWNER that the owner alone must be mapped; that holds for chmod, not"
               " for a sticky directory.",
    survivors={
        'drop chown("sticky/file"*': "Where it was refused there is nothing to undo, and where not the file is no less the"
            " caller's.",
    },
)


def observe(lab, file):
    lab.tmpfs("sticky", data="mode=1777")
    lab.file("sticky/file", 0, *FILES[file])
    process = lab.mapped("inside", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})
    observation = {
        "open for reading": process.try_open("sticky/file", 0),
        "open for writing": process.try_open("sticky/file", O.WRONLY),
    }
    result = process.attempt.chmod("sticky/file", 0o040)
    observation["chmod"] = {"result": result, "mode": lab.status("sticky/file")["mode"]}
    result = process.attempt.chown("sticky/file", 0, 0)
    now = lab.status("sticky/file")
    observation["chown"] = {"result": result, "owner": "%s:%s" % (user_name(now["uid"]), user_name(now["gid"]))}
    lab.chown("sticky/file", *FILES[file])
    observation["unlink from a sticky directory"] = process.attempt.unlink("sticky/file")
    return observation

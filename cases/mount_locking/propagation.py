"""A shared mount becomes a slave on its way into a mount namespace of another user namespace: nothing comes back from there.

A copied mount keeps its propagation type as long as owner and copy belong to the same user namespace. Across user
namespaces one type is reduced: shared becomes slave, so that mounts made outside still arrive, and mounts made inside
stay there, whatever power their maker has in the new namespace. A mount that was slave and shared at once loses the
peers it shared with. Private, slave and unbindable mounts stay as they are.

The last was broken for a year: from 6.17 on the copy of an unbindable mount was private, whatever was unshared, and
could be bound again. 7.3 and 7.2.11 repaired it. Who relies on it must call the copy unbindable again.

The reduction cannot be undone. Calling the slave shared again makes a new peer group of which it is the only member,
beneath the old one: it goes on receiving and still sends nothing back. Going the other way is allowed: the type is not
locked, and a slave can be made private, which cuts it off.

So a sandbox need not make its mounts private for its builder's sake. But what a shared `/` outside (systemd's default)
gets mounted while the sandbox runs does turn up inside, unless somebody makes the slave private.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE, MS

# The calls that give a mount its type; a slave needs a master that stays.
TYPES = {
    "shared": (MS.SHARED,),
    "private": (MS.PRIVATE,),
    "slave": (MS.SLAVE,),
    "slave and shared": (MS.SLAVE, MS.SHARED),
    "unbindable": (MS.UNBINDABLE,),
}
SHOWN = {"shared": ["shared"], "private": ["private"], "slave": ["master"], "slave and shared": ["shared", "master"],
         "unbindable": ["unbindable"]}
UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}


def expected(kind, unshared, mark_is_lost=False):
    reduced = unshared == "user and mount" and "shared" in kind
    inside = ["master"] if reduced else SHOWN[kind]
    if kind == "unbindable":
        inside = ["private"] if mark_is_lost else inside
    peers = "shared" in inside
    again = ["shared", "master"] if "master" in inside else ["shared"]
    receives = inside[-1] == "master" or peers
    return {
        "outside": SHOWN[kind],
        "inside": inside,
        "bind inside": "EINVAL" if inside == ["unbindable"] else "ok",
        "mount made outside": {"inside": receives},
        "mount made inside": {"outside": peers},
        "inside made shared": {"result": "ok", "inside": again, "mount made inside": {"outside": peers}},
        "inside made private": {"result": "ok", "inside": ["private"], "mount made outside": {"inside": False}},
    }


CASE = Case(
    claim="A shared mount becomes a slave in a mount namespace that belongs to another user namespace: mounts made there"
          " do not reach its maker's, while those made outside still arrive.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces': shared mounts are reduced to slave mounts",
        "mount_namespaces(7), 'SHARED SUBTREES'",
        "copy_mnt_ns() in fs/namespace.c: CL_SHARED_TO_SLAVE when the owners differ; clone_mnt() and do_make_slave()",
    ),
    params={"kind": tuple(TYPES), "unshared": tuple(UNSHARED)},
    expect=(
        Rule(expected, since="7.3", backports=("7.2.11",),
             cites="1ab8904ae61b (\"mount: keep a copied mount unbindable\"), 7.3"),
        Rule(lambda kind, unshared: expected(kind, unshared, mark_is_lost=True), since="6.17",
             cites="clone_mnt() in fs/namespace.c: the mark is no longer among the flags that it copies"),
        Rule(expected, cites="Documentation/filesystems/sharedsubtree.rst, 'Namespace clone semantics'"),
    ),
    options=("CONFIG_USER_NS",),
    needs=("userns",),
    survivors={
        'drop mount("tmpfs", "m*/four"*': "It does not arrive, as is claimed: that others do shows the same way to be open.",
    },
)


def observe(lab, kind, unshared):
    lab.tmpfs("master")
    lab.mount(None, "master", None, MS.SHARED, None)
    for name in ("one", "two", "three", "four"):
        lab.mkdir("master/" + name, 0o755)
    # A peer of the master's: a slave has something to follow then, in this very namespace.
    lab.bind("master", "mount")
    lab.mkdir("copy", 0o755)
    for change in TYPES[kind]:
        lab.mount(None, "mount", None, change, None)
    inside = lab.fork("inside")
    inside.unshare(UNSHARED[unshared])
    outside = "mount" if kind not in ("slave", "slave and shared") else "master"
    observation = {"outside": lab.mountinfo("mount")["propagation"], "inside": inside.mountinfo("mount")["propagation"],
                   "bind inside": inside.attempt.mount("mount", "copy", None, MS.BIND, None)}
    lab.mount("tmpfs", outside + "/one", "tmpfs", 0, None)
    observation["mount made outside"] = {"inside": is_mounted(inside, "mount/one")}
    inside.mount("tmpfs", "mount/two", "tmpfs", 0, None)
    observation["mount made inside"] = {"outside": is_mounted(lab, "mount/two")}
    result = inside.attempt.mount(None, "mount", None, MS.SHARED, None)
    shown = inside.mountinfo("mount")["propagation"]
    inside.mount("tmpfs", "mount/three", "tmpfs", 0, None)
    observation["inside made shared"] = {"result": result, "inside": shown,
                                         "mount made inside": {"outside": is_mounted(lab, "mount/three")}}
    result = inside.attempt.mount(None, "mount", None, MS.PRIVATE, None)
    lab.mount("tmpfs", outside + "/four", "tmpfs", 0, None)
    observation["inside made private"] = {"result": result, "inside": inside.mountinfo("mount")["propagation"],
                                          "mount made outside": {"inside": is_mounted(inside, "mount/four")}}
    return observation


def is_mounted(process, path):
    return process.attempt.mountinfo(path) == "ok"

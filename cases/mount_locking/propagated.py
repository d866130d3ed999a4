"""What arrives by propagation is locked only as far as it hangs together: its top comes off, what lies on that does not.

A mount namespace of another user namespace goes on receiving mounts from its maker's shared ones. Such an arrival is a
unit of its own. Its top mount covered nothing that the sandbox could not see before, so the sandbox may unmount it; the
mounts below it within the same arrival are locked, as are the flags of all of them.

If the sandbox has mounted something of its own at that place already, the arrival slides beneath. The mount that now
covers it is still the sandbox's, to be unmounted at will. From 5.1 on kernels locked it by mistake, as if it were part
of what had come; it then could not be taken off (EINVAL) until the change was repaired.

The maker stays in charge: its umount takes the arrival away in the sandbox too, locked mounts and all, when it takes
the whole unit; but a mount that the sandbox has put on top stays, and slides back to the place.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE, MNT, MS
from ksem.guest.lab import mount_flags, mount_options

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}
ARRIVALS = ("one mount", "a tree", "one mount beneath the sandbox's own")


def expected(unshared, arrival, own_is_locked=False):
    locked = unshared == "user and mount"
    kept = mount_options(["nosuid"] if locked else [])
    observation = {"take nosuid off the top": {"result": "EPERM" if locked else "ok", "flags": kept}}
    if arrival == "one mount":
        observation["unmount the top"] = "ok"
    if arrival == "a tree":
        observation["unmount what is on it"] = "EINVAL" if locked else "ok"
        observation["detach the whole"] = "ok"
    if "beneath" in arrival:
        observation = {"unmount the own": "EINVAL" if locked and own_is_locked else "ok",
                       "then seen": ["own" if locked and own_is_locked else "arrival"]}
    return dict(observation, **{"second arrival": True, "after the maker's umount": left(arrival, locked)})


def left(arrival, locked):
    """What is mounted in the sandbox once the maker has unmounted a second arrival, untouched by the sandbox."""
    return ["own"] if "beneath" in arrival else []


CASE = Case(
    claim="A tree of mounts that propagates into a mount namespace of another user namespace can be unmounted there as a whole,"
          " but not taken apart; what covers it there stays free.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces': a propagated subtree as a unit",
        "attach_recursive_mnt() in fs/namespace.c: lock_mnt_tree(), and MNT_LOCKED taken off the top",
        "3bd045cc9c4b (\"separate copying and locking mount tree on cross-userns copies\"), 5.1",
    ),
    params={"unshared": tuple(UNSHARED), "arrival": ARRIVALS},
    shown_with={"unshared": "user and mount", "arrival": "a tree"},
    expect=(
        Rule(expected, since="6.16", backports=("5.10.240", "6.1.143", "6.12.36"),
             cites="ce7df1968653 (\"attach_recursive_mnt(): do not lock the covering tree when sliding something under it\"),"
                   " 6.16"),
        Rule(lambda unshared, arrival: expected(unshared, arrival, own_is_locked=True),
             cites="3bd045cc9c4b (\"separate copying and locking mount tree on cross-userns copies\"), 5.1"),
    ),
    options=("CONFIG_USER_NS",),
    needs=("userns",),
    survivors={
        'drop mkdir("shared/*/own"*': "That one's own mount is there shows among the mounts.",
    },
)


def observe(lab, unshared, arrival):
    lab.tmpfs("shared")
    lab.mount(None, "shared", None, MS.SHARED, None)
    for name in ("first", "second"):
        lab.mkdir("shared/" + name, 0o755)
    build(lab, "tree")
    inside = lab.fork("inside")
    inside.unshare(UNSHARED[unshared])
    if unshared == "user and mount":
        # Who has no id there cannot make files in what is mounted there.
        lab.map_ids(inside, {0: 0}, {0: 0}, by=lab)
    # With one owner the two are peers: what the sandbox mounts would go to its maker.
    inside.mount(None, "shared", None, MS.SLAVE, None)
    if "beneath" in arrival:
        for name in ("first", "second"):
            inside.mount("own", "shared/" + name, "tmpfs", 0, "mode=755")
            inside.mkdir("shared/%s/own" % name, 0o755)
    send(lab, "tree", "shared/first", arrival)
    observation = take_apart(inside, arrival)
    send(lab, "tree", "shared/second", arrival)
    inside_second = inside.mounts_below("shared/second")
    observation["second arrival"] = len(inside_second) == (1 if arrival == "one mount" else 2)
    lab.umount2("shared/second", MNT.DETACH)
    observation["after the maker's umount"] = ["own" for _ in inside.mounts_below("shared/second")]
    return observation


def build(process, path):
    """A mount with another in it, both nosuid."""
    process.mkdir(path, 0o755)
    process.mount("tmpfs", path, "tmpfs", mount_flags(["nosuid"]), "mode=755")
    for name in ("below", "arrival"):
        process.mkdir(path + "/" + name, 0o755)
    process.mount("tmpfs", path + "/below", "tmpfs", mount_flags(["nosuid"]), "mode=755")


def send(process, tree, place, arrival):
    process.mount(tree, place, None, MS.BIND | (MS.REC if arrival == "a tree" else 0), None)


def take_apart(inside, arrival):
    if "beneath" in arrival:
        return {"unmount the own": inside.attempt.umount2("shared/first", 0),
                "then seen": [name for name in ("own", "arrival") if inside.attempt.access("shared/first/" + name, 0) == "ok"]}
    result = inside.attempt.mount(None, "shared/first", None, MS.REMOUNT | MS.BIND, None)
    observation = {"take nosuid off the top": {"result": result, "flags": sorted(inside.mountinfo("shared/first")["flags"])}}
    if arrival == "a tree":
        observation["unmount what is on it"] = inside.attempt.umount2("shared/first/below", 0)
        observation["detach the whole"] = inside.attempt.umount2("shared/first", MNT.DETACH)
    else:
        observation["unmount the top"] = inside.attempt.umount2("shared/first", 0)
    return observation

"""The remount of / comes after the bind mounts, or the store is read-only too, or / is not, or the machine's files are.

What each wrong way does follows from two rules: a bind mount starts with the flags of the mount that its source lies on,
and a remount with MS_BIND changes one mount and nothing beneath it.

- Root first: what is bound onto itself afterwards inherits read-only from the root. It can be made writable by a
  remount that leaves MS_RDONLY out, for nobody but the mount's own flags forbids it.
- Root bound first, but remounted last: as good as the recipe. Only the remount has its place.
- Root not bound onto itself: a directory that is no mount point cannot be remounted (EINVAL).
- Root bound without MS_REC: the mounts in it stay behind, covered by the new one, so that store and /tmp are what
  lies below them on the root, and read-only.
- Remount without MS_BIND: the filesystem itself becomes read-only, with every mount of it, outside of the chroot as well.
  To an ordinary user's sandbox that is EPERM, as the filesystem belongs to the machine.
- Remount with MS_REC too: it is ignored, the result is right by luck.
- mount_setattr with AT_RECURSIVE: everything beneath is read-only, which the thread feared of mount(2).
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MS
from ksem.guest.lab import GROUP, OWNER

PLACES = (".", "tmp", "gnu/store", "dev")
BIND, RBIND = MS.BIND, MS.BIND | MS.REC
BIND_STORE = [("mount", "root/gnu/store", "root/gnu/store", None, RBIND, None),
              ("mount", "root/tmp", "root/tmp", None, RBIND, None)]
BIND_ROOT = [("mount", "root", "root", None, RBIND, None)]
REMOUNT = [("mount", None, "root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)]
ORDERS = {
    "as in the recipe": BIND_STORE + BIND_ROOT + REMOUNT,
    "root first": BIND_ROOT + REMOUNT + BIND_STORE,
    "root first, then store and /tmp remounted": BIND_ROOT + REMOUNT + BIND_STORE + [
        ("mount", None, "root/gnu/store", None, MS.REMOUNT | MS.BIND, None),
        ("mount", None, "root/tmp", None, MS.REMOUNT | MS.BIND, None)],
    "root bound first, remounted last": BIND_ROOT + BIND_STORE + REMOUNT,
    "root not bound": BIND_STORE + REMOUNT,
    "root bound without MS_REC": [*BIND_STORE, ("mount", "root", "root", None, BIND, None), *REMOUNT],
    "remount with MS_REC": [*BIND_STORE, *BIND_ROOT, ("mount", None, "root", None, REMOUNT[0][4] | MS.REC, None)],
    "remount without MS_BIND": [*BIND_STORE, *BIND_ROOT, ("mount", None, "root", None, MS.REMOUNT | MS.RDONLY, None)],
    "mount_setattr, recursive": [
        *BIND_STORE, *BIND_ROOT, ("mount_setattr", AT_FDCWD, "root", AT.RECURSIVE, {"attr_set": MOUNT_ATTR.RDONLY})],
}
FAILING = {"root not bound": "EINVAL", "remount without MS_BIND": "EPERM"}


def expected(order, caller):
    steps = ["ok"] * len(ORDERS[order])
    failing = FAILING.get(order)
    if order == "remount without MS_BIND" and caller == "root":
        failing = None
    if failing:
        steps[-1] = failing
    closed = closed_by(order) if not failing else []
    return {
        "steps": steps,
        "writable": {place: "EROFS" if place in closed else "ok" for place in PLACES},
        "outside of the root": "EROFS" if order == "remount without MS_BIND" and not failing else "ok",
    }


def closed_by(order):
    """Where nothing can be made when all steps have worked."""
    return {
        "root first": (".", "tmp", "gnu/store"),
        # /dev was mounted on the root below, and stayed there.
        "root bound without MS_REC": PLACES,
        "remount without MS_BIND": (".", "tmp", "gnu/store"),
        "mount_setattr, recursive": PLACES,
    }.get(order, (".",))


CASE = Case(
    claim="A root is read-only but for store and /tmp only if these are bound onto themselves, the root recursively onto"
          " itself, and its mount alone remounted last; a store bound later is read-only until it is remounted.",
    cites=(
        "mount(2), 'Creating a bind mount' and 'Remounting an existing mount'",
        "mount(2), 'ERRORS', EINVAL: MS_REMOUNT of what is not mounted on the target",
        "do_remount() in fs/namespace.c: CAP_SYS_ADMIN over the superblock's user namespace",
        "mount_setattr(2), 'DESCRIPTION', AT_RECURSIVE",
    ),
    params={"order": tuple(ORDERS), "caller": ("root", "an ordinary user's sandbox")},
    # For a sandbox only what it may not do differs.
    where=lambda order, caller: caller == "root" or order in (
        "as in the recipe", "root first, then store and /tmp remounted", "remount without MS_BIND"),
    expect=expected,
    needs=lambda order, caller: ("root", "userns") + (
        ("syscall:mount_setattr",) if order == "mount_setattr, recursive" else ()),
    options=("CONFIG_USER_NS",),
    survivors={
        'drop chdir("machine")': "Relative paths lead to the same files wherever they begin: the lab's directory would do as"
            " well.",
        'drop chown("*': "Whose that is shows nothing: only what is written to need be the caller's.",
    },
)


def observe(lab, order, caller):
    lab.tmpfs("machine")
    lab.chdir("machine")
    for path in ("root", "root/tmp", "root/gnu", "root/gnu/store", "root/dev", "outside"):
        lab.mkdir(path, 0o755)
        lab.chown(path, OWNER, GROUP)
    if caller != "root":
        lab.become(lab, OWNER, GROUP)
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(lab, {0: OWNER}, {0: GROUP})
    lab.mount("dev", "root/dev", "tmpfs", 0, "mode=755")
    steps = lab.batch(ORDERS[order])
    made = lab.batch([("mkdir", "root/%s/made" % place, 0o755) for place in PLACES] + [("mkdir", "outside/made", 0o755)])
    return {"steps": steps, "writable": dict(zip(PLACES, made)), "outside of the root": made[-1]}

"""user.max_user_namespaces turns user namespaces off for a user namespace and all below it: ENOSPC, not EPERM.

The sysctl belongs to the user namespace of who reads it, so that root of a sandbox can set it for what runs inside, and
make sure that no program there gets a namespace, with the capabilities over it, of its own. The limit counts for
every descendant: a namespace that was there before is held by it as well, whatever its own limit says. Namespaces that exist
already stay. max_mnt_namespaces does the same for mount namespaces, and for these alone.

Outside, nothing changes. A limit is not a lock: root of the namespace that it belongs to can raise it again. Root of a
namespace below has a limit of its own, which may be raised as well, and helps nothing.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

LIMITS = {"user": "/proc/sys/user/max_user_namespaces", "mount": "/proc/sys/user/max_mnt_namespaces"}
KINDS = {"user": CLONE.NEWUSER, "mount": CLONE.NEWNS}
OTHER_KIND = {"user": "mount", "mount": "user"}


def expected(limit):
    refused = {"limited kind": "ENOSPC", "both kinds": "ENOSPC"}
    return {
        "write by an ordinary user": "EACCES",
        "inside": refused,
        "in a namespace below": refused,
        "below, the other kind": "ok",
        "below, its own limit": "not zero",
        "write of the limit below": "ok",
        "below, with its own limit raised": "ENOSPC",
        "outside, both kinds": "ok",
        "inside, raised again": "ok",
    }


CASE = Case(
    claim="Where max_user_namespaces or max_mnt_namespaces is 0 for a user namespace, it and all below get no more (ENOSPC).",
    cites=(
        "namespaces(7), 'The /proc/sys/user directory'",
        "clone(2), 'ERRORS', ENOSPC (since Linux 4.9)",
        "inc_ucount() in kernel/ucount.c: every ancestor's limit is asked",
    ),
    params={"limit": tuple(LIMITS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, limit):
    path, both = LIMITS[limit], CLONE.NEWUSER | CLONE.NEWNS
    # An attempt that is refused leaves a process as it was: it can be asked again.
    limited = {"limited kind": ("unshare", KINDS[limit]), "both kinds": ("unshare", both)}
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    outer = lab.mapped("outer", {0: OWNER}, {0: GROUP})
    below = outer.fork("below")
    below.unshare(CLONE.NEWUSER)
    lab.map_ids(below, {0: 0}, {0: 0})
    seen = {"write by an ordinary user": user.batch([("write_file", path, "0")])[0]}
    outer.write_file(path, "0")
    seen["inside"] = dict(zip(limited, outer.batch(limited.values())))
    seen["in a namespace below"] = dict(zip(limited, below.batch(limited.values())))
    seen["below, its own limit"] = "zero" if below.read_file(path) == "0\n" else "not zero"
    seen["write of the limit below"] = answer(below, path)
    seen["below, with its own limit raised"], seen["below, the other kind"] = below.batch([
        limited["limited kind"], ("unshare", KINDS[OTHER_KIND[limit]])])
    seen["outside, both kinds"] = user.attempt.unshare(both)
    outer.write_file(path, "100")
    seen["inside, raised again"] = outer.attempt.unshare(KINDS[limit])
    return seen


def answer(process, path):
    """write_file is a reader, whose value would be the number of bytes."""
    return process.issue("write_file", [path, "1000"])[1] or "ok"

"""A sandbox can mount a proc of its own only where the host's is fully visible; with subset=pid always, since 7.2.

A container runtime covers parts of /proc. If root of a user namespace could mount another proc, it would see through the
cover, so the kernel refuses (EPERM) when no mount of proc in the namespace is uncovered. Mounted with subset=pid (5.8) a proc
holds nothing but processes, so that there is nothing to reveal; still it took until 7.2 for the kernel to let it through.
Till then a build sandbox inside of a container got no proc at all.

The price is that such a proc is of no use as the uncovered one for anybody else: a whole proc is refused beside it.
An unknown subset is EINVAL on every kernel.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

WHOLE = ["self", "sys"]


def since_7_2(host):
    return table(host, "ok")


def before_7_2(host):
    return table(host, "ok" if host == "visible" else "EPERM")


def table(host, subset):
    def row(result, names):
        return {"result": result, "holds": names if result == "ok" else []}
    whole = row("ok" if host == "visible" else "EPERM", WHOLE)
    return {"subset=pid": row(subset, ["self"]), "whole": whole, "unknown subset": row("EINVAL", [])}


CASE = Case(
    claim="Root of a user namespace cannot mount proc where the host's is partly covered (EPERM), but with subset=pid it can"
          " since 7.2.",
    cites=(
        "mount_too_revealing() and mnt_already_visible() in fs/namespace.c",
        "proc(5), 'Mount options', subset=pid (since Linux 5.8)",
        "6814ef2d992a (\"proc: add option to mount only a pids subset\"), 5.8",
    ),
    params={"host": ("visible", "masked")},
    expect=(
        Rule(since_7_2, since="7.2", cites="proc_fill_super() in fs/proc/root.c: SB_I_RESTRICTED_VARIANT, 7.2"),
        Rule(before_7_2),
    ),
    needs=("root", "userns"),
    documented="mount_namespaces(7) does not say that a mount of proc needs one that is fully visible.",
)


def observe(lab, host):
    lab.mkdir("own", 0o755)
    if host == "masked":
        lab.mount("mask", "/proc/sys", "tmpfs", 0, None)
    outer = lab.mapped("outer", {0: OWNER}, {0: GROUP})
    # A proc shows the pid namespace of its mounter, over which the mounter must have rights.
    outer.unshare(CLONE.NEWNS | CLONE.NEWPID)
    inner = outer.fork("inner")
    return {name: mounted(inner, data) for name, data in
            (("subset=pid", "subset=pid"), ("whole", None), ("unknown subset", "subset=all"))}


def mounted(process, data):
    result = process.attempt.mount("proc", "own", "proc", 0, data)
    names = process.list_directory("own")
    if result == "ok":
        process.umount2("own", 0)
    return {"result": result, "holds": [name for name in WHOLE if name in names]}

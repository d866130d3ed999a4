"""The overflow ids can be changed, for all namespaces and at once, but only for root, and only how unmapped ids look.

kernel.overflowuid and kernel.overflowgid are what an id without mapping is shown as; a change is seen by every process from
then on, also in namespaces that were there before. Nothing else changes: the number is stored nowhere, and the rights go by
the real owner. The values lie between 0 and 65535 (EINVAL): 0 is allowed, and makes everybody's file look like one's own
root's.

fs.overflowuid and fs.overflowgid have the same name and another meaning: what a filesystem that can store 16 bits only writes
for a greater id. They show nowhere here.

A program must read the number where it needs it, and not count on 65534.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, W_OK
from ksem.guest.lab import GROUP, OVERFLOW, OWNER

SYSCTLS = ("kernel.overflowuid", "kernel.overflowgid", "fs.overflowuid", "fs.overflowgid")
VALUE = 4242


def expected(sysctl):
    changed = str(VALUE)
    user = changed if sysctl == "kernel.overflowuid" else OVERFLOW
    group = changed if sysctl == "kernel.overflowgid" else OVERFLOW
    zero = {"kernel.overflowuid": ["0", OVERFLOW], "kernel.overflowgid": [OVERFLOW, "0"]}.get(sysctl, [OVERFLOW, OVERFLOW])
    return {
        "by an ordinary user": "EACCES", "by root of a user namespace": "EACCES",
        "65536": "EINVAL", "-1": "EINVAL", str(VALUE): "ok",
        "getuid and getgid without a map": [user, group], "owner of root's file": [user, group],
        "write root's file": "EACCES", "owner seen from outside": ["0", "0"],
        "0": "ok", "owner of root's file then": zero,
    }


CASE = Case(
    claim="kernel.overflowuid and overflowgid say for all namespaces at once how unmapped ids are shown; fs.overflowuid and"
          " fs.overflowgid are about something else.",
    cites=(
        "proc_sys_kernel(5) (proc(5)), /proc/sys/kernel/overflowgid and /proc/sys/kernel/overflowuid",
        "proc_sys_fs(5), /proc/sys/fs/overflowgid and /proc/sys/fs/overflowuid",
        "from_kuid_munged() in kernel/user_namespace.c",
    ),
    params={"sysctl": SYSCTLS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "alone", "userns"),
    survivors={
        "drop lab.become": "Who has no map has no id, whoever it was outside.",
    },
)


def observe(lab, sysctl):
    path = "/proc/sys/" + sysctl.replace(".", "/")
    before = lab.read_file(path)
    names = dict(zip(map(str, lab.overflow_ids()), (OVERFLOW, OVERFLOW)))
    lab.file("root's")
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    inside = lab.mapped("inside", {0: OWNER}, {0: GROUP})
    nobody = lab.become(lab.fork("nobody"), OWNER, GROUP)
    nobody.unshare(CLONE.NEWUSER)
    seen = {"by an ordinary user": written(user, path, str(VALUE)),
            "by root of a user namespace": written(inside, path, str(VALUE))}
    try:
        seen.update((text, written(lab, path, text)) for text in ("65536", "-1", str(VALUE)))
        ids = [str(one) for one in nobody.values([("getuid",), ("getgid",)])]
        seen["getuid and getgid without a map"] = [names.get(one, one) for one in ids]
        seen["owner of root's file"] = owner(inside, names)
        seen["write root's file"] = inside.attempt.access("root's", W_OK)
        seen["owner seen from outside"] = owner(lab, names)
        seen["0"] = written(lab, path, "0")
        seen["owner of root's file then"] = owner(inside, names)
    finally:
        lab.write_file(path, before)
    return seen


def written(process, path, text):
    return process.issue("write_file", [path, text])[1] or "ok"


def owner(process, names):
    now = process.statx(AT_FDCWD, "root's", 0, 0x7FF)
    return [names.get(str(now[name]), str(now[name])) for name in ("uid", "gid")]

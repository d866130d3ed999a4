"""A supervisor can answer a system call for another process by seccomp: refuse it, do it in its stead, or hand in a file.

That is how a container runtime lets a program without privilege "make" a device or "mount": a filter hands the call to a
listener (SECCOMP_RET_USER_NOTIF, 5.0), and a process with more rights looks at it, does what it finds harmless, and answers.
The program sees the answer as if it were the kernel's. It takes no privilege to put such a filter on, only no_new_privs.

What the arguments point to lies in the program's memory, where it may be changed after it was looked at: so SECCOMP_USER_NOTIF_
FLAG_CONTINUE (5.5), which lets the kernel go on with the call, is no way to allow it by its contents. What a supervisor opens
itself it can put into the program by SECCOMP_IOCTL_NOTIF_ADDFD (5.9), and since 5.14 answer in the same step
(ADDFD_FLAG_SEND, EINVAL before), so that no descriptor stays where the call was interrupted in between. Since 5.19
a filter may ask that only a fatal signal interrupts a call that the supervisor has begun with (EINVAL before).
"""

import os

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import AT_FDCWD, O, S
from ksem.guest.lab import GROUP, OWNER

EXDEV = 18
WAIT_KILLABLE_RECV = 1 << 5
# The numbers of mknod and openat.
NUMBERS = {"x86_64": (133, 257)}
ANSWERS = ("an errno", "a value", "go on", "a descriptor", "a descriptor at once", "an errno, uninterrupted")


def outcome(answer, at_once=True, uninterrupted=True):
    """What the supervised process saw, and what there is afterwards."""
    if answer == "an errno, uninterrupted" and not uninterrupted:
        return {"filter": "EINVAL", "made": False}
    seen = {"filter": "ok", "notified": True, "answer": "ok", "made": answer == "go on"}
    if answer.startswith("a descriptor"):
        if answer == "a descriptor at once" and not at_once:
            # Refused by the kernel, it is let go on: there is no such file.
            return dict(seen, answer="EINVAL", outcome="ENOENT")
        return dict(seen, outcome="another descriptor")
    return dict(seen, outcome={"a value": 0, "go on": 0}.get(answer, "EXDEV"))


CASE = Case(
    claim="A supervisor answers a system call of another process by seccomp: with an errno, a value, a descriptor (5.9; in one"
          " step: 5.14), or by letting it go on (5.5).",
    cites=(
        "seccomp_unotify(2), 'DESCRIPTION'; seccomp(2), SECCOMP_FILTER_FLAG_NEW_LISTENER",
        "6a21cc50f0c7 (\"seccomp: add a return code to trap to userspace\"), 5.0",
        "fb3c5386b382 (\"seccomp: add SECCOMP_USER_NOTIF_FLAG_CONTINUE\"), 5.5",
        "7cf97b125455 (\"seccomp: Introduce addfd ioctl to seccomp user notifier\"), 5.9",
    ),
    params={"answer": ANSWERS},
    expect=(
        Rule(outcome, since="5.19",
             cites="c2aa2dfef243 (\"seccomp: Add wait_killable semantic to seccomp user notifier\"), 5.19"),
        Rule(lambda answer: outcome(answer, uninterrupted=False), since="5.14",
             cites="0ae71c7720e3 (\"seccomp: Support atomic \"addfd + send reply\"\"), 5.14"),
        Rule(lambda answer: outcome(answer, at_once=False, uninterrupted=False)),
    ),
    needs=("root",),
    options=("CONFIG_SECCOMP_FILTER",),
)


def observe(lab, answer):
    if os.uname().machine not in NUMBERS:
        raise Unsupported("the numbers of system calls are not known for this architecture")
    mknod, openat = NUMBERS[os.uname().machine]
    lab.chmod(".", 0o777)
    user = lab.become(lab.fork("user"), OWNER, GROUP)
    made = ["mknod", "fifo", S.IFIFO | 0o644, 0]
    number, call = mknod, made
    given = {"an errno": {"error": -EXDEV}, "a value": {"value": 0}, "go on": {"continue": 1},
             "an errno, uninterrupted": {"error": -EXDEV, "flags": WAIT_KILLABLE_RECV}}.get(answer)
    if given is None:
        number, call = openat, ["openat", AT_FDCWD, "no such file", 0, 0]
        given = {"descriptor": user.open(".", O.DIRECTORY, 0), "at once": int(answer == "a descriptor at once")}
    seen, error = user.issue("supervised", [number, call, given])
    left = "fifo" in lab.list_directory(".")
    if error:
        return {"filter": error, "made": left}
    if answer.startswith("a descriptor") and isinstance(seen["outcome"], int):
        # The child had that of the parent too: the new one has another number.
        seen["outcome"] = "another descriptor" if seen["outcome"] > given["descriptor"] else seen["outcome"]
    return dict(seen, filter="ok", made=left)

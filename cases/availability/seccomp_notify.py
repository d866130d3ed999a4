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

from ksem.guest.case import Case, Rule
from ksem.guest.flags import PR, SECCOMP, SECCOMP_FILTER_FLAG
from ksem.guest.lab import GROUP, OWNER

EXDEV = 18
# A number that is no descriptor of anybody.
NOWHERE = 50
# What the supervisor says, and the flags of its filter.
ANSWERS = {
    "an errno": ("errno", 0), "a value": ("value", 0), "go on": ("continue", 0), "a descriptor": ("descriptor", 0),
    "a descriptor at once": ("descriptor at once", 0),
    "an errno, uninterrupted": ("errno", SECCOMP_FILTER_FLAG.WAIT_KILLABLE_RECV),
}


def outcome(answer, at_once=True, uninterrupted=True):
    """What the supervised process saw when it opened a file to create it, and whether there is one afterwards."""
    if answer == "an errno, uninterrupted" and not uninterrupted:
        return {"filter": "EINVAL", "made": False}
    # What is refused by the kernel is let go on: the file is made, and empty.
    went_on = {"filter": "ok", "answer": "ok" if answer == "go on" else "EINVAL", "opened": "ok", "content": "", "made": True}
    if answer == "go on" or (answer == "a descriptor at once" and not at_once):
        return went_on
    opened = "EXDEV" if answer.startswith("an errno") else "ok"
    content = "handed in" if answer.startswith("a descriptor") else "EBADF"
    return {"filter": "ok", "answer": "ok", "opened": opened, "content": content, "made": False}


CASE = Case(
    claim="A supervisor answers a system call of another process by seccomp: with an errno, a value, a descriptor (5.9; in one"
          " step: 5.14), or by letting it go on (5.5).",
    cites=(
        "seccomp_unotify(2), 'DESCRIPTION'; seccomp(2), SECCOMP_FILTER_FLAG_NEW_LISTENER",
        "6a21cc50f0c7 (\"seccomp: add a return code to trap to userspace\"), 5.0",
        "fb3c5386b382 (\"seccomp: add SECCOMP_USER_NOTIF_FLAG_CONTINUE\"), 5.5",
        "7cf97b125455 (\"seccomp: Introduce addfd ioctl to seccomp user notifier\"), 5.9",
    ),
    params={"answer": tuple(ANSWERS)},
    expect=(
        Rule(outcome, since="5.19",
             cites="c2aa2dfef243 (\"seccomp: Add wait_killable semantic to seccomp user notifier\"), 5.19"),
        Rule(lambda answer: outcome(answer, uninterrupted=False), since="5.14",
             cites="0ae71c7720e3 (\"seccomp: Support atomic \"addfd + send reply\"\"), 5.14"),
        Rule(lambda answer: outcome(answer, at_once=False, uninterrupted=False)),
    ),
    needs=("root",),
    options=("CONFIG_SECCOMP_FILTER",),
    survivors={
        "drop lab.become": "Root's calls are handed over as an ordinary user's are.",
    },
)


def observe(lab, answer):
    lab.chmod(".", 0o777)
    lab.file("secret", 0o600)
    lab.write_file("secret", "handed in")
    user = lab.fork("user")
    given = {"descriptor": user.open("secret", 0, 0), "errno": EXDEV, "value": NOWHERE, "continue": 0}
    lab.become(user, OWNER, GROUP)
    user.prctl(PR.SET_NO_NEW_PRIVS, 1)
    said, more = ANSWERS[answer]
    listener, error = user.issue("seccomp", [SECCOMP.SET_MODE_FILTER, SECCOMP_FILTER_FLAG.NEW_LISTENER | more, "openat"])
    seen = {"filter": error or "ok"}
    if not error:
        # Not as a call that must succeed: one of its requests fails, as the call is answered by then.
        seen.update(user.issue("supervised", [listener, "file", said, given[said.split()[0]]])[0])
    return dict(seen, made="file" in lab.list_directory("."))

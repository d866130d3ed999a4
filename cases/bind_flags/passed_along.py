"""A flag of a mount counts in two calls only: when a filesystem is mounted, and when a mount is remounted.

mount(2) does five different things. Of what it is to do it asks the flags in a fixed order, and each of its branches
looks at the flags that it knows. A bind (MS_BIND) takes MS_REC and drops all the rest without a word: the copy has the
flags of its source, so "bind it read-only" needs a second call. So does a move (MS_MOVE), which leaves the mount as it
was. A change of the propagation type is stricter: any other flag beside it but MS_REC and MS_SILENT is EINVAL.

Software that hands its whole set of flags to each call is therefore told of a mistake in one of the cases, and in the
others believes a mount to be nosuid that is not.
"""

from ksem.guest.case import Case
from ksem.guest.flags import MS
from ksem.guest.lab import MOUNT_FLAGS, mount_options

FLAGS = ("ro", "nosuid", "nodev", "noexec", "nosymfollow", "noatime", "nodiratime", "strictatime", "relatime")
# Where relatime is to be told from what was there before, the mount starts otherwise.
START = {"relatime": ["noatime"]}


def expected(flag):
    start, named = mount_options(START.get(flag, [])), mount_options([flag])
    return {
        "mount": {"result": "ok", "flags": named},
        "remount with MS_BIND": {"result": "ok", "flags": named},
        "bind": {"result": "ok", "flags": start},
        "recursive bind": {"result": "ok", "flags": start, "below": start},
        "move": {"result": "ok", "flags": start},
        "private": {"result": "EINVAL", "flags": start},
    }


CASE = Case(
    claim="A flag given to mount counts when a filesystem is mounted or a mount remounted; with MS_BIND and MS_MOVE it is"
          " ignored, with a propagation type EINVAL.",
    cites=(
        "mount(2), 'DESCRIPTION', 'Creating a bind mount', 'Moving a mount' and 'Changing the propagation type of an existing"
        " mount'",
        "path_mount() in fs/namespace.c: do_loopback() and do_move_mount_old() are given no flags of a mount",
        "flags_to_propagation_type() in fs/namespace.c",
    ),
    params={"flag": FLAGS},
    expect=expected,
    documented="mount(2) says that a bind ignores the flags, and nothing of a move.",
)


def observe(lab, flag):
    given, start = MOUNT_FLAGS[flag], sum(MOUNT_FLAGS[word] for word in START.get(flag, []))
    for name in ("new", "bind", "recursive", "moved"):
        lab.mkdir(name, 0o755)
    for path in ("source", "source/below", "remounted", "mount"):
        lab.mkdir(path, 0o755)
        lab.mount("tmpfs", path, "tmpfs", start, "mode=755")
    calls = {
        "mount": ("mount", "tmpfs", "new", "tmpfs", given, None),
        "remount with MS_BIND": ("mount", None, "remounted", None, MS.REMOUNT | MS.BIND | given, None),
        "bind": ("mount", "source", "bind", None, MS.BIND | given, None),
        "recursive bind": ("mount", "source", "recursive", None, MS.BIND | MS.REC | given, None),
        "move": ("mount", "mount", "moved", None, MS.MOVE | given, None),
        "private": ("mount", None, "source", None, MS.PRIVATE | given, None),
    }
    results = lab.batch(calls.values())
    seen = {name: {"result": result, "flags": sorted(lab.mountinfo(call[2])["flags"])}
            for (name, call), result in zip(calls.items(), results)}
    seen["recursive bind"]["below"] = sorted(lab.mountinfo("recursive/below")["flags"])
    return seen

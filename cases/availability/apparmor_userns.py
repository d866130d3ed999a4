"""An AppArmor profile that knows of user namespaces and does not allow them stops its program from making one: EACCES (6.7).

Security modules are asked when a user namespace is made since 6.1. AppArmor's rules have `userns` since 6.7: a profile that
mediates it refuses what it does not allow. Whoever is confined by such a profile gets EACCES, root too, where the sysctls
that do the like say EPERM and ENOSPC. A profile that says nothing of user namespaces, or one for an older kernel, stops
nobody; programs without a profile are stopped where a distribution has one for those, as Ubuntu since 23.10.

What the profile names is the program, not the user. To enter a namespace that exists asks for nothing.

The case loads profiles of its own, which confine nothing but the process that changes to them, and removes them.
"""

import struct

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import CLONE, O

DIRECTORY = "/sys/kernel/security/apparmor"
CLASS_NS, CREATE = 21, 8
# Whether the profile mediates user namespaces, and what it allows then.
PROFILES = {"says nothing": None, "denies": 0, "allows": CREATE}


def since_6_7(profile):
    refused = "EACCES" if profile == "denies" else "ok"
    return {"confined": ["ok"], "unshare": refused, "together with a mount namespace": refused, "join one that exists": "ok",
            "mount namespace alone": "ok", "process that is not confined": "ok"}


def before_6_7(profile):
    return since_6_7("says nothing")


CASE = Case(
    claim="Under an AppArmor profile that mediates user namespaces and does not allow them, making one is EACCES (6.7).",
    cites=(
        "apparmor.d(5), 'User Namespace rules'",
        "apparmor_userns_create() in security/apparmor/lsm.c, aa_profile_ns_perm() in security/apparmor/task.c",
        "7cd4c5c2101c (\"security, lsm: Introduce security_create_user_ns()\"), 6.1",
    ),
    params={"profile": tuple(PROFILES)},
    expect=(
        Rule(since_6_7, since="6.7", cites="fa9b63adabcf (\"apparmor: add user namespace creation mediation\"), 6.7"),
        Rule(before_6_7),
    ),
    options=("CONFIG_SECURITY_APPARMOR", "CONFIG_USER_NS"),
    needs=("root", "userns"),
    documented="user_namespaces(7) does not say that a security module may refuse.",
)


def observe(lab, profile):
    if lab.issue("read_file", ["/sys/module/apparmor/parameters/enabled"])[0] != "Y\n":
        raise Unsupported("AppArmor is not on")
    name = "ksem-" + profile.replace(" ", "-")
    holder = lab.fork("holder")
    holder.unshare(CLONE.NEWUSER)
    namespace = lab.open("/proc/%d/ns/user" % holder.pid, 0, 0)
    calls = {"unshare": CLONE.NEWUSER, "together with a mount namespace": CLONE.NEWUSER | CLONE.NEWNS,
             "mount namespace alone": CLONE.NEWNS}
    processes = {step: lab.fork(step) for step in (*calls, "join one that exists")}
    put(lab, "/.replace", policy(name, PROFILES[profile]))
    try:
        seen = {"confined": sorted({confined(process, name) for process in processes.values()})}
        seen.update((step, processes[step].attempt.unshare(flags)) for step, flags in calls.items())
        seen["join one that exists"] = processes["join one that exists"].attempt.setns(namespace, CLONE.NEWUSER)
        seen["process that is not confined"] = lab.fork("not confined").attempt.unshare(CLONE.NEWUSER)
    finally:
        put(lab, "/.remove", name.encode())
    return seen


def put(lab, file, data):
    descriptor = lab.open(DIRECTORY + file, O.WRONLY, 0)
    lab.write(descriptor, data.decode("utf-8", "surrogateescape"), len(data))
    lab.close(descriptor)


def confined(process, name):
    return process.issue("write_file", ["/proc/self/attr/current", "changeprofile " + name])[1] or "ok"


def policy(name, allowed):
    """A profile in the kernel's own form (security/apparmor/policy_unpack.c): names, numbers, structs, each after its kind."""
    # All capabilities, of the first 32 and the others: what is allowed, audited, not told, and nothing.
    capabilities = number(0xFFFFFFFF) + number(0) * 3
    profile = named("profile") + b"\x07" + text(name) + named("flags") + b"\x07" + number(0) * 3 + b"\x08"
    profile += capabilities + named("caps64") + b"\x07" + capabilities + b"\x08"
    if allowed is not None:
        start = version() + profile + named("policydb") + b"\x07" + named("aadfa") + b"\x06" + b"\0" * 4
        # The automaton lies at a multiple of eight from the beginning; what is before it in the blob is padding.
        padding = b"\0" * (-len(start) % 8)
        data = padding + automaton(allowed)
        return start[:-4] + struct.pack("<I", len(data)) + data + b"\x08" + b"\x08"
    return version() + profile + b"\x08"


def version():
    return named("version") + number(7)


def named(name):
    return b"\x04" + struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def text(value):
    return b"\x05" + struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def number(value):
    return b"\x02" + struct.pack("<I", value)


def automaton(allowed):
    """From its start, the state 1, the class of namespaces leads to the state 2, whose permissions are these; all else to 0."""
    follow, check = [0] * 256, [0] * 256
    follow[CLASS_NS], check[CLASS_NS] = 2, 1
    tables = b"".join([table(1, "I", [0, 0, allowed]), table(7, "I", [0, 0, 0]), table(2, "I", [0, 0, 0]),
                       table(4, "H", [0, 0, 0]), table(8, "H", follow), table(3, "H", check)])
    return struct.pack(">IIIH8s2x", 0x1B5E783D, 24, 24 + len(tables), 0, b"notflex") + tables


def table(identity, code, values):
    data = struct.pack(">HHII%d%s" % (len(values), code), identity, struct.calcsize(code), 0, len(values), *values)
    return data + b"\0" * (-len(data) % 8)

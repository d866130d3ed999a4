"""memfd_create(MFD_NOEXEC_SEAL) makes a file in memory that can never be executed, by a seal (6.3).

A memfd is executable by default (mode 0777) and lies on no mount that could be noexec: a way around a sandbox in which
nothing but what was shipped may run. With MFD_NOEXEC_SEAL the execute bits are off, and F_SEAL_EXEC keeps them off: fchmod that
would set one is EPERM, while the rest of the mode may be changed. MFD_EXEC says that the old behaviour is wanted. Both together
are EINVAL, as is either on an older kernel.

A memfd that was not made for sealing takes no seal (EPERM); a kernel that does not know this one says EINVAL first.

What a memfd without a word is, vm.memfd_noexec of the pid namespace decides; it is 0 where nobody has written to it.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, MFD

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
F_SEAL_SEAL, F_SEAL_WRITE, F_SEAL_EXEC = 0x1, 0x8, 0x20
KINDS = {"none": 0, "MFD_NOEXEC_SEAL": MFD.NOEXEC_SEAL, "MFD_EXEC": MFD.EXEC, "both": MFD.NOEXEC_SEAL | MFD.EXEC}


def since_6_3():
    plain = {"create": "ok", "mode": "00777", "sealed against exec": False, "seal against exec": "EPERM", "chmod 755": "ok",
             "chmod 600": "ok"}
    sealed = {"create": "ok", "mode": "00666", "sealed against exec": True, "seal against writing": "ok",
              "chmod 755": "EPERM", "chmod 600": "ok"}
    return {"none": plain, "MFD_EXEC": plain, "MFD_NOEXEC_SEAL": sealed, "both": {"create": "EINVAL"}}


def before_6_3():
    table = {name: {"create": "EINVAL"} for name in KINDS}
    return dict(table, none=dict(since_6_3()["none"], **{"seal against exec": "EINVAL"}))


CASE = Case(
    claim="MFD_NOEXEC_SEAL makes a memfd that nobody can make executable (6.3).",
    cites=("memfd_create(2), MFD_NOEXEC_SEAL", "memfd_add_seals() and alloc_file() in mm/memfd.c, setattr in mm/shmem.c"),
    expect=(
        Rule(since_6_3(), since="6.3", cites="105ff5339f49 (\"mm/memfd: add MFD_NOEXEC_SEAL and MFD_EXEC\"), 6.3"),
        Rule(before_6_3()),
    ),
    options=("CONFIG_MEMFD_CREATE",),
)


def observe(lab):
    return {name: made(lab, flags) for name, flags in KINDS.items()}


def made(lab, flags):
    memory, error = lab.issue("memfd_create", ["memory", MFD.CLOEXEC | flags])
    if error:
        return {"create": error}
    sealed = bool(lab.fcntl(memory, F_GET_SEALS, 0) & F_SEAL_EXEC)
    seen = {"create": "ok", "mode": lab.statx(memory, "", AT.EMPTY_PATH, 0x7FF)["mode"], "sealed against exec": sealed}
    if sealed:
        seen["seal against writing"] = lab.attempt.fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE)
    else:
        # A memfd that was not made for seals is sealed against seals.
        seen["seal against exec"] = lab.attempt.fcntl(memory, F_ADD_SEALS, F_SEAL_EXEC)
    seen["chmod 755"] = lab.attempt.fchmod(memory, 0o755)
    seen["chmod 600"] = lab.attempt.fchmod(memory, 0o600)
    return seen

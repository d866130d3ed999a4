"""noexec is asked of the mount that each file is opened through: program, script, interpreter and library by themselves.

The kernel refuses to execute what lies on a noexec mount (EACCES), by path, by a descriptor, and as the interpreter
that a script names; access(2) with X_OK says so beforehand. It also refuses to map such a file for execution, as the
dynamic linker does with libraries, there with EPERM. It does not stop an interpreter that lies elsewhere from reading a
script there as its data: what the kernel is not asked to execute it does not refuse.

A descriptor from before the mount became noexec is of no help, as the mount's flags are asked at the time of the call.
One through another mount of the filesystem is: noexec belongs to the mount. A noexec mount further up the path says
nothing of what is mounted below.
"""

from ksem.guest.case import Case
from ksem.guest.flags import MS, X_OK, O

MOUNTS = {"nowhere": "", "program": "above/program", "script": "script", "interpreter": "interpreter",
          "program, after it was opened": "above/program", "parent of the program's": "above"}


def expected(noexec):
    program = noexec.startswith("program")
    outcome = {"execve": "EACCES", "access X_OK": "EACCES", "by a descriptor": "EACCES", "mapped": "EPERM"}
    return {
        "program": outcome if program else dict.fromkeys(outcome, "ok"),
        "program through another mount": "ok",
        "script": "EACCES" if noexec in ("script", "interpreter") else "ok",
        "script through another mount": "EACCES" if noexec == "interpreter" else "ok",
    }


CASE = Case(
    claim="On a noexec mount nothing can be executed (EACCES) or mapped for execution (EPERM); what counts is the mount that"
          " each file is reached through, and as it is at the time.",
    cites=(
        "execve(2), 'ERRORS', EACCES; mmap(2), 'ERRORS', EPERM; access(2)",
        "path_noexec() in fs/exec.c, called by do_open_execat(), do_mmap() and do_faccessat()",
    ),
    params={"noexec": tuple(MOUNTS)},
    expect=expected,
    survivors={
        'drop mount(NULL, "above"*': "The mount that another lies in has no part in it, as is claimed.",
    },
)


def observe(lab, noexec):
    for path in ("above", "above/program", "script", "interpreter"):
        lab.tmpfs(path)
    lab.program("above/program/it")
    lab.program("interpreter/it")
    lab.file("script/it", 0o755)
    descriptor = lab.open("script/it", O.WRONLY, 0)
    line = "#!/tmp/interpreter/it\n"
    lab.values([("write", descriptor, line, len(line)), ("close", descriptor)])
    for name, path in (("program", "above/program"), ("script", "script")):
        lab.bind(path, "other " + name)
    opened = lab.open("above/program/it", 0, 0)
    path = MOUNTS[noexec]
    if path:
        lab.mount(None, path, None, MS.REMOUNT | MS.BIND | MS.NOEXEC, None)
    if "after" not in noexec:
        opened = lab.open("above/program/it", 0, 0)
    program = {"execve": ("run_program", "above/program/it"), "access X_OK": ("access", "above/program/it", X_OK),
               "by a descriptor": ("run_program", "/proc/self/fd/%d" % opened),
               "mapped": ("map_executable", "above/program/it")}
    others = {"program through another mount": ("run_program", "other program/it"), "script": ("run_program", "script/it"),
              "script through another mount": ("run_program", "other script/it")}
    seen = dict(zip(others, map(ran, lab.batch(others.values()))))
    return dict(seen, program=dict(zip(program, map(ran, lab.batch(program.values())))))


def ran(outcome):
    """A reader's value stands for success."""
    return outcome if isinstance(outcome, str) else "ok"

"""Workers on other machines, by pytest-xdist's own ssh gateways: what they are sent, and what becomes of those that are lost.

Contract: pytest, xdist and glue, as ksem.plugin, which registers it in the controller. A host needs ssh, a Python with ksem
installed, and what its columns need; it is sent the controller's ksem and the project's cases/ and vms/, so that it cannot run
others. It stores nothing. A host that cannot be reached, or is lost, is told of and left out; the others take its columns over.
"""

from __future__ import annotations

import contextlib
import getopt
import json
import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import execnet
import pytest

import ksem
from ksem import interrupts, items, store
from ksem.catalog import Behaviour, nearest
from ksem.model import Cell, Say
from ksem.scheduling import ColumnScheduling
from ksem.wrap import escaped

# A host that is switched off, or whose cable is cut, says nothing: ssh has to ask. Whoever sets these in `ssh=` comes first.
ALIVE = " -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o ConnectTimeout=20"
# ssh(1), 'Synopsis'.
OPTIONS = "46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:"
KINDS = ("popen", "ssh", "socket", "vagrant_ssh")
# What a specification may have beside variables of the environment (`env:NAME=VALUE`), and what of it has no value.
KEYS, BARE = frozenset(execnet.XSpec.__annotations__), ("popen", "dont_write_bytecode")
# Does a Python have what a worker is made of? It exits with a line that says what is missing.
# Its arguments: the directory to work in, then what must be installed.
PROBE = """
import os, sys
if sys.version_info < (3, 11): sys.exit("its Python is older than 3.11")
from importlib.metadata import PackageNotFoundError, distribution
for name in sys.argv[2:]:
    try: distribution(name)
    except PackageNotFoundError: sys.exit("its Python (python= says which) has no %s: pip install ksem there" % name)
try: os.makedirs(sys.argv[1], exist_ok=True)
except OSError as error: sys.exit("chdir=%s cannot be made: %s" % (sys.argv[1], error.strerror))
if not os.access(sys.argv[1], os.W_OK | os.X_OK): sys.exit("chdir=%s cannot be written to" % sys.argv[1])
"""
# What execnet and xdist raise where there is no such worker; assertions too.
FAILURES = (OSError, EOFError, LookupError, ValueError, TypeError, AssertionError, execnet.HostNotFound, execnet.RemoteError)
# How many workers of one host may die before it is left out.
DEATHS = 3


def elsewhere(specs: list[str]) -> bool:
    """Whether any of xdist's specifications is of a worker on another machine. Raises UsageError for what is none."""
    # A set, so that each of them is checked.
    return False in {bool(_checked(text).popen) for text in specs}


def _checked(text: str) -> Any:
    """What one of them says of its workers, without how many those are."""
    number, star, rest = text.partition("*")
    counted = bool(star) and number.isdecimal()
    if counted and not number.strip("0"):
        raise pytest.UsageError(f"--tx {text} asks for no worker at all: leave it out, or say how many")
    try:
        spec = execnet.XSpec(rest if counted else text)
    except IndexError:
        raise pytest.UsageError(f"--tx {text} has a part without a name: it should look like ssh=HOST//python=PATH") from None
    except (AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--tx {text}: {error}") from None
    if not any(getattr(spec, kind) for kind in KINDS):
        raise pytest.UsageError(f"--tx {text} names no worker: it should look like ssh=HOST//python=PATH")
    given = {key: value for key, value in vars(spec).items() if key not in ("_spec", "env")}
    for key in sorted(given.keys() - KEYS):
        known = ", ".join(sorted(KEYS))
        raise pytest.UsageError(f"--tx {text}: there is no key {key!r}{nearest(key, KEYS)}: there are {known}")
    for key, value in (given | {f"env:{name}": value for name, value in spec.env.items()}).items():
        if value is True and key not in BARE:
            raise pytest.UsageError(f"--tx {text}: {key} has no value: {key}=...")
    return spec


def prepare(config: pytest.Config) -> None:
    """Have the workers told of what they are sent as it lies there."""
    params = config.invocation_params
    # xdist finds paths below what is sent only if they are absolute.
    words = [(params.dir / word.partition("::")[0]).exists() and not word.startswith("-") for word in params.args]
    args = [str(params.dir / word) if is_path else word for word, is_path in zip(params.args, words, strict=True)]
    args += [] if any(words) else [str(config.rootpath / "cases")]
    config.invocation_params = pytest.Config.InvocationParams(
        args=[*args, "--rootdir=."], plugins=params.plugins, dir=params.dir)


def problem_of(spec: Any) -> str | None:
    """What keeps a host, or another Python of this machine, from being worked on, in a line."""
    try:
        command = _probing(spec)
    except ValueError as error:
        return f"python={spec.python}: {error}"
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    if ended.returncode == 0:
        return None
    lines = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
    return lines[-1].strip()


def _probing(spec: Any) -> list[str]:
    """The command that runs PROBE. Here a worker is given what its controller has; elsewhere ksem must be installed."""
    if spec.popen:
        return [*shlex.split(spec.python), "-c", PROBE, spec.chdir or "."]
    probe = shlex.join(["-c", PROBE, spec.chdir or ".", "ksem", "pytest-xdist"])
    return ["ssh", *(["-F", str(spec.ssh_config)] if spec.ssh_config else []), *spec.ssh.split(),
            f"{spec.python or 'python'} {probe}"]


def as_given(spec: Any) -> str:
    """A specification as its user wrote it: xdist puts a word before it."""
    return str(spec).removeprefix("execmodel=main_thread_only//")


def name_of(spec: Any) -> str:
    """What a user calls a worker's machine: what ssh is told beside its options."""
    if not spec.ssh:
        return "this machine"
    try:
        return getopt.gnu_getopt(spec.ssh.split(), OPTIONS)[1][0]
    except (getopt.GetoptError, IndexError):
        return str(spec.ssh)


class Workers:
    """In the controller: which workers there are, and what those that died were at."""

    def __init__(self, config: pytest.Config, behaviours: Callable[[], list[Behaviour]], say: Say) -> None:
        self.config = config
        self.behaviours = behaviours
        self.say = say
        self.scheduling: ColumnScheduling | None = None
        # Which workers have come up; of each host, as ssh is told it, how many died, and why those are left out that are.
        self._ready: set[str] = set()
        self._deaths: Counter[str] = Counter()
        self._left_out: dict[str, str] = {}
        # The items that were run as their worker died, each with how it went.
        self.crashed: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Have the workers sent what they need, wherever it lies here."""
        if not elsewhere(self.config.option.tx):
            return
        root = self.config.rootpath
        # Where workers of this machine start, who are told the same as those of others.
        os.chdir(root)
        sent = [path for path in (root / "cases", root / "vms", Path(ksem.__file__).parent) if path.exists()]
        self.config.option.rsyncdir = [*self.config.option.rsyncdir, *map(str, sent)]

    def pytest_xdist_setupnodes(self, specs: list[Any]) -> None:
        """Leave out hosts that cannot be worked on. Raises UsageError for a worker of this machine, and when none is left."""
        ids = Counter(spec.id for spec in specs)
        for spec in specs:
            if ids[spec.id] > 1:
                raise pytest.UsageError(f"--tx {as_given(spec)}: {ids[spec.id]} workers have the id {spec.id}: leave id= out")
            if spec.popen and spec.python and not spec.via and (problem := problem_of(spec)):
                raise pytest.UsageError(f"--tx {as_given(spec)}: {problem}")
        # Whether a host answers that is reached by way of another, only that one could tell.
        hosts = [spec for spec in specs if spec.ssh and not spec.via]
        for spec in hosts:
            spec.ssh += ALIVE
        for spec in hosts:
            if spec.ssh not in self._left_out and (problem := problem_of(spec)):
                self._leave_out(spec, problem)
        specs[:] = [spec for spec in specs if spec.ssh not in self._left_out]
        if not specs:
            raise pytest.UsageError(f"no host can be worked on: {self._why}")
        session: Any = self.config.pluginmanager.getplugin("dsession")
        self._set_up = session.nodemanager.setup_node
        session.nodemanager.setup_node = self._replaced
        self._count = len(specs)

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker whether the paths that it is given are of its own machine."""
        node.workerinput["elsewhere"] = not node.gateway.spec.popen

    def pytest_testnodeready(self, node: Any) -> None:
        """A worker has come up."""
        self._ready.add(node.gateway.id)

    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker has ended, or died: then xdist asks for another in its place."""
        self._dead = node if error else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object:
        """Columns as the units of work (xdist's own groups rename items, which pytest 9 no longer allows)."""
        if config.getvalue("dist") != "loadgroup":
            return None
        self.scheduling = ColumnScheduling(config, log)
        self.scheduling.numnodes = self._count
        self.scheduling.keeps_workers = elsewhere(config.option.tx)
        return self.scheduling

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A worker is at an item."""
        if self.scheduling is not None:
            self.scheduling.started.add(nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """What nobody has run, because no worker is left, is lost."""
        result = yield
        for nodeid in self.scheduling.left if self.scheduling else ():
            report = pytest.TestReport(nodeid, (nodeid.partition("::")[0], None, nodeid), {}, "failed", "", "setup")
            self._lose(report, self.crashed.get(nodeid, f"no worker is left: {self._why}"))
            self.config.hook.pytest_runtest_logreport(report=report)
        return result

    def pytest_handlecrashitem(self, crashitem: str, report: Any, sched: object) -> None:
        """An item's worker died under it: it is tried once more, and lost if that goes the same way."""
        assert self.scheduling is not None
        why = f"the worker on {name_of(report.node.gateway.spec)} went away"
        again = crashitem in self.crashed
        self.crashed[crashitem] = why
        if again:
            self._lose(report, why)
            return
        report.when, report.longrepr = "setup", f"{crashitem}: lost: {why}; trying again on another"
        report.user_properties = [("column", items.column_of(crashitem))]
        self.say(report.longrepr)

    def _lose(self, report: Any, why: str) -> None:
        """Make a report tell of a cell that is lost, and why."""
        column = items.column_of(report.nodeid)
        report.when, report.longrepr = "setup", escaped(f"lost: {why}", keep="\n")
        report.user_properties = [("column", column), ("verdict", "lost")]
        known = items.cell_of(report.nodeid, self.behaviours())
        if known is not None:
            entry = store.entry(Cell(*known, "lost", reason=why), ())
            vars(report)["ksem"] = json.dumps({"column": column, "entry": entry})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """What answers only after it took a worker down is flaky, and no more certain than what took its machine down."""
        if report.nodeid not in self.crashed:
            return
        message = json.loads(vars(report).get("ksem", "{}"))
        known = items.cell_of(report.nodeid, self.behaviours())
        if known is None or report.when not in ("setup", "call") or (report.when == "setup" and "entry" not in message):
            return
        status, why = "observed", self.crashed[report.nodeid]
        if report.when == "setup":
            status, _ = store.status_and_reason(store.Entry(*message["entry"]))
            if status == "lost":
                return
            reason = f"{status} at the second try, lost at the first: {why}"
            message["entry"] = store.entry(Cell(*known, "flaky", reason=reason), ())
            vars(report)["ksem"] = json.dumps(message)
            properties = {**dict(report.user_properties), "verdict": "flaky", "observation": "null"}
            report.user_properties = list(properties.items())
        if report.when == "call" or not report.passed:
            report.outcome, report.longrepr = "failed", f"flaky: {status} at the second try, lost at the first: {why}"

    def _leave_out(self, spec: Any, problem: str) -> None:
        self._left_out[spec.ssh] = f"{name_of(spec)}: {problem}"
        self.say(f"{name_of(spec)} is left out: {problem}")

    @property
    def _why(self) -> str:
        return "; ".join(self._left_out.values())

    def _started(self, spec: Any, putevent: Any) -> Any:
        """A worker. Ctrl-C does not wait for another host, on which it is not heard."""
        with interrupts.held() if spec.popen and not spec.via else contextlib.nullcontext():
            return self._set_up(spec, putevent)

    def _first(self, spec: Any, putevent: Any) -> Any:
        """A worker. Raises UsageError, with its specification, where there is none."""
        try:
            return self._started(spec, putevent)
        except FAILURES as error:
            told = (str(error).strip().splitlines() or [""])[-1]
            # Where its first byte is not the one that it should be, execnet says nothing.
            told = told or "it does not answer as a worker does"
            why = told if isinstance(error, execnet.RemoteError) else f"{type(error).__name__}: {told}"
            raise pytest.UsageError(f"--tx {as_given(spec)} cannot be had ({why}): mend it, or leave it out") from None

    def _replaced(self, spec: Any, putevent: Any) -> Any:
        """A worker; in place of one that died, that one where there can be no other, which xdist then forgets.

        xdist would end the run of all with an internal error where a host is gone for good.
        """
        dead = self.__dict__.pop("_dead", None)
        if dead is None:
            return self._first(spec, putevent)
        self._deaths[spec.ssh] += 1
        if dead.gateway.id not in self._ready:
            problem: str | None = "its worker did not come up"
        elif self._deaths[spec.ssh] > DEATHS:
            problem = f"{DEATHS + 1} of its workers died"
        else:
            problem = problem_of(spec) if spec.ssh and not spec.via else None
        if problem is None:
            return self._started(spec, putevent)
        self._leave_out(spec, problem)
        session: Any = self.config.pluginmanager.getplugin("dsession")
        if self.scheduling is not None:
            self.scheduling.expect_fewer(dead)
        if not session._active_nodes - {dead}:
            session.triggershutdown()
        return dead

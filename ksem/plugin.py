"""pytest and xdist glue: cases are items, a column is xdist's unit of work, the controller alone stores what was seen.

Contract: no logic of its own; what a run or a verdict is, others say. A (case, parameters, column) is the item
`cases/AREA/BEHAVIOUR.py::COLUMN[VALUE-VALUE]`. It passes when the observation conforms and fails when it differs; it is
skipped, with the reason, when unsupported; broken, lost, flaky and columns that cannot be had are errors of its set-up.

A cell travels from worker to controller as the attribute `ksem` of its report: as a user property it would end up
in every junit file, trace and all.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import marshal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ksem import catalog, interrupts, items, store
from ksem.against import Against
from ksem.collected import Collected
from ksem.compare import OTHERWISE, Difference, Kind
from ksem.guest.case import Params, combinations
from ksem.judge import judge
from ksem.model import Column, KsemError, Result, Unavailable, Verdict, seconds
from ksem.mutating import Measured
from ksem.repeating import Run, times, together, varying
from ksem.runner import Runner, check, check_mutants
from ksem.runners import Runners
from ksem.seen import difference
from ksem.selection import matching, parsed
from ksem.survivors import Report
from ksem.wrap import escaped, shown

ERRORS = (Verdict.BROKEN, Verdict.LOST, Verdict.FLAKY)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `ksem run` has too."""
    group = parser.getgroup("ksem", "kernels under test")
    group.addoption("--column", action="append", default=[], metavar="NAME",
                    help="run cases on this column (repeatable; `ksem kernels` lists them; default: local)")
    group.addoption("--results", metavar="DIR", help="where evidence is stored (default: results/ of the project)")
    group.addoption("--boot-deadline", type=seconds, metavar="SECONDS", help="how long a machine may take to come up")
    group.addoption("--keep", action="store_true", help="leave Vagrant machines running, for the next run")
    group.addoption("--cold", action="store_true", help="boot every kernel anew, and keep no machine for later runs")
    group.addoption("--isolate", action="store_true", help="a kernel of its own for each case and parameter set")
    group.addoption("--repeat", type=times, default=1, metavar="N", help="run each cell so often, and tell which vary")
    group.addoption("--mutate", action="store_true", help="leave out each call, flip each result, and tell what nobody notices")
    group.addoption("--modules", metavar="DIR", help="the kernel modules of an image:PATH column")
    group.addoption("--params", action="append", default=[], metavar="NAME=VALUE",
                    help="only parameter sets with this value (repeatable)")
    group.addoption("--against", metavar="PATH", help="judge by stored evidence, a directory or the file of one column, "
                    "instead of by expectations; nothing is stored then without --results")
    group.addoption("--leaf", action="append", default=[], metavar="PATH",
                    help="with --against: only this value counts (repeatable; `ksem history --all` lists them)")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """With workers, a column stays on one of them unless the user wants another distribution."""
    option = config.option
    asked = getattr(option, "numprocesses", None) or getattr(option, "tx", None)
    if asked and option.dist == "no" and not hasattr(config, "workerinput"):
        option.dist = "loadgroup"
    if _distributes(config):
        from ksem import workers
        if workers.elsewhere(option.tx):
            workers.prepare(config)
    return (yield)


def _distributes(config: pytest.Config) -> bool:
    """Whether this is the controller of workers."""
    return not hasattr(config, "workerinput") and getattr(config.option, "dist", "no") != "no"


def pytest_configure(config: pytest.Config) -> None:
    """Resolve the columns before anything is collected: a wrong name must not wait for a boot."""
    root = config.rootpath
    if not (root / "cases").is_dir():
        return
    modules = config.getoption("--modules")
    try:
        columns = catalog.columns(
            root, config.getoption("--column") or ["local"], Path(modules).absolute() if modules else None,
            config.getoption("--boot-deadline"), config.getoption("--keep"), config.getoption("--cold"))
        session = Session(config, columns)
        if not session.worker:
            if not config.getoption("tx", None):
                # What other machines lack, they tell.
                check(columns)
            store.check(session.results)
        interrupts.heed(session.worker)
        config.pluginmanager.register(session, "ksem-session")
        if _distributes(config):
            # Here, as xdist is slow to import, and one kernel is run without.
            from ksem.workers import Workers
            config.pluginmanager.register(Workers(config, lambda: session.behaviours, session.say), "ksem-workers")
    except KsemError as problem:
        raise pytest.UsageError(str(problem)) from None


class Session:
    """One process's part of a run: as a worker it runs cases, as the controller it collects and stores cells."""

    def __init__(self, config: pytest.Config, columns: list[Column]) -> None:
        self.config = config
        self.columns = columns
        self.cases = config.rootpath / "cases"
        self.worker = hasattr(config, "workerinput")
        # On another machine, nothing of the controller's paths is true.
        stored = None if getattr(config, "workerinput", {}).get("elsewhere") else config.getoption("--results")
        self.results = Path(stored or config.rootpath / "results").absolute()
        self._behaviours: list[catalog.Behaviour] | None = None
        self.runners = Runners(self._runner)
        self.collected = Collected()
        self.params = parsed(config.getoption("--params"))
        self.against = _against(config, columns)
        self.report = _report(self) if config.getoption("--mutate") else None

    @property
    def behaviours(self) -> list[catalog.Behaviour]:
        """All the project's cases: a machine is made for any of them, so that what is selected changes nothing."""
        if self._behaviours is None:
            self._behaviours = catalog.behaviours(self.config.rootpath)
        return self._behaviours

    def _runner(self, column: Column) -> Runner:
        return Runner(column, self.behaviours, self.results / "logs", self.say, self.config.getoption("--isolate"))

    def say(self, line: str) -> None:
        """Progress, past pytest's capture; none with -q."""
        if self.config.get_verbosity() < 0:
            return
        capture: Any = self.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(shown(line), file=sys.stderr, flush=True)

    def pytest_sessionstart(self) -> None:
        """Take over the machine that was begun before pytest was there, unless pytest was told otherwise: PYTEST_ADDOPTS."""
        begun: Any = self.config.pluginmanager.getplugin("ksem-begun")
        if begun is None:
            return
        runner: Runner = begun.runner
        as_asked = runner.column in self.columns and runner.isolate == self.config.getoption("--isolate")
        if _distributes(self.config) or not as_asked:
            runner.close()
        else:
            runner.say = self.say
            self.runners.adopt(runner)
            # Just read.
            self._behaviours = runner.behaviours

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
        """Every file below cases/ is a case, and nothing else: one that is given by its path would be a module of tests too."""
        found = yield
        if file_path.suffix == ".py" and not file_path.name.startswith("_") and self.cases in file_path.parents:
            made: CaseFile = CaseFile.from_parent(parent, path=file_path)
            made.session_of_ksem = self
            return [made]
        return found

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Column by column, so that each is started once."""
        order = {column: number for number, column in enumerate(self.columns)}
        items.sort(key=lambda item: order[item.column] if isinstance(item, CaseItem) else -1)

    def pytest_collection_finish(self) -> None:
        """What was collected stays for the whole run: the garbage collector need not look at it again and again."""
        gc.freeze()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
        """A machine ends with its column's last item; until then it knows what comes next."""
        following = None
        # With -x there may be no next one.
        certain = not self.config.getoption("maxfail")
        try:
            if isinstance(item, CaseItem) and isinstance(nextitem, CaseItem):
                if item.column == nextitem.column:
                    following = (nextitem.behaviour, nextitem.params)
                    item.following = following if certain else None
                elif certain:
                    self.runners.begin(nextitem.column)
            return (yield)
        finally:
            if following is None:
                self.runners.end()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach what was seen to the report of the set-up, where it was seen."""
        report = yield
        if isinstance(item, CaseItem) and report.when == "setup" and item.message is not None:
            vars(report)["ksem"] = json.dumps(item.message)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The controller takes the cells that workers (or this process) saw."""
        text = vars(report).get("ksem")
        if text is None or self.worker:
            return
        message = json.loads(text)
        self.collected.take(message)
        if self.report is not None and "mutants" in message:
            self.report.add(message["case"], Measured.of(message["mutants"]))

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any], dict[str, Any]]:
        """A report goes to the controller as one piece: execnet packs value by value, in Python."""
        data = yield
        # Version 2 is the same in every Python: workers may be on other machines.
        return {"ksem": marshal.dumps(data, 2)} if self.worker else data

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> None:
        """Unpack it for those who know how a report is made of it."""
        if "ksem" in data:
            data.update(marshal.loads(data.pop("ksem")))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Which cells vary, when they were run more than once, and which mutants nobody noticed."""
        if self.report is not None:
            terminalreporter.section("what nobody notices")
            terminalreporter.write(self.report.text(terminalreporter._tw.fullwidth))
        if rates := self.collected.rates:
            told = list(filter(None, rates))
            terminalreporter.section(f"{len(rates)} cells, {self.config.getoption('--repeat')} times each: "
                                     f"{len(told) or 'none'} vary")
            terminalreporter.write("".join(f"{one}\n" for one in told))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Store all cells, those of an interrupted run too: each is whole."""
        self.runners.close()
        if self.worker:
            return
        self.collected.lose_what_never_came_up()
        unnoticed = self.report is not None and self.report.problems()
        if (self.collected.problems or unnoticed) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.against:
            new = sum(one.kind is Kind.APPEARED for outcomes in self.collected.outcomes.values() for one in outcomes)
            if new:
                print(f"\nksem: {self.against.path} knows nothing of {new} cells: expectations judge them", file=sys.stderr)
            if not self.config.getoption("--results"):
                return
        if not self.collected.has_cells:
            return
        try:
            for notice in self.collected.write(self.results, self.behaviours):
                print(f"ksem: {shown(notice)}", file=sys.stderr)
        except KsemError as problem:
            print(f"\nksem: {shown(str(problem))}", file=sys.stderr)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_unconfigure(self) -> None:
        """Whatever ended the session: no machine is left."""
        self.runners.close()


class CaseFile(pytest.File):
    """A case file; collects an item for each column and parameter set."""

    session_of_ksem: Session

    def collect(self) -> Iterator[CaseItem]:
        """The items. Raises KsemError for a file that is no sound case."""
        session = self.session_of_ksem
        behaviour = catalog.behaviour(self.path, session.cases)
        for column in session.columns:
            for params in matching(behaviour, session.params):
                name = items.name(column.name, params)
                # The id as a text: pytest 9 finds an item again by the id's parsed parts, which it would not make of a name.
                item: CaseItem = CaseItem.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}")
                item.prepare(session, behaviour, column, params)
                yield item

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        """A mistake in a case file is one line."""
        return shown(str(excinfo.value)) if isinstance(excinfo.value, KsemError) else super().repr_failure(excinfo, *args)


class Differs(Exception):
    """An observation that is not the expected one."""


class CaseItem(pytest.Item):
    """One case with one parameter set on one column."""

    def prepare(self, session: Session, behaviour: catalog.Behaviour, column: Column, params: Params) -> None:
        """What the item is about (pytest makes items from names alone)."""
        self.ksem, self.behaviour, self.column, self.params = session, behaviour, column, params
        self.following: tuple[catalog.Behaviour, Params] | None = None
        self.message: dict[str, Any] | None = None
        self.result: Result | None = None
        self.outcome: Difference | None = None
        # As `ksem cases` names it, for -k.
        self.extra_keyword_matches.add(behaviour.name)

    def setup(self) -> None:
        """Run the case; what came of it decides how the item ends."""
        runner = self.ksem.runners.of(self.column)
        known = runner.evidence
        self.user_properties.append(("column", self.column.name))
        try:
            if self.ksem.report is not None:
                self._mutate(runner)
                return
            runs = self._runs(runner)
        except Unavailable as failure:
            self.message = {"column": self.column.name, "problem": str(failure), "lost": failure.lost}
            pytest.fail(escaped(str(failure), keep="\n"), pytrace=False)
        evidence = runner.evidence
        assert evidence is not None
        cell, trace = together(runs)
        self.message = {"column": self.column.name, "entry": store.entry(cell, trace)}
        if len(runs) > 1:
            self.message["rate"] = varying(self.behaviour.case, runs, evidence)
        if evidence is not known:
            self.message["head"] = {"release": evidence.release, "environment": evidence.environment,
                                    "remark": evidence.remark}
        self.result = judge(self.behaviour.case, cell, evidence)
        self.user_properties += [("release", evidence.release), ("verdict", self.result.verdict.value),
                                 ("observation", json.dumps(cell.observation, sort_keys=True))]
        if self.ksem.against:
            self.outcome = self.ksem.against.judge(self.column.name, cell)
        if self.outcome:
            self.message["outcome"] = dataclasses.astuple(self.outcome)
            if self.outcome.kind in OTHERWISE:
                # Also where the kernel lacks what the case needs, and did not before: that is no reason to skip then.
                return
        if self.result.verdict is Verdict.UNSUPPORTED:
            pytest.skip(escaped(cell.reason, keep="\n"))
        if self.result.verdict in ERRORS:
            pytest.fail(escaped(f"{self.result.verdict}: {cell.reason}", keep="\n"), pytrace=False)

    def _mutate(self, runner: Runner) -> None:
        found = runner.mutants(self.behaviour, self.params)
        self.message = {"column": self.column.name, "case": self.behaviour.name, "mutants": found}
        if found.reason:
            reason = escaped(found.reason, keep="\n")
            (pytest.skip if reason.startswith(Verdict.UNSUPPORTED) else pytest.fail)(reason)

    def _runs(self, runner: Runner) -> list[Run]:
        """What it saw, as often as it is to be run."""
        again, times = (self.behaviour, self.params), self.config.getoption("--repeat")
        return [runner.run(self.behaviour, self.params, again if number < times else self.following)
                for number in range(1, times + 1)]

    def runtest(self) -> None:
        """Fail when the observation differs: from the evidence that the run is to be judged by, if that knows it."""
        if self.ksem.report is not None:
            return
        assert self.result is not None
        if self.outcome and self.outcome.kind is not Kind.APPEARED:
            if self.outcome.kind is not Kind.SAME:
                assert self.ksem.against is not None
                raise Differs(self.ksem.against.changed(self.outcome, self.column.name))
        elif self.result.verdict is Verdict.DIFFERS:
            raise Differs(difference(self.result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        """No traceback of ours for what a kernel did."""
        if isinstance(excinfo.value, Differs):
            # What a kernel said must not speak to the terminal.
            return escaped(str(excinfo.value), keep="\n")
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the case is, and the item's name."""
        return self.path, None, f"{self.behaviour.name} {self.name}"


def _report(session: Session) -> Report:
    """What is to be told of mutants."""
    check_mutants(session.columns, session.config.getoption("--repeat") > 1 or session.against is not None)
    return Report({one.name: one.case for one in session.behaviours},
                  {one.name: len(combinations(one.case)) * len(session.columns) for one in session.behaviours})


def _against(config: pytest.Config, columns: list[Column]) -> Against | None:
    """What the run is to be judged by, if not by expectations."""
    path = config.getoption("--against")
    return Against(Path(path), [column.name for column in columns], config.getoption("--leaf")) if path else None

"""Runs cases on columns: has the kernel found, the machine started once, and started anew when a case took it down.

Contract: everything but pytest and renderers. One runner serves one column at a time; workers have one each.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ksem import backends, kernels, store
from ksem.catalog import Behaviour
from ksem.guest.case import Params, needs_of
from ksem.guest.environment import configuration
from ksem.judge import judge
from ksem.losses import described
from ksem.machine import Request
from ksem.model import (
    Answer,
    Cell,
    Column,
    Evidence,
    Kernel,
    KsemError,
    Lost,
    Mutant,
    Say,
    Unavailable,
    Verdict,
    release_key,
    upstream_release,
)
from ksem.mutating import Measured, measured


def check(columns: Iterable[Column]) -> None:
    """Raise KsemError for what would keep a column from being run, as far as that can be known at once.

    A column that cannot be had here keeps none of the others from being run: it is an error where it is all that was asked for.
    """
    problems: list[Unavailable] = []
    asked = list(columns)
    for column in asked:
        try:
            kernels.source_of(column).check(column)
            backends.backend(column.backend).check(column)
        except Unavailable as problem:
            problems.append(problem)
    if problems and len(problems) == len(asked):
        raise problems[0]


def check_mutants(columns: Iterable[Column], judged: bool) -> None:
    """Raise KsemError for a column on which no mutant is to be run, as it may do anything that its caller could.

    judged: whether cells are to be repeated, or compared with evidence, too.
    """
    if judged:
        raise KsemError("--mutate asks what nobody notices: --repeat and --against ask something else")
    for column in columns:
        if not backends.backend(column.backend).PRISTINE:
            raise KsemError(f"{column.name} is not ksem's own, and a case with a call left out may do anything to it: --mutate"
                            " is for kernels that are booted directly")


def longest_first(columns: Iterable[Column]) -> list[Column]:
    """The order in which several at a time end together: first what has to be fetched or asked, then from new to old."""
    def expected(column: Column) -> tuple[bool, tuple[int, ...]]:
        kernel = kernels.source_of(column).at_hand(column)
        known = kernel is not None and kernel.release[:1].isdigit()
        # A newer kernel boots for longer and does more in a run.
        return not known, release_key(kernel.release) if kernel and known else ()
    return sorted(columns, key=expected, reverse=True)


class Runner:
    """The machine of one column: started when it is first needed, closed by `close`.

    behaviours: all that may be run, for the modules and the options that they ask for. logs: a directory.
    say: shows a line of progress. isolate: whether each run gets a kernel of its own, as those do that leave theirs dirty.
    """

    def __init__(self, column: Column, behaviours: list[Behaviour], logs: Path, say: Say, isolate: bool = False) -> None:
        self.column = column
        self.isolate = isolate
        # Whether anything was run on the machine that is there, and whether how the next comes about goes without saying.
        self._used = self._quiet = False
        self.behaviours = behaviours
        self._log = logs / f"{store.file_name(column.name)}.log"
        self.say = say
        self._pristine = backends.backend(column.backend).PRISTINE
        if isolate and not self._pristine:
            self._say("cases share this machine's kernel: only one that is booted directly can be had anew for each")
        self._stack = contextlib.ExitStack()
        # What was begun before it was needed, and of which kernel.
        self._ahead: tuple[Kernel, backends.Coming] | None = None
        self._running: backends.Running | None = None
        self._failure: Unavailable | None = None
        self.evidence: Evidence | None = None
        # Of the calls that helpers make, those that some case has noticed the lack of.
        self._noticed: set[str] = set()

    def _say(self, line: str) -> None:
        self.say(f"{self.column.name}: {line}")

    def begin(self) -> None:
        """Begin to start the machine, if its kernel is at hand: the first run waits for less, and tells what is wrong."""
        try:
            kernel = kernels.source_of(self.column).at_hand(self.column)
            if kernel is not None:
                self._ahead = kernel, self._stack.enter_context(self._begun(kernel))
                self.go_on()
        except (KsemError, OSError):
            self.close()

    def go_on(self) -> None:
        """Take another step of what was begun, if it was."""
        if self._ahead is not None:
            self._ahead[1].step()

    def run(self, behaviour: Behaviour, params: Params,
            following: tuple[Behaviour, Params] | None = None) -> tuple[Cell, tuple[str, ...]]:
        """One case with one parameter set: the cell without its trace, and the trace's events as lines of JSON.

        following: what will be run next, if that is known: the machine is at it while the caller deals with this cell.
        A run that loses its machine is tried once more on another. Raises Unavailable when the column cannot be had at all.
        """
        request, alone = _request(behaviour, params), self._alone(behaviour)
        ahead = None if following is None or alone or self._alone(following[0]) else _request(*following)
        if alone and self._used:
            self.close()
        self._settle(request)
        try:
            try:
                answer = self._answer(request, ahead)
            except Lost as loss:
                self._say(f"lost in {behaviour.name}: {loss.reason}; trying again on another machine")
                return self._second_try(behaviour, request, ahead, loss)
        finally:
            if alone:
                self._quiet = self.isolate
                self.close()
        reason = f"{answer.reason}\n{answer.traceback}".strip()
        return Cell(behaviour.name, params, answer.status, answer.observation, reason), answer.trace

    def mutants(self, behaviour: Behaviour, params: Params) -> Measured:
        """What came of all mutants of a cell. Raises Unavailable when the column cannot be had at all."""
        def conforms(answer: Answer) -> bool:
            assert self.evidence is not None
            seen = Cell(behaviour.name, params, answer.status, answer.observation)
            return judge(behaviour.case, seen, self.evidence).verdict in (Verdict.CONFORMS, Verdict.UNSUPPORTED)

        return measured(lambda mutant, deadline: self._mutant(behaviour, params, mutant, deadline), self.close, conforms,
                        self._noticed)

    def _mutant(self, behaviour: Behaviour, params: Params, mutant: Mutant, deadline: float | None) -> Answer | None:
        """One of them, and that it may take so many seconds; None when it takes the machine down."""
        request = _request(behaviour, params)
        request = dataclasses.replace(request, mutant=mutant, deadline=min(deadline or request.deadline, request.deadline))
        if self._used and self._alone(behaviour):
            self.close()
        try:
            return self._answer(request, None)
        except Lost:
            return None

    def _second_try(self, behaviour: Behaviour, request: Request, ahead: Request | None,
                    loss: Lost) -> tuple[Cell, tuple[str, ...]]:
        """What becomes of a run that lost its machine: lost, or flaky when another machine answers."""
        cell = Cell(behaviour.name, request.params, "lost", reason=described(loss))
        try:
            answer = self._answer(request, ahead)
        except Lost as again:
            self._say(f"lost in {behaviour.name} again: {again.reason}")
            return dataclasses.replace(cell, reason=described(again)), ()
        except Unavailable:
            # Whoever runs next will be told.
            return cell, ()
        reason = f"{answer.status} at the second try, lost at the first: {cell.reason}"
        return dataclasses.replace(cell, status="flaky", reason=reason), ()

    def _answer(self, request: Request, ahead: Request | None) -> Answer:
        """The machine's answer. Raises Lost when it takes that machine down, and then the next run starts another."""
        running = self._started()
        self._used = True
        try:
            return running.machine.run(request, ahead)
        except Lost as loss:
            loss.fate = running.fate()
            self.close()
            raise

    def _alone(self, behaviour: Behaviour) -> bool:
        """Whether a case gets a kernel to itself."""
        return self._pristine and (self.isolate or behaviour.case.dirties_kernel)

    def _settle(self, request: Request) -> None:
        """See to it that nothing is under way on the machine but this request."""
        if self._running is not None and self._running.machine.ahead not in (None, request):
            try:
                self._running.machine.forget()
            except Lost:
                # Not due to this case.
                self.close()

    def close(self) -> None:
        """End the machine. The next run starts another. One that cannot be ended is told of: what it showed is no less true."""
        self._running = self._ahead = None
        self._used = False
        try:
            self._stack.close()
        except Lost as loss:
            self._say(f"not taken down: {loss.reason}")
        except OSError as problem:
            self._say(f"not taken down: {_described_error(problem)}")

    def _started(self) -> backends.Running:
        """The machine, started if need be; a column that could not be had is not tried again."""
        if self._failure is not None:
            raise self._failure
        if self._running is None:
            try:
                kernel = kernels.source_of(self.column).resolve(self.column, self._say)
                coming = self._coming(kernel)
                self._running = coming.running()
                evidence = self._described(kernel, self._running)
                if self._running.came and not self._quiet:
                    self._say(f"{self._running.came} in {coming.took:.1f} s")
                # The same one again would be told and sent again.
                self.evidence = self.evidence if self.evidence == evidence else evidence
            except KsemError as failure:
                self._failure = Unavailable(str(failure))
                raise self._failure from failure
            except Lost as loss:
                self._failure = Unavailable(f"{self.column.name}: lost: {described(loss)}", lost=True)
                raise self._failure from loss
            except OSError as problem:
                # This host's disk is full, or a file is not ours: what surrounds a machine is files.
                self._failure = Unavailable(f"{self.column.name}: {_described_error(problem)}")
                raise self._failure from problem
            except Exception as problem:
                # A mistake of ours: pytest would show none of it, and the matrix what was seen of the column before.
                self._failure = Unavailable(f"{self.column.name}: cannot be started: {type(problem).__name__}: {problem}")
                raise self._failure from problem
        return self._running

    def _coming(self, kernel: Kernel) -> backends.Coming:
        """Its machine, begun now unless it was before: the archive may have a newer kernel than was at hand."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            if ahead[0] == kernel:
                return ahead[1]
            self.close()
        return self._stack.enter_context(self._begun(kernel))

    def _begun(self, kernel: Kernel) -> AbstractContextManager[backends.Coming]:
        modules = frozenset[str]().union(*(behaviour.modules for behaviour in self.behaviours))
        return backends.backend(self.column.backend).begun(self.column, kernel, modules, self._log, self._say)

    def _described(self, kernel: Kernel, running: backends.Running) -> Evidence:
        """The column with all that surrounds its answers, and no cells yet."""
        options = {option for behaviour in self.behaviours for option in behaviour.case.options}
        inside = running.machine.environment(options)
        if kernel.config is not None:
            inside |= configuration(kernel.config.read_text(), sorted(options))
        release = self.release(inside)
        outside = {"package": kernel.package, **running.surroundings}
        return Evidence(self.column.name, release, {**inside, **outside}, (), remark=kernel.remark)

    @staticmethod
    def release(inside: Mapping[str, Any]) -> str:
        """The upstream release of a machine, by what it says. Raises Lost for what is none: no command reads such evidence."""
        release = upstream_release(inside["release"], inside["version"])
        try:
            release_key(release)
        except KsemError as problem:
            raise Lost(f"the agent answered with an environment that is none ({problem})") from problem
        return release


def _request(behaviour: Behaviour, params: Params) -> Request:
    case = behaviour.case
    return Request(behaviour.name, behaviour.text, params, needs_of(case, params), case.deadline)


def _described_error(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)

"""What an observation means: (expectation, release, observation) -> verdict.

Contract: pure; `model` and the case's data only. Nothing is run and nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable

from ksem.guest.case import Case, Rule, expected_by, rules_of
from ksem.model import Cell, Evidence, Result, Verdict, release_key, series_of


def judge(case: Case, cell: Cell, evidence: Evidence) -> Result:
    """The verdict on one cell. What was not observed keeps its status as its verdict."""
    rule = rule_for(rules_of(case), evidence.release)
    expected = expected_by(rule, cell.params)
    verdict = Verdict(cell.status) if cell.status != "observed" else (
        Verdict.CONFORMS if cell.observation == expected else Verdict.DIFFERS)
    return Result(cell, evidence.column, evidence.release, verdict, expected, rule.cites)


def rule_for(rules: Iterable[Rule], release: str) -> Rule:
    """The first rule that holds for a release; the last has no condition (the catalogue checks that)."""
    return next(rule for rule in rules if holds(rule, release))


def holds(rule: Rule, release: str) -> bool:
    """Whether a rule speaks of a release: its mainline release or a later one, or a stable release with the backport."""
    if rule.since is None:
        return True
    key = release_key(release)
    backported = any(series_of(first) == series_of(release) and key >= release_key(first) for first in rule.backports)
    return backported or key >= release_key(rule.since)

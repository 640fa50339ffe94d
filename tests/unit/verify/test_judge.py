"""From what was seen to a verdict."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from airspace.verify.attack import Attack, Control, Promise
from airspace.verify.inside.runner import Result
from airspace.verify.judge import BLOCKED, LOST, NOT_PROMISED, Machine, Row, Verdicts, judge, judge_all, unpromised
from airspace.verify.report import document, show
from airspace.verify.service import Findings

ATTACK = Attack("files.secrets", "read the platform's keys", Control.OUTSIDE)
WALLS = Machine(walls=True, controllers=frozenset({"memory", "cpu", "pids"}), own_users=True)
BARE = Machine(walls=True)
NONE = Machine(walls=False)
DONE, REFUSED = Result("done", "read 65 bytes"), Result("refused", "Permission denied")


@pytest.mark.parametrize(
    ("control", "attempt", "verdict"),
    [
        (DONE, REFUSED, BLOCKED),
        (DONE, DONE, LOST),
        (REFUSED, DONE, LOST),
        (REFUSED, REFUSED, NOT_PROMISED),
        (Result("unshown", "no such kernel"), REFUSED, NOT_PROMISED),
        (DONE, Result("unshown", "nothing to try"), NOT_PROMISED),
        (DONE, Result("broken", "TypeError"), NOT_PROMISED),
        (Result("broken", "TypeError"), REFUSED, NOT_PROMISED),
    ],
)
def test_blocked_needs_a_control_that_succeeded(control: Result, attempt: Result, verdict: str) -> None:
    row = judge(ATTACK, control, attempt, WALLS)
    assert row.verdict == verdict
    assert row.observed


def test_what_was_never_run_is_not_blocked() -> None:
    (row,) = judge_all([ATTACK], {}, {}, WALLS)
    assert row.verdict == NOT_PROMISED


PROMISES = [each for each in Promise if each is not Promise.ALWAYS]


def _row(promise: Promise, attempt: Result, machine: Machine) -> tuple[str, str]:
    row = judge(Attack("exhaustion.x", "use up x", Control.OUTSIDE, promise), DONE, attempt, machine)
    return row.verdict, row.observed


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("attempt", [DONE, REFUSED])
def test_what_this_machine_does_not_promise_says_why_whatever_came_of_it(promise: Promise, attempt: Result) -> None:
    assert _row(promise, attempt, BARE) == (NOT_PROMISED, f"{unpromised(promise, BARE)}: {attempt.said}")


@pytest.mark.parametrize("promise", PROMISES)
def test_without_walls_nothing_that_succeeds_is_excused_and_no_luck_is_counted(promise: Promise) -> None:
    assert _row(promise, DONE, NONE) == (LOST, "read 65 bytes")
    assert _row(promise, REFUSED, NONE) == (NOT_PROMISED, "there are no sandboxes: Permission denied")
    assert judge(ATTACK, DONE, REFUSED, NONE).verdict == BLOCKED, "what needs no walls holds without them"


def test_a_share_of_the_processor_is_no_merit_of_a_busy_machine() -> None:
    busy = Result("refused", "3 busy processes got 0.50 cores together")
    assert _row(Promise.CPU, busy, Machine(walls=True, controllers=frozenset({"memory", "pids"})))[0] == NOT_PROMISED
    assert _row(Promise.CPU, busy, Machine(walls=True, controllers=frozenset({"cpu"})))[0] == BLOCKED


@pytest.mark.parametrize("promise", [Promise.MEMORY, Promise.CPU, Promise.PIDS, Promise.OWN_USERS])
def test_a_machine_with_everything_promises_it(promise: Promise) -> None:
    assert unpromised(promise, WALLS) is None


def test_nothing_blocked_is_nothing_verified() -> None:
    row = Row("a.b", "a", "", "", NOT_PROMISED)
    assert not Verdicts([row]).held
    assert not Verdicts([]).held
    assert Verdicts([row, Row("a.c", "a", "", "", BLOCKED)]).held
    assert not Verdicts([Row("a.c", "a", "", "", BLOCKED), Row("a.d", "a", "", "", LOST)]).held


def test_the_report_names_what_was_lost_and_what_was_left() -> None:
    rows = judge_all([ATTACK], {ATTACK.id: DONE}, {ATTACK.id: DONE}, WALLS)
    findings = Findings(Verdicts(rows, ("exhaustion.log",)), "sandbox", 12.34, ("storage/x",))
    found = document(findings)
    assert found["attacks"] == [
        {
            "id": "files.secrets",
            "surface": "files",
            "control": "read 65 bytes",
            "observed": "read 65 bytes",
            "verdict": "lost",
        }
    ]
    assert (found["blocked"], found["lost"], found["not_promised"]) == (0, 1, 0)
    stream = io.StringIO()
    show(findings, Console(file=stream, width=200))
    told = stream.getvalue()
    assert "LOST files.secrets: a task of one team can read the platform's keys" in told
    assert "could not be removed: storage/x" in told
    assert "1 were not run" in told

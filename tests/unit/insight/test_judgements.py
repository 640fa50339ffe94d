"""What is late, what waits and for whom, what is wasted, how a team is: each judgement at its edges."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airspace.insight.failures import FailedTask, grouped
from airspace.insight.health import Mood, Vitals, moods, sentence
from airspace.insight.late import Usual, expected_update, overdue, overruns
from airspace.insight.waiting import Around, For, Slots, WaitingRun, WaitingTask, why_asset, why_run, why_task
from airspace.insight.waste import TaskCost, Used, memory, share, slowest, wasteful

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("elapsed", "usual", "late"),
    [
        (10_000, None, False),
        (10_000, Usual(10, 2), False),  # two runs tell nothing
        (59, Usual(1, 3), False),  # a run of a second may take a minute
        (62, Usual(1, 3), True),
        (1199, Usual(600, 9), False),
        (1201, Usual(600, 9), True),
    ],
)
def test_a_run_is_late_when_it_takes_twice_its_median_and_a_minute_more(
    elapsed: float, usual: Usual | None, late: bool
) -> None:
    assert overruns(elapsed, usual) is late


def test_a_schedule_is_late_after_a_grace() -> None:
    assert not overdue(NOW - MINUTE, NOW)
    assert overdue(NOW - 3 * MINUTE, NOW)


def test_an_asset_is_late_by_its_own_rhythm() -> None:
    def last(age: timedelta) -> list[datetime]:
        return [NOW - age - hours * timedelta(hours=1) for hours in range(5)]

    assert expected_update(last(timedelta(hours=2)), NOW) is None
    assert expected_update(last(timedelta(hours=2.1)), NOW) == NOW - timedelta(hours=1.1)
    assert expected_update(last(timedelta(hours=9))[:3], NOW) is None, "three updates are no rhythm"
    assert expected_update(list(reversed(last(timedelta(hours=3)))), NOW) is not None, "in any order"
    assert expected_update([NOW - 90 * MINUTE] * 9, NOW) is None, "all at once is no rhythm"


ROOM = Around(Slots(1, 4), "sales", {"sales": Slots(1, 4), "sales.gpu": Slots(2, 2)})
FULL = Around(Slots(4, 4), "sales", {"sales": Slots(4, 4)})


@pytest.mark.parametrize(
    ("task", "around", "whom", "words"),
    [
        (WaitingTask("scheduled", "sales"), ROOM, For.PLATFORM, "the scheduler to queue it"),
        (WaitingTask("scheduled", "sales"), FULL, For.SLOTS, "a slot of the team: 4 of 4 in use"),
        (WaitingTask("queued", "sales"), FULL, For.SLOTS, "a slot of the team: 4 of 4 in use"),
        (WaitingTask("queued", "sales"), ROOM, For.PLATFORM, "the team's turn: the machine is busy"),
        (WaitingTask("scheduled", "sales.gpu"), ROOM, For.POOL, "a slot of pool sales.gpu: 2 of 2 in use"),
        (WaitingTask("scheduled", "sales", pool_slots=4), ROOM, For.SLOTS, "a slot of the team: 1 of 4 in use"),
        (WaitingTask("scheduled", "gone"), ROOM, For.PLATFORM, "the scheduler to queue it"),
        (WaitingTask("scheduled", "sales", paused=True), FULL, For.DAG, "the Dag to be unpaused"),
        (
            WaitingTask("scheduled", "sales", dag_slots=Slots(2, 2)),
            ROOM,
            For.DAG,
            "a place among the Dag's active tasks: 2 of 2 in use",
        ),
        (WaitingTask("deferred", "sales", question="Ship it?"), ROOM, For.PERSON, "an answer: Ship it?"),
        (WaitingTask("awaiting_input", "sales"), ROOM, For.PERSON, "a person's answer"),
        (
            WaitingTask("deferred", "sales", trigger="a.b.FileTrigger", taken=True),
            ROOM,
            For.TRIGGER,
            "its trigger, FileTrigger",
        ),
        (WaitingTask("deferred", "sales"), ROOM, For.PLATFORM, "the triggerer to begin its trigger, an unknown one"),
        (
            WaitingTask("up_for_retry", "sales", try_number=2, max_tries=3),
            FULL,
            For.TIME,
            "its next try: 2 of 4 failed",
        ),
        (WaitingTask("up_for_reschedule", "sales"), FULL, For.TIME, "the moment at which it looks again"),
        (WaitingTask("restarting", "sales"), ROOM, For.PLATFORM, "its end: it is being started anew"),
    ],
)
def test_why_a_task_waits(task: WaitingTask, around: Around, whom: For, words: str) -> None:
    reason = why_task(task, around)
    assert (reason.whom, reason.words) == (whom, words)


def test_a_hold_comes_before_all_else() -> None:
    held = Around(Slots(4, 4), "sales", hold="suspended", hold_reason="the invoice")
    assert why_task(WaitingTask("queued", "sales"), held).words == "the end of the team's suspension: the invoice"
    assert why_run(WaitingRun(False, Slots(0, 1)), Around(Slots(0, 1), "sales", hold="leaving")).whom is For.HOLD


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (WaitingRun(True, Slots(0, 16)), "the Dag to be unpaused"),
        (WaitingRun(False, Slots(16, 16)), "a place among the Dag's active runs: 16 of 16 in use"),
        (WaitingRun(False, Slots(16, -1)), "the scheduler to start it"),
        (WaitingRun(False, Slots(0, 16), backfill=True), "its turn in the backfill"),
    ],
)
def test_why_a_run_waits(run: WaitingRun, words: str) -> None:
    assert why_run(run, ROOM).words == words


def test_whose_asset_is_waited_for_is_said_where_it_may_be() -> None:
    assert why_asset("profiles", "Data Engineering").words == "asset profiles of Data Engineering"
    assert why_asset("profiles", None).words == "asset profiles"


def cost(task: str, *, tries: int = 4, failed: int = 0, total: float = 40, lost: float = 0, **more: object) -> TaskCost:
    operator, median = str(more.get("operator", "PythonOperator")), float(str(more.get("median", 10)))
    slots, used = int(str(more.get("slots", 1))), more.get("used")
    assert used is None or isinstance(used, Used)
    return TaskCost("etl", task, operator, tries, failed, total, lost, median, median, slots, used)


def test_the_slowest_are_those_that_took_most_together() -> None:
    found = slowest([cost("a", total=1), cost("b", total=3), cost("c", total=2)], 2)
    assert [each.task_id for each in found] == ["b", "c"]
    assert share(found[0], 12) == 0.25
    assert share(found[0], 0) == 0


def test_what_is_wasted_is_what_failed_tries_and_holding_sensors_took() -> None:
    found = wasteful(
        [
            cost("fine"),
            cost("flaky", failed=1, lost=10),
            cost("hopeless", failed=4, lost=40),
            cost("quick to fail", failed=4, lost=0.5),
            cost("pokes", total=4000, median=900, operator="FileSensor"),
            cost("short", total=40, median=10, operator="FileSensor"),
        ]
    )
    assert [(each.task.task_id, each.seconds) for each in found] == [("pokes", 4000), ("hopeless", 40), ("flaky", 10)]
    assert "deferrable" in found[0].advice
    assert found[1].words == "every try failed (4)"
    assert found[2].words == "1 of 4 tries failed"


def test_who_holds_a_slot_and_only_waits_is_told_by_what_it_used() -> None:
    idle, busy = Used(3, 1000, 1 << 20), Used(900, 1000, 1 << 20)
    found = wasteful(
        [
            cost("waits", median=500, used=idle),
            cost("works", median=500, used=busy),
            cost("nothing measured", median=500),
            cost("short", median=20, used=idle),
            cost("deferred", median=500, used=Used(0.5, 30, 1 << 20)),
            cost("waits and fails", median=500, failed=1, lost=2000, used=idle),
            cost("a lie", median=500, used=Used(5e9, 1, 1 << 60)),
            cost("no time", median=500, used=Used(0, 0, 0)),
        ]
    )
    assert [(each.task.task_id, each.seconds) for each in found] == [("waits and fails", 2000), ("waits", 997)]
    assert found[1].words == "holds a slot and keeps less than 1 % of a processor busy"
    assert "deferrable" in found[1].advice


def test_who_asks_for_more_slots_than_it_uses_is_told_so() -> None:
    found = wasteful(
        [
            cost("greedy", slots=4, used=Used(250, 1000, 1)),
            cost("parallel", slots=4, used=Used(3500, 1000, 1)),
            cost("quick", slots=4, used=Used(1, 10, 1)),
            cost("one", used=Used(250, 1000, 1)),
        ]
    )
    assert [(each.task.task_id, each.seconds) for each in found] == [("greedy", 3000)]
    assert found[0].words == "asks for 4 slots and keeps 25 % of one processor busy"


@pytest.mark.parametrize(
    ("limit", "advice"), [(None, ""), (100 << 20, "near the limit"), (300 << 20, ""), (4 << 30, "16 of these at once")]
)
def test_the_largest_task_is_held_against_what_the_team_may_use(limit: int | None, advice: str) -> None:
    found = memory([cost("a", used=Used(1, 1, 90 << 20)), cost("b", used=Used(1, 1, 5 << 20)), cost("c")], limit, 16)
    assert (found.peak, found.largest and found.largest.task_id) == (90 << 20, "a")
    assert found.advice.startswith(advice)
    assert bool(found.advice) == bool(advice)
    assert memory([cost("c")], limit, 16).peak is None


@pytest.mark.parametrize(
    ("vitals", "expected", "words"),
    [
        (Vitals(), [Mood.EMPTY], "no Dags yet"),
        (Vitals(dags=2), [Mood.QUIET], "nothing ran for a day"),
        (Vitals(dags=2, runs=5), [Mood.WELL], "5 runs in a day, all is well"),
        (Vitals(dags=2, runs=5, running=1, slots=4), [Mood.WELL], "1 task runs"),
        (Vitals(dags=2, runs=5, failing=1, late=2), [Mood.FAILING, Mood.LATE], "1 Dag fails, 2 late"),
        (Vitals(dags=2, runs=5, waiting=3, slots=4), [Mood.WELL], "3 tasks wait"),
        (Vitals(dags=2, runs=5, waiting=5, slots=4), [Mood.WAITING], "5 tasks wait"),
        (
            Vitals(dags=2, runs=5, import_errors=1, hold="suspended"),
            [Mood.SUSPENDED, Mood.BROKEN],
            "suspended, 1 file with an error",
        ),
        (Vitals(dags=2, runs=1, source_problem="no"), [Mood.BROKEN], "its Dags cannot be fetched"),
        (Vitals(dags=2, runs=1, hold="leaving"), [Mood.LEAVING], "leaving"),
    ],
)
def test_how_a_team_is(vitals: Vitals, expected: list[Mood], words: str) -> None:
    assert moods(vitals) == expected
    assert sentence(vitals) == words


def test_a_thousand_failures_of_one_task_hide_no_other() -> None:
    def failed(task: str, minutes: int) -> FailedTask:
        return FailedTask("etl", task, f"r{minutes}", -1, 1, NOW - minutes * MINUTE)

    found = grouped([*(failed("loud", minutes) for minutes in range(1000)), failed("quiet", 2000)])
    assert [(each.newest.task_id, each.newest.run_id, each.times) for each in found] == [
        ("loud", "r0", 1000),
        ("quiet", "r2000", 1),
    ]
    assert len(grouped(failed(f"t{each}", each) for each in range(99))) == 10

"""The scheduler of all teams: Airflow's own, in which no team's backlog stands in another one's way.

Four things of ours. Which runs are looked at in a loop goes round the teams. Runs with many task instances, of which
Airflow loads every row each time, are looked at by a process of their own, the *heavy lane*, that exists while there
are any. What is ready is queued pool by pool until nothing more fits, so that a backlog that fills the first answer of
the database hides nobody's task. And a loop does what there is to do: what does not wait is not looked for in detail,
runs in which nothing happened are passed over, and the executor waits for news that are some. Every private method
that is used has a contract test; see ``docs/adr/0014-a-fair-minimum.md``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from airflow import settings
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models import DagModel, DagRun, Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskmap import TaskMap
from airflow.models.team import dag_bundle_team_association_table
from airflow.utils import timezone
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit, with_row_locks
from airflow.utils.state import DagRunState, TaskInstanceState
from setproctitle import setproctitle
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from airspace.airflow import callbacks
from airspace.airflow.child_process import die_with, reap
from airspace.airflow.policies import MapTooLongError
from airspace.airflow.scheduling import held, waiting_work
from airspace.airflow.scheduling.dags_of_a_step import DagsOfAStep
from airspace.airflow.scheduling.run_order import BESIDE_OTHERS, Looks, RunSizes, Waiting, round_robin
from airspace.platform import bells

PASSES = 6  # of the queueing step in one loop: each can fill at least one team's slots
MARKED = 60  # runs of which it is asked whether anything happened in them; of more, each is looked at in its turn
LANE_IDLE = 15.0  # seconds without a heavy run, then the lane ends
LANE_REST = 1.5  # times what a look takes, the lane rests before the next: it shares the machine
LANE_NICE = 10


class TeamScheduler(SchedulerJobRunner):
    """Airflow's scheduler, fair between teams."""

    scheduler_dag_bag: Any

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._sizes = RunSizes()
        self._looks = Looks()
        self._lane: int | None = None
        self._in_lane = False
        self._start_runs = True
        self._any_held = True
        self._tests = self._look_for_tests = True
        self._more_runs = False

    def _do_scheduling(self, session: Any) -> int:
        """One look at all that waits; how long it took is written down where somebody measures."""
        begun = time.monotonic()
        self._more_runs = False
        queued = int(super()._do_scheduling(session))
        if queued and self._more_runs:
            bells.ring(bells.WAKE)
        self.log.debug("Decided in %.2f ms", 1000 * (time.monotonic() - begun))
        return queued

    # --- whether there is anything to do -----------------------------------------------------------------------------

    def _create_dagruns_for_dags(self, guard: Any, session: Any) -> None:
        """As Airflow does, when there may be any to make."""
        runs = waiting_work.runs(session)
        self._start_runs = runs.to_make or runs.to_start
        self._any_held = runs.any_held
        if runs.to_make:
            with held.left_out(session) if runs.any_held else contextlib.nullcontext():
                super()._create_dagruns_for_dags(guard, session)

    def _start_queued_dagruns(self, session: Any) -> None:
        """As Airflow does, when there may be any to start."""
        if self._start_runs:
            with held.left_out(session) if self._any_held else contextlib.nullcontext():
                super()._start_queued_dagruns(session)
        self._start_runs = self._any_held = True  # unless the next loop finds out otherwise

    def _enqueue_executor_callbacks(self, session: Any) -> None:
        """As Airflow does, when there are any."""
        orders = waiting_work.orders(session)
        self._look_for_tests = orders.tests or self._tests
        self._tests = orders.tests
        if orders.callbacks:
            super()._enqueue_executor_callbacks(session)

    def _enqueue_connection_tests(self, *, session: Any) -> None:
        """As Airflow does, when there are any, and once more when there are none left: it counts them."""
        if self._look_for_tests:
            super()._enqueue_connection_tests(session=session)

    # --- which runs --------------------------------------------------------------------------------------------------

    def _schedule_all_dag_runs(self, guard: Any, dag_runs: Iterable[DagRun], session: Any) -> list[Any]:
        """Look at runs of every team, the light ones here; the heavy ones are the lane's."""
        runs = list(dag_runs)
        if self._in_lane or not runs:
            return super()._schedule_all_dag_runs(guard, runs, session)
        begun = timezone.utcnow()
        if self._are_all_and_light(runs, session):
            due, marks = self._due({run.id: (run.dag_id, run.run_id) for run in runs}, session)
            runs = [run for run in runs if run.id in due]
            self._looks.begun(due, marks)
        else:
            runs = self._chosen(guard, session)
        keys = [(run.dag_id, run.run_id) for run in runs]
        decided = super()._schedule_all_dag_runs(guard, runs, session)
        if waiting_work.ended_since(begun, keys, session):
            # A task that needs no process, or is passed over: what waits for it is decided on in another look.
            bells.ring(bells.WAKE)
        return decided

    def _are_all_and_light(self, runs: Sequence[DagRun], session: Any) -> bool:
        """Whether so few run that all would be chosen, be they one team's or several."""
        if len(runs) > BESIDE_OTHERS or len(runs) >= DagRun.DEFAULT_DAGRUNS_TO_EXAMINE:
            return False
        ids = [run.id for run in runs]
        self._measure(ids, session)
        return not any(self._sizes.is_heavy(run_id) for run_id in ids)

    def _chosen(self, guard: Any, session: Any) -> list[DagRun]:
        """The runs to look at in this loop, team by team; none of them heavy, if the lane works."""
        guard.commit()  # gives the rows back that Airflow locked: they are chosen anew
        session.expunge_all()
        waiting = _running(session)
        self._measure([run.id for run in waiting], session)
        light = [run for run in waiting if not self._sizes.is_heavy(run.id)]
        heavy = len(light) != len(waiting)
        if heavy and not self._lane_works():
            light = waiting  # it could not be started: better slow than not at all
        marks: Mapping[int, object] = {}
        if len(light) <= MARKED:
            due, marks = self._due({run.id: run.key for run in light}, session)
            light = [run for run in light if run.id in due]
        others = len({run.team for run in waiting}) > 1
        chosen = round_robin(light, DagRun.DEFAULT_DAGRUNS_TO_EXAMINE, beside_others=others)
        self._looks.begun(chosen, marks)
        self._more_runs = len(light) > len(chosen)
        return self._locked(chosen, session)

    def _due(self, runs: Mapping[int, tuple[str, str]], session: Any) -> tuple[set[int], Mapping[int, object]]:
        """Those of these runs that are to be looked at; and the marks of all, as they were before."""
        found = waiting_work.marks(list(runs.values()), session)
        marks = {run_id: found.get(key) for run_id, key in runs.items()}
        return self._looks.due({run_id: dag_id for run_id, (dag_id, _) in runs.items()}, marks), marks

    def _measure(self, run_ids: Sequence[int], session: Any) -> None:
        ask = self._sizes.to_measure(run_ids)
        if ask:
            self._sizes.learn(_sizes(ask, session))

    def _locked(self, run_ids: Collection[int], session: Any) -> list[DagRun]:
        """Those of these runs that nobody else works on, ready to be decided on."""
        ask = select(DagRun).where(DagRun.id.in_(run_ids), DagRun.state == DagRunState.RUNNING)
        rows = {
            run.id: run for run in session.scalars(with_row_locks(ask, of=DagRun, session=session, skip_locked=True))
        }
        found = [rows[run_id] for run_id in run_ids if run_id in rows]
        self._stamp_team_names(found, session)
        return found

    def _schedule_dag_run(self, dag_run: DagRun, session: Any) -> Any:
        """One run; a task that is mapped over too much fails, and says so, instead of being expanded for minutes."""
        key = {"dag_id": dag_run.dag_id, "run_id": dag_run.run_id}
        try:
            return super()._schedule_dag_run(dag_run, session)
        except MapTooLongError as error:
            session.rollback()
            ask = update(TaskInstance).where(
                TaskInstance.dag_id == key["dag_id"],
                TaskInstance.run_id == key["run_id"],
                TaskInstance.task_id == error.task_id,
                TaskInstance.state.is_(None),
            )
            session.execute(ask.values(state=TaskInstanceState.FAILED))
            session.add(Log(event=callbacks.EVENT, extra=str(error), task_id=error.task_id, **key))
            self.log.warning("%s (run %s of %s)", error, key["run_id"], key["dag_id"])
            return None

    # --- what is queued ----------------------------------------------------------------------------------------------

    def _critical_section_enqueue_task_instances(self, session: Any) -> int:
        """Queue what is ready, until nothing more fits.

        The database is asked for a limited number of ready tasks, and a backlog fills that number. It also fills its
        team's pool, which the next pass leaves out: then the others show.
        """
        queued = 0
        for _ in range(PASSES):
            with self._each_run_asked_once():
                count = int(super()._critical_section_enqueue_task_instances(session=session))
            queued += count
            if count == 0 or not waiting_work.ready_tasks(session):
                return queued
        bells.ring(bells.WAKE)  # there may be more
        return queued

    @contextlib.contextmanager
    def _each_run_asked_once(self) -> Iterator[None]:
        """Within it, a run's Dag is looked up once, and not for each of its ready tasks."""
        bag = self.scheduler_dag_bag
        self.scheduler_dag_bag = DagsOfAStep(bag)
        try:
            yield
        finally:
            self.scheduler_dag_bag = bag

    # --- the heavy lane ----------------------------------------------------------------------------------------------

    def _lane_works(self) -> bool:
        """Whether there is a lane; started if there is none."""
        if self._lane is not None and reap(self._lane) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._lane, 0)
                return True
        parent = os.getpid()
        sys.stdout.flush()
        try:
            self._lane = os.fork()
        except OSError:
            self.log.warning("The heavy lane could not be started; large runs are looked at in between", exc_info=True)
            self._lane = None
            return False
        if self._lane == 0:
            self._run_lane(parent)
        return True

    def _run_lane(self, parent: int) -> NoReturn:
        """The lane's process. It never returns: above it on the stack is the scheduler, with its connections."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(number, signal.SIG_DFL)
            die_with(parent)
            setproctitle("airspace scheduler: large runs")
            os.nice(LANE_NICE)
            # Kept, not closed: the session and its connections are the scheduler's, and closing them here would end
            # them for it.
            kept = (settings.Session(), settings.engine.pool, settings.async_engine and settings.async_engine.pool)
            settings.Session.registry.clear()
            settings.engine.dispose(close=False)
            self._in_lane = True
            self._lane_loop()
            del kept
            code = 0
        except Exception:
            self.log.exception("The heavy lane ends; the scheduler starts another one")
        finally:
            os._exit(code)

    def _lane_loop(self) -> None:
        idle_since = time.monotonic()
        trouble = 0
        while time.monotonic() - idle_since < LANE_IDLE:
            begun = time.monotonic()
            self._dag_id_to_team_name: dict[str, str | None] = {}
            try:
                looked = self._look_at_one()
                trouble = 0
            except DBAPIError:
                trouble += 1
                if trouble > 3:
                    raise
                self.log.warning("A large run could not be looked at; trying again", exc_info=True)
                looked = True
            if looked:
                idle_since = time.monotonic()
                bells.ring(bells.WAKE)  # what became ready is queued by the scheduler
            time.sleep(max(0.1, (time.monotonic() - begun) * LANE_REST))

    def _look_at_one(self) -> bool:
        """Look at the heavy run whose turn it is; whether there is any."""
        with create_session() as session, prohibit_commit(session) as guard:
            waiting = _running(session)
            self._measure([run.id for run in waiting], session)
            heavy = [run for run in waiting if self._sizes.is_heavy(run.id)]
            turn = round_robin(heavy, 1)
            decided = super()._schedule_all_dag_runs(guard, self._locked(turn, session), session)
            dags = [(self.scheduler_dag_bag.get_dag_for_run(run, session=session), call) for run, call in decided]
            guard.commit()
        for dag, callback in dags:
            if dag is not None:
                self._send_dag_callbacks_to_processor(dag, callback)
        return bool(heavy)


def _running(session: Any) -> list[Waiting]:
    """The running runs of every team that are next, each with its place in its team's line."""
    team = dag_bundle_team_association_table.c
    place = (
        func.row_number()
        .over(
            partition_by=team.team_name,
            order_by=(
                DagRun.backfill_id.is_not(None),
                DagRun.last_scheduling_decision.asc().nulls_first(),
                DagRun.run_after,
            ),
        )
        .label("place")
    )
    inner = (
        select(DagRun.id, DagRun.dag_id, DagRun.run_id, team.team_name.label("team"), place)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .outerjoin(dag_bundle_team_association_table, team.dag_bundle_name == DagModel.bundle_name)
        .where(
            DagRun.state == DagRunState.RUNNING,
            DagModel.is_paused.is_(False),
            DagModel.is_stale.is_(False),
            DagRun.run_after <= func.now(),
        )
        .subquery()
    )
    ask = select(inner).where(inner.c.place <= 2 * DagRun.DEFAULT_DAGRUNS_TO_EXAMINE)
    return [Waiting(row.id, row.team, row.place, (row.dag_id, row.run_id)) for row in session.execute(ask)]


def _sizes(run_ids: Collection[int], session: Any) -> dict[int, int]:
    """Run → how many task instances it has, and how many more its mapped tasks are about to get."""
    keys = {(run.dag_id, run.run_id): run.id for run in session.execute(_keys(run_ids))}
    sizes = dict.fromkeys(run_ids, 0)
    for table, amount in ((TaskInstance, func.count()), (TaskMap, func.sum(TaskMap.length))):
        ask = select(table.dag_id, table.run_id, amount.label("amount")).where(
            tuple_(table.dag_id, table.run_id).in_(list(keys))
        )
        for row in session.execute(ask.group_by(table.dag_id, table.run_id)) if keys else ():
            sizes[keys[row.dag_id, row.run_id]] += int(row.amount or 0)
    return sizes


def _keys(run_ids: Collection[int]) -> Any:
    return select(DagRun.id, DagRun.dag_id, DagRun.run_id).where(DagRun.id.in_(run_ids))

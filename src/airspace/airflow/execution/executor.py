"""The one executor of all teams.

It runs inside the scheduler, whose wait it is: ``sync`` returns as soon as a task ended, a task's success was stored,
or somebody rang the wake bell. Work waits in Airflow's own queues until its team has a slot free; see
``docs/adr/0007-one-executor.md``.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NoReturn

from airflow import settings
from airflow.executors import workloads
from airflow.executors.base_executor import BaseExecutor, get_execution_api_server_url
from airflow.models import Log
from airflow.models.callback import CallbackKey
from airflow.models.connection_test import ConnectionTestKey
from airflow.sdk.log import init_log_file
from airflow.utils.state import TaskInstanceState
from sqlalchemy.exc import SQLAlchemyError

from airspace.airflow import callbacks
from airspace.airflow.execution import callback_states, connection_tests, worker
from airspace.airflow.execution.connection_tests import ForeignError
from airspace.airflow.execution.measures import Measures
from airspace.airflow.execution.pool import Ended, WorkerPool
from airspace.airflow.execution.presence import Holder, TaskPresence
from airspace.airflow.execution.worker import Job
from airspace.airflow.live_teams import LiveTeams
from airspace.airflow.turns import next_in_line, niceness
from airspace.backends.tables import TeamRegistry, TeamRow
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells

WAIT = 0.5
GATHER = 0.2  # for ends of tasks of teams that have others ready: a look of the scheduler's for all of them
FEW = 2  # running tasks of a team, among which the end of one is looked at at once
REST = 2.0  # times what its last look took, while a team runs more: ends that come meanwhile are one look's
GRACE = 8.0  # for tasks to clean up when the platform stops; the process manager's patience is longer


class TeamExecutor(BaseExecutor):
    """Runs every team's tasks in processes: each team within its slots, all within ``[core] parallelism``.

    A team that has nothing running may start one task even where the others fill the machine.
    """

    is_local = True
    supports_multi_team = True
    supports_callbacks = True
    supports_connection_test = True
    # The API server reads the logs from the shared folder; Airflow's log server would listen on every address.
    serve_logs = False

    def start(self) -> None:
        """Get ready: no process is started before there is work."""
        self._layout = HomeLayout(home_root())
        self._teams = LiveTeams(TeamRegistry(settings.engine))
        self._presence = TaskPresence(bells.run_dir() / "tasks")
        self._server = get_execution_api_server_url(self.conf)
        self._pool = WorkerPool(self._become_worker, bells.hang(bells.WAKE))
        self._team_of: dict[Any, str] = {}
        self._lost: list[Any] = []
        self._served: dict[str, None] = {}
        self._kept: deque[Any] = deque(maxlen=200)
        self._soon = False
        self._back = time.monotonic()
        self._backlogged: frozenset[str] = frozenset()
        self._unsettled: list[CallbackKey] = []
        self._measures = Measures()
        callback_states.recover(self._presence, self._follow)

    # --- handing out ---------------------------------------------------------------------------------------------

    def trigger_tasks(self, open_slots: int) -> None:  # noqa: ARG002  # counted here, by team
        """Start what may start."""
        self._hand_out()
        self._measures.store()

    @property
    def slots_available(self) -> int:
        """How much the scheduler may queue at once: what is queued is bounded by the teams' pools, not by what runs.

        Where it was bounded by what runs, a machine that one team keeps busy would have no place in the queue for
        another one's first task, which may start however busy the machine is.
        """
        return self.parallelism

    @property
    def slots_occupied(self) -> int:
        """As above: nothing, to the scheduler."""
        return 0

    def _hand_out(self) -> None:
        self._teams.refresh()
        self._start_tests()
        waiting = self._waiting()
        running = self._running_by_team()
        slots = {team.name: team.slots for team in self._teams.all() if not team.halted}
        free = self.parallelism - len(self.running)
        started = next_in_line(waiting, running, slots, free, list(self._served))
        for team, workload in started:
            self._start_workload(team, workload)
        begun = Counter(team for team, _ in started)
        self._backlogged = frozenset(team for team, work in waiting.items() if len(work) > begun[team])

    def _waiting(self) -> dict[str, list[Any]]:
        """Team → its queued callbacks, then its queued tasks by priority, then arrival."""
        waiting: dict[str, list[Any]] = defaultdict(list)
        # One that is running deferred, and its trigger was quicker than the end of its process.
        queued = [job for key, job in self.order_queued_tasks_by_priority() if key not in self.running]
        for workload in [*self.queued_callbacks.values(), *queued]:
            team = self._owner(workload.bundle_info.name)
            if team is not None and team.halted:
                if self._teams.reachable:  # whoever halted the team says in the database what became of it
                    self._unqueue(workload.key)
            elif team is not None:
                waiting[team.name].append(workload)
            elif self._teams.reachable:  # else it waits until the database answers
                self._refuse(workload, _no_team(workload.bundle_info.name))
        return waiting

    def trigger_connection_tests(self) -> None:
        """As :meth:`trigger_tasks`."""

    def _start_tests(self) -> None:
        """Somebody waits for them at a screen, so they wait for no slot; how many there are is bounded at the door."""
        asked = list(self.queued_connection_tests.values())
        if asked:  # perhaps by a team that was made a moment ago
            self._teams.refresh(force=True)
        for workload in asked:
            try:
                team = connection_tests.admit(workload.connection_test_id, [team.name for team in self._teams.all()])
            except ForeignError as error:
                self._unqueue(workload.key)
                connection_tests.fail(workload.key.id, str(error))
            except SQLAlchemyError:
                self.log.warning("A connection test waits: the database does not answer", exc_info=True)
            except Exception as error:  # one row that cannot be read ends one test, and not the scheduler
                self.log.exception("A connection test could not be read")
                self._unqueue(workload.key)
                connection_tests.fail(workload.key.id, f"It could not be read: {type(error).__name__}")
            else:
                self._unqueue(workload.key)
                self.running.add(workload.key)
                self._pool.run(Job(team, workload))

    def _owner(self, bundle: str) -> TeamRow | None:
        team = self._teams.of_bundle(bundle)
        if team is None or team.halted:  # perhaps it is new, or was resumed since: the scheduler knows that at once
            self._teams.refresh(force=True)
            team = self._teams.of_bundle(bundle)
        return team

    def _running_by_team(self) -> dict[str, int]:
        running: dict[str, int] = {}
        for key in self.running:
            if (team := self._team_of.get(key)) is not None:
                running[team] = running.get(team, 0) + 1
        return running

    def _start_workload(self, team: str, workload: Any) -> None:
        self._unqueue(workload.key)
        job = Job(team, workload, niceness(self._running_by_team().get(team, 0)))
        self.running.add(workload.key)
        self._team_of[workload.key] = team
        self._served.pop(team, None)
        self._served[team] = None
        if workload.running_state is not None:
            self._soon = True
            self.change_state(workload.key, workload.running_state, remove_running=False)
        self._pool.run(job)

    def _unqueue(self, key: Any) -> None:
        self.queued_tasks.pop(key, None)
        self.queued_callbacks.pop(key, None)
        self.queued_connection_tests.pop(key, None)

    def _refuse(self, workload: Any, reason: str) -> None:
        """It never runs; its author is told in the task's log and in the event log."""
        self._unqueue(workload.key)
        self._tell(workload, callbacks.EVENT, reason)
        if isinstance(workload, workloads.ExecuteTask):
            _write_log(workload.log_path, reason)
        self._finish(workload.key, workload.failure_state, reason)

    def _tell(self, workload: Any, event: str, reason: str) -> None:
        """In the event log of its task or Dag."""
        if isinstance(workload, workloads.ExecuteTask):
            self.log_task_event(event=event, extra=reason, ti_key=workload.key)
        else:
            place = callback_states.place_of(workload.callback.data)
            self._task_event_logs.append(Log(event=event, extra=callbacks.storable(reason), **place))
        # The scheduler stores these through weak references: without another one the row would be empty.
        self._kept.extend(self._task_event_logs)

    # --- what ends -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until there is something for the scheduler to do, and learn what ended.

        A task's process ends a moment after its end was stored. The scheduler has gone on by then, and need not look at
        everything again for that: it is told with the next news. While a team has more ready than may run, ends of
        its tasks are gathered for a moment: its slots are filled from what is ready. And while a team runs
        several, looks leave them most of the processor.
        """
        rested = time.monotonic() + REST * (time.monotonic() - self._back)
        for key in self._lost:
            self._finish(key, TaskInstanceState.FAILED, "the process that supervised it ended with the scheduler")
        self._lost.clear()
        until = time.monotonic() + WAIT
        while True:
            news = self._pool.wait(0.0 if self._soon else until - time.monotonic())
            for ended in news.ended:
                self._ended(ended)
            self._settle()
            self._hand_out()
            if self._soon or news.rung or time.monotonic() >= until:
                break
            if quiet := news.stored - self._backlogged:
                running = self._running_by_team()
                if time.monotonic() >= rested or any(running.get(team, 0) <= FEW for team in quiet):
                    break
                until = min(until, rested)
            elif news.stored:
                until = min(until, time.monotonic() + GATHER)
        self._soon = False
        self._back = time.monotonic()

    def _settle(self) -> None:
        """Find out what became of callbacks that an earlier scheduler had begun."""
        for key in list(self._unsettled):
            try:
                callback_states.settle(key)
            except SQLAlchemyError:
                self.log.warning("What became of a callback could not be read; trying again", exc_info=True)
                return
            self._unsettled.remove(key)

    def _ended(self, ended: Ended) -> None:
        self._soon = self._soon or not ended.told
        workload = ended.workload
        if ended.used is not None and isinstance(workload, workloads.ExecuteTask):
            self._measures.add(workload.ti.id, *ended.used)
        if isinstance(ended.key, ConnectionTestKey):
            self.running.discard(ended.key)
            if ended.reason is not None:  # a test that came to its end told the API server itself
                connection_tests.fail(ended.key.id, f"It could not be tested: {ended.reason}")
        elif workload is None and isinstance(ended.key, CallbackKey):
            self.running.discard(ended.key)
            self._team_of.pop(ended.key, None)
            self._unsettled.append(ended.key)
        elif workload is None:  # adopted: it stored its end itself, or the scheduler finds that it did not
            self._finish(ended.key, TaskInstanceState.SUCCESS, "its supervisor, adopted from another scheduler, ended")
        elif ended.reason is None:
            self._finish(ended.key, workload.success_state, None)
        else:
            if isinstance(workload, workloads.ExecuteTask):
                _write_log(workload.log_path, f"The task failed: {ended.reason}.")
            else:
                self._tell(workload, callbacks.FAILED, f"The callback failed: {ended.reason}")
            self._finish(ended.key, workload.failure_state, callbacks.storable(ended.reason))

    def _finish(self, key: Any, state: Any, reason: str | None) -> None:
        self._team_of.pop(key, None)
        self._soon = self._soon or reason is not None
        self.change_state(key, state, reason)

    # --- other schedulers, other minds -------------------------------------------------------------------------------

    def try_adopt_task_instances(self, tis: Sequence[Any]) -> Sequence[Any]:
        """Take over what a dead scheduler left.

        A task whose supervisor lives is left alone and watched. One that was running and has none has failed, and is
        reported so: its retries decide what follows. What never began is given back, to be scheduled anew.
        """
        given_back = []
        for ti in tis:
            holder = self._presence.holder(str(ti.id))
            if holder is not None and self._follow(holder, ti.key):
                continue
            if ti.state == TaskInstanceState.RUNNING:
                self._lost.append(ti.key)
            else:
                given_back.append(ti)
        return given_back

    def _follow(self, holder: Holder, key: Any) -> bool:
        if not self._pool.follow(holder.pid, holder.team, key):
            return False
        self.running.add(key)
        self._team_of[key] = holder.team
        return True

    def change_state(self, key: Any, state: Any, info: Any = None, remove_running: bool = True) -> None:
        """As Airflow does. Where Airflow gives up a task that we still run, it is stopped."""
        super().change_state(key, state, info, remove_running)
        if remove_running and self._team_of.pop(key, None) is not None:
            self._pool.stop(key)

    def revoke_task(self, *, ti: Any) -> None:
        """Forget a task instance, and stop it if it was begun; no event tells of it."""
        self._unqueue(ti.key)
        self._pool.stop(ti.key)
        self.running.discard(ti.key)
        self._team_of.pop(ti.key, None)

    def end(self) -> None:
        """Stop: running tasks get ``GRACE`` seconds to clean up, and store what became of them."""
        self.log.info("Ending %d tasks", len(self.running))
        for ended in self._pool.close(GRACE):
            self._ended(ended)
        self._measures.store(now=True)

    def terminate(self) -> None:
        """Stop at once."""
        self._pool.close(0.0)

    def _become_worker(self, link: socket.socket) -> NoReturn:
        # Kept, not closed: the connections are the scheduler's, and closing them here would say goodbye in its name.
        pools = (settings.engine.pool, settings.async_engine and settings.async_engine.pool, settings.Session())
        settings.Session.registry.clear()
        settings.engine.dispose(close=False)
        os.environ.pop("_AIRFLOW_PROCESS_CONTEXT", None)
        worker.serve(link, self._server, self._layout, self._presence)
        del pools


def _no_team(bundle: str) -> str:
    return (
        f"Bundle {bundle!r} belongs to no team, so nothing of it runs."
        " Name the team in a team file and run `airspace apply`."
    )


def _write_log(log_path: str | None, event: str) -> None:
    """Put a line where the author looks: the task's own log."""
    if log_path:
        line = {"timestamp": datetime.now(timezone.utc).isoformat(), "level": "error", "event": event}
        with init_log_file(log_path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "logger": "airspace"}) + "\n")

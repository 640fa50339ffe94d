"""The one executor of all teams.

It runs inside the scheduler, whose wait it is: ``sync`` returns as soon as a task ended, a task's success was stored,
or somebody rang the wake bell. Work waits in Airflow's own queues until its team has a slot free; see
``docs/adr/0007-one-executor.md``.
"""

from __future__ import annotations

import json
import os
import socket
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NoReturn

from airflow import settings
from airflow.executors import workloads
from airflow.executors.base_executor import BaseExecutor, get_execution_api_server_url
from airflow.sdk.log import init_log_file
from airflow.utils.state import TaskInstanceState

from airspace.airflow import callbacks
from airspace.airflow.execution import worker
from airspace.airflow.execution.pool import Ended, WorkerPool
from airspace.airflow.execution.presence import TaskPresence
from airspace.airflow.execution.worker import Job
from airspace.airflow.live_teams import LiveTeams
from airspace.airflow.turns import next_in_line, niceness
from airspace.backends.tables import TeamRegistry, TeamRow
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells

WAIT = 0.5
GRACE = 8.0  # for tasks to clean up when the platform stops; the process manager's patience is longer


class TeamExecutor(BaseExecutor):
    """Runs every team's tasks in processes: each team within its slots, all within ``[core] parallelism``.

    A team that has nothing running may start one task even where the others fill the machine.
    """

    is_local = True
    supports_multi_team = True
    # Taken so that they can be refused with a reason; Airflow itself would only fail on them.
    supports_callbacks = True
    # Airflow tells the user at once. Both would run what a team chose, and get a sandbox before they are switched on.
    supports_connection_test = False
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
        self._busy = False

    # --- handing out ---------------------------------------------------------------------------------------------

    def trigger_tasks(self, open_slots: int) -> None:  # noqa: ARG002  # counted here, by team
        """Start what may start."""
        self._hand_out()

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
        waiting = self._waiting()
        running = self._running_by_team()
        slots = {team.name: team.slots for team in self._teams.all()}
        free = self.parallelism - len(self.running)
        for team, workload in next_in_line(waiting, running, slots, free, list(self._served)):
            self._start_workload(team, workload)

    def _waiting(self) -> dict[str, list[Any]]:
        """Team → its queued tasks by priority, then arrival."""
        for callback in list(self.queued_callbacks.values()):
            self._refuse(callback, callbacks.OFF)
        waiting: dict[str, list[Any]] = defaultdict(list)
        for key, workload in self.order_queued_tasks_by_priority():
            if key in self.running:  # it deferred, and its trigger was quicker than the end of its process
                continue
            team = self._owner(workload.bundle_info.name)
            if team is not None:
                waiting[team.name].append(workload)
            elif self._teams.reachable:  # else it waits until the database answers
                self._refuse(workload, _no_team(workload.bundle_info.name))
        return waiting

    def _owner(self, bundle: str) -> TeamRow | None:
        team = self._teams.of_bundle(bundle)
        if team is None:  # perhaps it is new
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
        self._busy = True
        if workload.running_state is not None:
            self.change_state(workload.key, workload.running_state, remove_running=False)
        self._pool.run(job)

    def _unqueue(self, key: Any) -> None:
        self.queued_tasks.pop(key, None)
        self.queued_callbacks.pop(key, None)

    def _refuse(self, workload: Any, reason: str) -> None:
        """It never runs; its author is told in the task's log and in the event log."""
        self._unqueue(workload.key)
        self.log_task_event(event=callbacks.EVENT, extra=reason, ti_key=workload.key)
        # The scheduler stores these through weak references: without another one the row would be empty.
        self._kept.extend(self._task_event_logs)
        if isinstance(workload, workloads.ExecuteTask):
            _write_log(workload.log_path, reason)
        self._finish(workload.key, workload.failure_state, reason)

    # --- what ends -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until there is something for the scheduler to do, and learn what ended."""
        for key in self._lost:
            self._finish(key, TaskInstanceState.FAILED, "the process that supervised it ended with the scheduler")
        self._lost.clear()
        pause = 0.0 if self._busy or self.event_buffer else WAIT
        self._busy = False
        for ended in self._pool.wait(pause):
            self._ended(ended)
        self._hand_out()

    def _ended(self, ended: Ended) -> None:
        workload = ended.workload
        if workload is None:  # adopted: it stored its end itself, or the scheduler finds that it did not
            self._finish(ended.key, TaskInstanceState.SUCCESS, "its supervisor, adopted from another scheduler, ended")
        elif ended.reason is None:
            self._finish(ended.key, workload.success_state, None)
        else:
            if isinstance(workload, workloads.ExecuteTask):
                _write_log(workload.log_path, f"The task failed: {ended.reason}.")
            self._finish(ended.key, workload.failure_state, ended.reason)

    def _finish(self, key: Any, state: Any, reason: str | None) -> None:
        self._team_of.pop(key, None)
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
            if holder is not None and self._pool.follow(holder.pid, holder.team, ti.key):
                self.running.add(ti.key)
                self._team_of[ti.key] = holder.team
            elif ti.state == TaskInstanceState.RUNNING:
                self._lost.append(ti.key)
            else:
                given_back.append(ti)
        return given_back

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

    def terminate(self) -> None:
        """Stop at once."""
        self._pool.close(0.0)

    def _become_worker(self, link: socket.socket) -> NoReturn:
        # Kept, not closed: the connections are the scheduler's, and closing them here would say goodbye in its name.
        pools = (settings.engine.pool, settings.async_engine and settings.async_engine.pool)
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

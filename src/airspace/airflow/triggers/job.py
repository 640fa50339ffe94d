"""The one triggerer of all teams: Airflow's job, with a runner for each team that has triggers.

It finds out whose each trigger is, gives each team's to the team's own runner, and takes in what they say. A team
without triggers has no process. Every private method that is used has a contract test; see
``docs/adr/0017-triggers-in-sandboxes.md``.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow import settings
from airflow.configuration import conf
from airflow.jobs.job import Job, JobState, perform_heartbeat
from airflow.jobs.triggerer_job_runner import TriggererJobRunner, in_process_api_server
from airflow.models.trigger import Trigger
from airflow.sdk.api.client import Client
from airflow.utils.net import get_hostname
from airflow.utils.session import create_session
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from airspace.airflow.guard.database import TROUBLE, Database
from airspace.airflow.guard.facts import Facts
from airspace.airflow.live_teams import LiveTeams
from airspace.airflow.stream import SpoiledError
from airspace.airflow.team_environment import team_environment
from airspace.airflow.triggers import runner as runners
from airspace.airflow.triggers import whose
from airspace.airflow.triggers.desk import Desk
from airspace.airflow.triggers.pace import Falls
from airspace.airflow.triggers.runner import TeamTriggers
from airspace.backends.tables import TeamRegistry
from airspace.model.home import HomeLayout, home_root
from airspace.model.limits import CodeLimits
from airspace.platform import bells
from airspace.sandbox.client import SpawnerClient
from airspace.sandbox.errors import BusyError, NotBegunError, SandboxError
from airspace.sandbox.ports import Sandboxes

LOOK = 1.0  # seconds between two looks at the database, when nobody rings
SOON = 0.02  # between two looks when somebody does
CLEAN = 2.0
KEEP_IDLE = 5.0
BUSY = 2.0
GRACE = 6.0  # for triggers to clean up when the platform stops
NO_TEAM = "This trigger's Dag belongs to no team, so it never runs. Name the team in a team file: airspace apply."


@dataclass
class Seat:
    """A team's place: its runner, if it has one, and how that went so far."""

    team: str
    runner: TeamTriggers | None = None
    falls: Falls = field(default_factory=Falls)
    busy_since: float = 0.0
    wanted: set[int] = field(default_factory=set)
    there_each_time: set[int] | None = None
    """The triggers that were there whenever the runner fell."""


class TeamTriggerer(TriggererJobRunner):
    """Airflow's triggerer, whose runners are in their teams' sandboxes."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._limits = CodeLimits.read(lambda section, key: conf.get(section, key, fallback=None))
        self._layout = HomeLayout(home_root())
        self._teams = LiveTeams(TeamRegistry(settings.engine))
        self._sandboxes: Sandboxes = SpawnerClient(bells.run_dir())
        self._desk = Desk(_client, Facts(Database(settings.SQL_ALCHEMY_CONN_ASYNC)))
        self._selector = selectors.DefaultSelector()
        self._seats: dict[str, Seat] = {}
        self._stopping = False
        self._rung = True
        self._looked = self._cleaned = float("-inf")
        self._strangers: set[int] = set()

    # --- the job -----------------------------------------------------------------------------------------------------

    def on_kill(self) -> None:
        """Airflow's word for: stop."""
        self._stopping = True

    def _exit_gracefully(self, signum: int, frame: object) -> None:  # noqa: ARG002  # a signal handler's
        self.log.info("Stopping upon signal %s", signum)
        self._stopping = True

    def _execute(self) -> int | None:
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        self.register_signals()
        bell = bells.hang(bells.TRIGGERS)
        wake, wake_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        self._selector.register(bell, selectors.EVENT_READ, (self._on_ring, lambda _: None))
        self._selector.register(wake, selectors.EVENT_READ, (lambda fd: bool(os.read(fd, 512)), lambda _: None))
        try:
            while not self._stopping:
                self._once()
        finally:
            self._end_all()
        return None

    def _once(self) -> None:
        try:
            if self._is_due():
                self._look()
            for seat in list(self._seats.values()):
                self._tend(seat)
            if time.monotonic() - self._cleaned > CLEAN:
                Trigger.clean_unused()
                self._cleaned = time.monotonic()
            perform_heartbeat(self.job, heartbeat_callback=lambda **_: None, only_if_necessary=True)
        except (OperationalError, *TROUBLE) as error:
            self.log.warning("The database does not answer; trying again: %s", type(error).__name__)
            time.sleep(LOOK)
        self._wait()

    def _is_due(self) -> bool:
        since = time.monotonic() - self._looked
        return since > LOOK or (self._rung and since > SOON)

    def _wait(self) -> None:
        """Until a runner speaks or ends, somebody rings, or it is time to look."""
        busy = any(seat.runner is not None and seat.runner.has_more for seat in self._seats.values())
        left = self._looked + (SOON if self._rung else LOOK) - time.monotonic()
        for key, _ in self._selector.select(0.0 if busy else min(max(left, 0.0), LOOK)):
            handler, on_close = key.data
            try:
                more = handler(key.fileobj)
            except (BlockingIOError, InterruptedError):
                more = True
            except OSError:
                more = False
            if not more:
                on_close(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]

    def _on_ring(self, bell: Any) -> bool:
        bells.rings(bell)
        self._rung = True
        return True

    # --- who runs what -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find the triggers that there are, and give each to its team's runner."""
        self._looked, self._rung = time.monotonic(), False
        self._teams.refresh()
        most = self._limits.triggers_per_team
        with create_session() as session:
            found, watched = whose.waiting(self.job.id, most, session)
        if watched:
            names = {name for names in watched.values() for name in names}
            running = {trigger for seat in self._seats.values() for trigger in seat.wanted}
            found += whose.watching(watched, self._desk.owners(names), running)
        stages = {team.name: team.stage for team in self._teams.all()}
        found = whose.not_held(found, stages)
        chosen = whose.share(found, most)
        with create_session() as session:
            if chosen:
                whose.assign({each for ids in chosen.values() for each in ids}, self.job.id, session)
            for trigger_id in whose.homeless(found):
                Trigger.submit_failure(trigger_id, [NO_TEAM + "\n"], session=session)
        self._name_strangers(found)
        for team in {*chosen, *self._seats}:
            self._want(self._seats.setdefault(team, Seat(team)), chosen.get(team, set()))

    def _name_strangers(self, found: list[whose.Found]) -> None:
        strangers = {each.id for each in found if each.team is None}
        for trigger_id in strangers - self._strangers:
            self.log.warning("Trigger %s does not run: it cannot be told which team's it is", trigger_id)
        self._strangers = strangers

    def _want(self, seat: Seat, wanted: set[int]) -> None:
        if wanted != seat.wanted or (seat.runner is not None and seat.runner.wanted != wanted):
            seat.wanted = wanted
            if seat.runner is not None:
                seat.runner.update_triggers(wanted)

    def _tend(self, seat: Seat) -> None:
        """Begin, look after or end a team's runner."""
        now, runner = time.monotonic(), seat.runner
        if runner is None:
            if seat.wanted and now >= seat.falls.not_before:
                self._begin(seat)
            elif not seat.wanted and now > seat.falls.not_before + KEEP_IDLE:
                del self._seats[seat.team]
            return
        if (how := runner.ended) is not None:
            self._fell(seat, runner, how)
            return
        self._tick(runner)
        if not runner.idle:
            seat.busy_since = now
        elif now - seat.busy_since > KEEP_IDLE:
            runner.give_up()
            seat.runner = None

    def _tick(self, runner: TeamTriggers) -> None:
        """Whatever one team's runner makes of it ends that runner alone."""
        try:
            runner.tick()
        except (OperationalError, *TROUBLE):
            raise
        except SpoiledError as error:
            runner.spoil(str(error))
        except Exception:
            self.log.exception("The triggers of team %s could not be looked after", runner.team)
            runner.spoil("the platform could not deal with its triggers; its log says more")

    def _begin(self, seat: Seat) -> None:
        if not (bundle := self._bundle(seat.team)):  # perhaps it is new
            self._teams.refresh(force=True)
            bundle = self._bundle(seat.team)
        try:
            if bundle is None:
                raise SandboxError(f"there is no team {seat.team}", fix="airspace apply")
            values = team_environment(self._layout, bundle, seat.team, os.environ)
            seat.runner = TeamTriggers.begin(
                job=self.job,
                team=seat.team,
                limits=self._limits,
                launch=partial(self._sandboxes.order, seat.team, runners.work(seat.team, values)),
                desk=self._desk,
                selector=self._selector,
                consumers=lambda asset, team=seat.team: sorted(self._teams.grants.get((team, asset), ())),
                on_news=lambda: bells.ring(bells.WAKE),
            )
        except (BusyError, NotBegunError):  # its turn comes again
            seat.falls.not_before = time.monotonic() + BUSY
        except SandboxError as error:
            self._pause(seat, 0.0, f"could not be started: {error.message}. Fix: {error.fix}")
        else:
            seat.busy_since = time.monotonic()
            seat.runner.update_triggers(seat.wanted)

    def _bundle(self, name: str) -> str | None:
        return next((team.bundle for team in self._teams.all() if team.name == name), None)

    def _fell(self, seat: Seat, runner: TeamTriggers, how: str) -> None:
        """It ended by itself, or had to be ended: its triggers are begun again, by another one."""
        runner.handle_events()
        seat.runner = None
        self._pause(seat, runner.age, how, runner.tell)
        runner.give_up()

    def _pause(self, seat: Seat, age: float, how: str, tell: Callable[[str], None] = lambda _: None) -> None:
        pause = seat.falls.fell(time.monotonic(), age)
        if seat.falls.count == 1 or seat.there_each_time is None:
            seat.there_each_time = set(seat.wanted)
        seat.there_each_time &= seat.wanted
        self.log.warning("The process of team %s's triggers %s", seat.team, how)
        words = f"The process that runs the triggers of team {seat.team} {how}."
        if not seat.falls.hopeless:
            tell(f"{words} Another one begins in {pause:.1f} s.")
            return
        tell(f"{words} That was so {seat.falls.count} times, so the trigger fails.")
        with create_session() as session:
            for trigger_id in seat.there_each_time:
                Trigger.submit_failure(trigger_id, [words + "\n"], session=session)
        seat.wanted = seat.wanted - seat.there_each_time
        seat.falls, seat.there_each_time = Falls(not_before=seat.falls.not_before), None
        bells.ring(bells.WAKE)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _end_all(self) -> None:
        """Airflow's way: triggers are cancelled, and may clean up; what they say meanwhile is still heard."""
        running = [seat.runner for seat in self._seats.values() if seat.runner is not None]
        for each in running:
            each.ask_to_end()
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(each.ended is None for each in running):
            self._looked = time.monotonic() - LOOK + 0.1
            self._wait()
        for each in running:
            each.give_up()
        self._seats.clear()


def end_dead_triggerers() -> None:
    """Mark this host's earlier triggerers as failed. Call it only while holding the home's triggerer lock."""
    with create_session() as session:
        session.execute(
            update(Job)
            .where(Job.job_type == "TriggererJob", Job.state == JobState.RUNNING, Job.hostname == get_hostname())
            .values(state=JobState.FAILED)
        )


def _client() -> Client:
    """Of Airflow's own API, in this process."""
    client = Client(base_url=None, token="", dry_run=True, transport=in_process_api_server().transport)
    client.base_url = "http://in-process.invalid./"
    return client

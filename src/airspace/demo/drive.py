"""Make the story happen: the calls that people would make, as those people, and waiting for what follows from them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airspace.backends.airflow_rest import Run, Session
from airspace.demo.claim import Context, Facts, value_of
from airspace.demo.progress import Display, TeamProgress
from airspace.demo.story import (
    CHURN,
    DA,
    DASHBOARD,
    DE,
    DS,
    ENGINEER,
    ETL,
    LAST_FAILURE,
    MEMBER,
    PROBE_DAGS,
    PROBE_OWN,
    PROBE_PUBLISH,
    SPOIL,
    STORY_DAGS,
    size,
)
from airspace.model.errors import AirspaceError

_MARKS = ("rocket-", "spoiled-")
CALLS_BACK = 60.0  # seconds after a run has ended; a quiet machine needs one
POLL = 0.4  # seconds between two looks; the REST API of one small machine answers a look in about 0.1


@dataclass
class Driver:
    """Drives the story against a deadline.

    ``context.facts`` grows with the runs that this driver caused.
    """

    context: Context
    display: Display
    deadline: float
    _begun: dict[str, float] = field(default_factory=dict)

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Look again and again until it is so, or the time is over."""
        while not done():
            if self._left() <= 0:
                raise AirspaceError(
                    f"gave up waiting until {what}", fix="airspace status; or give it more time: --timeout"
                )
            time.sleep(POLL)

    def wait_for_dags(self) -> None:
        """Until every Dag of the story has been parsed, and can be triggered."""
        admin = self.context.as_("admin")
        wanted = set(STORY_DAGS) | set(PROBE_DAGS)
        missing = set(wanted)

        def parsed() -> bool:
            missing.clear()
            missing.update(wanted - {dag.dag_id for dag in admin.dags() if not dag.stale})
            if missing and (errors := admin.call("GET", "/importErrors", limit=5)["import_errors"]):
                self._refuse_broken(errors)
            return not missing

        self.wait(f"the Dags of {', '.join(STORY_DAGS.values())} are parsed", parsed)

    def wait_until_gone(self, dag_ids: Collection[str]) -> None:
        """Until nobody is shown these Dags any more: a moment after their files went."""
        admin = self.context.as_("admin")
        self.wait("the demo's own probes are gone", lambda: not any(dag.dag_id in dag_ids for dag in admin.dags()))

    def _refuse_broken(self, errors: Sequence[dict[str, str]]) -> None:
        ours = [error for error in errors if error.get("bundle_name") in STORY_DAGS.values()]
        # A file that is being copied may be read half: only an error that is old enough counts.
        old = [e for e in ours if (datetime.now(timezone.utc) - _when(e["timestamp"])).total_seconds() > 10]
        if old:
            last = (old[0].get("stack_trace") or "").strip().splitlines()[-1:]
            raise AirspaceError(
                f"{old[0].get('bundle_name')}/{old[0].get('filename')} does not import: {' '.join(last)}",
                fix="mend the file; it is read again at once",
            )

    def unpause(self) -> None:
        """Let the Dags run, each by somebody of its team who may."""
        for dag_id, team in {**STORY_DAGS, **PROBE_DAGS}.items():
            self.context.as_(MEMBER[team]).unpause(dag_id)

    def settle(self) -> None:
        """End what a demo that was cut off left going on; then until the pipelines are quiet."""
        engineer = self.context.as_(ENGINEER)
        for run in engineer.recent_runs(ETL, 20):
            if not run.finished and run.run_id.startswith(_MARKS):
                engineer.set_run_state(ETL, run.run_id, "failed")

        def quiet() -> bool:
            return all(
                run.finished
                for dag_id, team in STORY_DAGS.items()
                for run in self.context.as_(MEMBER[team]).recent_runs(dag_id, 20)
            )

        self.wait("the pipelines have nothing else to do", quiet)

    def run_rocket(self, players: int) -> None:
        """DE's pipeline, started by an engineer, and what the other teams' pipelines do because of it."""
        conf = size(players)
        etl = self.context.as_(ENGINEER).trigger(ETL, run_id=_mark("rocket"), conf=conf)
        runs: dict[str, Run] = {DE: etl}

        def finished() -> bool:
            runs[DE] = self.context.as_(MEMBER[DE]).run(ETL, etl.run_id)
            for team, dag_id in ((DS, CHURN), (DA, DASHBOARD)):
                known = runs.get(team)
                if known is None:
                    found = self._caused_by(team, dag_id, runs)
                else:
                    found = self.context.as_(MEMBER[team]).run(dag_id, known.run_id)
                if found:
                    runs[team] = found
            self._show(runs)
            self._stop_at_failure(runs)
            return len(runs) == 3 and all(run.finished for run in runs.values())

        self.wait("DS's and DA's pipelines have run on what DE published", finished)
        self.context.facts = Facts(etl.run_id, runs[DS].run_id, runs[DA].run_id)

    def _caused_by(self, team: str, dag_id: str, runs: dict[str, Run]) -> Run | None:
        """The team's run that some run of this story started by publishing."""
        ours = {
            event_id
            for owner, run in runs.items()
            for event_id in self.context.as_(MEMBER[owner]).published_by(run.dag_id, run.run_id)
        }
        session = self.context.as_(MEMBER[team])
        for run in session.recent_runs(dag_id) if ours else ():
            # A consumer is not told whose run published: the numbers of the events tie the two ends together.
            if run.run_type == "asset_triggered" and ours & session.heard_by(dag_id, run.run_id):
                return run
        return None

    def _stop_at_failure(self, runs: dict[str, Run]) -> None:
        for team, run in runs.items():
            if run.state == "failed":
                tasks = self.context.as_(MEMBER[team]).task_instances(run.dag_id, run.run_id)
                failed = ", ".join(task.task_id for task in tasks if task.state == "failed") or "no task"
                raise AirspaceError(
                    f"{team}'s {run.dag_id} failed in: {failed}",
                    fix=f"read its log: {self.context.airflow.url}/dags/{run.dag_id}/runs/{run.run_id}",
                )

    def run_spoiled(self, players: int) -> None:
        """The same pipeline on a spoiled batch, and beside it the probe of consent."""
        engineer = self.context.as_(ENGINEER)
        spoiled = engineer.trigger(ETL, run_id=_mark("spoiled"), conf={**size(players), **SPOIL})
        probe = engineer.trigger(PROBE_PUBLISH, run_id=_mark("probe"))

        def finished() -> bool:
            run = engineer.run(ETL, spoiled.run_id)
            self._show({DE: run})
            return run.finished and self._probe_heard(probe.run_id)

        self.wait("the spoiled batch has been stopped", finished)
        self._await_word(engineer, spoiled.run_id)
        known = self.context.facts
        self.context.facts = Facts(
            known.etl_run, known.churn_run, known.dashboard_run, spoiled.run_id, probe_run=probe.run_id
        )

    def _await_word(self, engineer: Session, run_id: str) -> None:
        """Airflow calls back after the run has ended. That it never did is for a claim to tell."""
        until = time.monotonic() + min(CALLS_BACK, self._left())
        while time.monotonic() < until and not value_of(engineer, LAST_FAILURE).startswith(run_id):
            time.sleep(POLL)

    def _probe_heard(self, run_id: str) -> bool:
        """Whether DE's own Dag ended that listens to the asset for which nobody else has consent."""
        session = self.context.as_(MEMBER[DE])
        for run in session.recent_runs(PROBE_OWN):
            if run.finished and any(e.source_run == run_id for e in session.upstream_events(PROBE_OWN, run.run_id)):
                return True
        return False

    def _show(self, runs: dict[str, Run]) -> None:
        rows = []
        for team in (DE, DS, DA):
            run = runs.get(team)
            if run is None:
                rows.append(TeamProgress(team, "", "waiting"))
                continue
            begun = self._begun.setdefault(run.run_id, time.monotonic())
            tasks = self.context.as_(MEMBER[team]).task_instances(run.dag_id, run.run_id)
            rows.append(
                TeamProgress(
                    team=team,
                    dag_id=run.dag_id,
                    state=run.state,
                    running=tuple(dict.fromkeys(t.task_id for t in tasks if t.state == "running")),
                    done=sum(task.state in {"success", "skipped", "failed", "upstream_failed"} for task in tasks),
                    total=len(tasks),
                    seconds=run.seconds or time.monotonic() - begun,
                )
            )
        self.display.show(rows)


def _mark(kind: str) -> str:
    """A run id that says what it is and does not repeat."""
    return f"{kind}-{datetime.now(timezone.utc):%Y-%m-%dT%H-%M-%S}-{secrets.token_hex(2)}"


def _when(value: str) -> datetime:
    return datetime.fromisoformat(value.replace("Z", "+00:00"))

"""``onboarding``: how long until a new team's first task has succeeded, and what many teams cost.

Against Airflow's own multi-team, where a new team is a row, two settings and a restart of everything.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import dags, drive, machine, summary
from benchmarks.airflow_peers import Native
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import PeerError

MANY = 300
QUICK_MANY = 20
_TEAM = """\
name: {name}
title: Team {name}
members: {{{name}_ada: author, {name}_grace: lead, {name}_linus: viewer}}
connections:
  objects: {{type: http, host: objects.example, login: {name}, password: {{env: BENCH_PASSWORD}}}}
variables: {{threshold: 0.7, region: eu}}
pools: {{gpu: 2}}
slots: {slots}
network: ["objects.example:443"]
assets:
  {name}_scores: {{}}
"""


class Onboarding(Airspace):
    """This project, to which teams are added while it runs."""

    def add(self, team: str) -> Path:
        """A team by one command; the folder of its Dags."""
        self._run("team", "add", team)
        return self.home / "dags" / team

    def timed(self, *arguments: str) -> float:
        """Seconds that a command takes, its start included."""
        begun = time.perf_counter()
        self._run(*arguments)
        return round(time.perf_counter() - begun, 2)

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "BENCH_PASSWORD": "not a secret"}


class Restarted(Native):
    """Airflow's own multi-team, to which a team is added as its documentation says."""

    added = ""

    @property
    def teams_now(self) -> list[str]:
        return [*super().teams_now, *([self.added] if self.added else [])]

    def first_dag(self) -> str:
        return dags.tiny_id(self.added) if self.added else super().first_dag()

    def add(self, team: str) -> None:
        """The row, the settings, and everything stopped; :func:`drive.start` starts it again."""
        self.added = team
        self._run("teams", "create", team)
        dags.write_tiny(self._bundle(team), team)
        self._write_settings(self._cluster())
        self.stop()


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    many = QUICK_MANY if options.quick else MANY
    document: dict[str, Any] = {
        "benchmark": "onboarding", "quick": options.quick, "load_before": machine.load(), "many": many,
    }  # fmt: skip
    if "airspace" in options.sides:
        peer = Onboarding(options.scratch / "airspace-onboarding", teams=1)
        try:
            drive.start(peer, fresh=True, first_task=False)
            with Airflow(peer.url) as airflow:
                session = drive.signed_in(peer, airflow)
                document["airspace"] = _onboarded(peer, session, 2 * options.repeats)
                say(f"airspace: {document['airspace']}")
                document["files"] = _files(peer, options.scratch / "files", many)
                say(f"{many} team files: {document['files']}")
        finally:
            peer.remove()
    if "native" in options.sides:
        document["native"] = _native(options)
        say(f"native: {document['native']}")
    ours, theirs = (document.get(side, {}).get("warm_s") for side in ("airspace", "native"))
    document["ratio"] = summary.ratio(ours, theirs)
    return document


def _onboarded(peer: Onboarding, session: Session, repeats: int) -> dict[str, Any]:
    """The first team after a start finds nothing warm; for the others a sandbox has been made before."""
    times = [_one(peer, session, f"newcomer_{number:02d}") for number in range(1 + repeats)]
    return {"cold_s": times[0], "warm_s": summary.middle(times[1:]), "worst_s": max(times[1:]), "samples": times}


def _one(peer: Onboarding, session: Session, team: str) -> float:
    """Seconds from the command that adds a team to the end of its first task."""
    begun = time.time()
    dag_id = dags.write_tiny(peer.add(team), team)
    answer = session.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})
    while not answer.ok:
        if time.time() - begun > 120:
            raise PeerError(f"{dag_id} was not found")
        time.sleep(0.05)
        answer = session.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})
    run_id = str(answer.body["dag_run_id"])
    while True:
        for task in session.task_instances(dag_id, run_id):
            if task.state == "success" and task.end is not None:
                return round(task.end.timestamp() - begun, 2)
            if task.state in ("failed", "upstream_failed"):
                raise PeerError(f"the first task of {team} failed")
        if time.time() - begun > 120:
            raise PeerError(f"the first task of {team} did not end")
        time.sleep(0.05)


def _native(options: Options) -> dict[str, Any]:
    times = []
    for number in range(options.repeats):
        peer = Restarted(options.scratch / f"native-onboarding-{number}", teams=1)
        try:
            drive.start(peer, fresh=True)
            begun = time.time()
            peer.add("newcomer")
            stopped = time.time() - begun
            found = drive.start(peer)
            times.append(round(stopped + (found.first_success or 0.0), 2))
        finally:
            peer.remove()
    return {"warm_s": summary.middle(times), "samples": times, "restarts": True}


def _files(peer: Onboarding, folder: Path, many: int) -> dict[str, Any]:
    """A folder of many teams: made so, planned unchanged, one of them changed."""
    folder.mkdir()
    for number in range(many):
        _write(folder, f"crowd_{number:03d}")
    made = peer.timed("apply", str(folder))
    planned = [peer.timed("plan", str(folder)) for _ in range(3)]
    changed = []
    for number in range(3):
        _write(folder, "crowd_007", slots=9 + number)
        changed.append(peer.timed("apply", str(folder)))
    return {
        "apply_new_s": made,
        "plan_s": summary.middle(planned),
        "one_change_s": summary.middle(changed),
        "samples": {"plan": planned, "one_change": changed},
    }


def _write(folder: Path, team: str, slots: int = 8) -> None:
    (folder / f"{team}.yaml").write_text(_TEAM.format(name=team, slots=slots))

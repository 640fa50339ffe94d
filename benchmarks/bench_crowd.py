"""``crowd``: what the shared processes cost as teams are added: 10, 100, 300 teams with 30 Dags each, all idle."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from airspace.backends.airflow_rest import Airflow, Session
from benchmarks import dags, drive, machine, measure, summary
from benchmarks.bench_fair import LOOPS
from benchmarks.bench_onboarding import Onboarding
from benchmarks.options import Options, say
from benchmarks.peers import PeerError

COUNTS, QUICK_COUNTS = (10, 100, 300), (2, 4)
FILES, DAGS = 3, 10
WATCH = 20.0  # seconds in which idle components are watched
SETTLE = 120.0  # at most, until sandboxes and supervisors without work have ended: the latter wait for a minute
PATIENCE = 900.0
EDITS, RUNS, ASKED = 5, 7, 20
MEMBER, HOME_TEAM = "crowd_member", "crowd_000"
_SOURCE = '''"""Ten Dags of the benchmark."""

from airflow.sdk import DAG, task

for number in range({dags}):
    with DAG(f"{prefix}_{{number:02d}}", schedule=None, tags=["{team}"], description="{edit}"):

        @task
        def extract():
            return [1, 2, 3]

        @task
        def load(rows):
            return len(rows)

        load(extract())
'''
_LISTS = {
    "the UI's first page of Dags": "/ui/dags?limit=50&dag_runs_limit=14",
    "50 Dags": "/api/v2/dags?limit=50",
    "50 pools": "/api/v2/pools?limit=50",
}
# What is read again and when is up to the benchmark; the scheduler says how long its loops took.
_SETTINGS = {
    "dag_processor": {"min_file_process_interval": "3600"},
    "logging": {"namespace_levels": LOOPS},
}
_DECIDED = re.compile(r"Decided in (\d+\.\d+) ms")


class Crowd(Onboarding):
    """This project, whose database can be asked: what the UI's routes answer is part of what is measured."""

    def people(self) -> dict[str, str]:
        """Who asks for lists, by what they are: their passwords are kept."""
        made = json.loads(self._run("user", "add", MEMBER, "--json"))
        self._passwords = {"bench": self._password, MEMBER: made["password"]}
        return {"admin": "bench", "member of one team": MEMBER}

    def token(self, airflow: Airflow, name: str) -> str:
        """For questions below ``/ui`` too."""
        answer = airflow.send("POST", "/auth/token", json={"username": name, "password": self._passwords[name]})
        return str(answer.body["access_token"])

    def rows(self, query: str, *values: object) -> list[Any]:
        """What the database says, without a request to a component that is measured."""
        parser = configparser.RawConfigParser()
        parser.read(self.home / "airflow" / "airflow.cfg")
        url = parser.get("database", "sql_alchemy_conn").replace("%%", "%").replace("+psycopg2", "", 1)
        with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def status(self) -> dict[str, Any]:
        """As ``airspace status --json`` has it."""
        found: dict[str, Any] = json.loads(self._run("status", "--json"))
        return found


@dataclass(frozen=True)
class Desk:
    """Everything that is needed to measure a point."""

    peer: Crowd
    airflow: Airflow
    session: Session
    people: Mapping[str, str]
    folder: Path


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    counts = sorted(options.asked_teams) or list(QUICK_COUNTS if options.quick else COUNTS)
    document: dict[str, Any] = {
        "benchmark": "crowd", "quick": options.quick, "load_before": machine.load(), "dags_a_team": FILES * DAGS,
        "files_a_team": FILES, "settings": _SETTINGS,
    }  # fmt: skip
    peer = Crowd(options.scratch / "crowd", settings=_SETTINGS)
    points: list[dict[str, Any]] = []
    try:
        drive.start(peer, fresh=True, first_task=False)
        with Airflow(peer.url) as airflow:
            desk = Desk(peer, airflow, drive.signed_in(peer, airflow), peer.people(), options.scratch / "crowd-files")
            _warm(desk)
            before = 0
            for count in counts:
                points.append(_point(desk, before, count))
                before = count
                say(f"{count} teams: {points[-1]}")
    finally:
        peer.remove()
    first, last = points[0], points[-1]
    added = last["teams"] - first["teams"]
    each = (last["pss_mb"] - first["pss_mb"]) / added if added else None
    return {**document, "points": points, "mb_an_idle_team": None if each is None else round(each, 3)}


def _warm(desk: Desk) -> None:
    """What the first task of all starts is there at every point, and at none of them for the first time."""
    dag_id = dags.write_tiny(desk.peer.add("first_of_all"), "first_of_all")
    drive.await_dag(desk.session, dag_id)
    desk.session.unpause(dag_id)
    drive.run(desk.session, dag_id)


def _point(desk: Desk, before: int, count: int) -> dict[str, Any]:
    """So many teams, the new ones of them added here."""
    new = [f"crowd_{number:03d}" for number in range(before, count)]
    applied = _apply(desk, new)
    begun = time.time()
    for team in new:
        _write_dags(desk.peer, team)
    known = _read_by(desk.peer, count * FILES * DAGS, 0.0, begun)
    say(f"{count} teams: applied in {applied} s, all Dags known after {known} s")
    edited = [
        _edit(desk.peer, f"crowd_{number * count // EDITS:03d}", f"edit {count} {number}") for number in range(EDITS)
    ]
    memory = _at_rest(desk.peer)
    working = [team["name"] for team in desk.peer.status()["teams"] if team["processes"]]
    idle_cpu, loops = _watch(desk.peer)
    point = {
        "teams": count,
        "apply_s": applied,
        "all_known_s": known,
        "edit_s": summary.middle(edited),
        "pss_mb": memory.total_mb,
        "processes": memory.processes,
        "teams_with_a_process": len(working),
        "by_title": dict(memory.by_title),
        "idle_cpu": idle_cpu,
        "idle_loop_ms": loops,
        "lists_ms": {who: _lists(desk, name) for who, name in desk.people.items()},
        "run_s": _runs(desk),
    }
    return point | {"cycle_s": _cycle(desk.peer, count * FILES * DAGS)}


def _at_rest(peer: Crowd) -> measure.Memory:
    """The memory when nothing is left of what has run."""
    deadline = time.monotonic() + SETTLE
    while {measure.SUPERVISORS, measure.TASKS, "zygotes"} & set(peer.memory().by_title):
        if time.monotonic() > deadline:
            break
        time.sleep(2.0)
    return measure.settled(peer.memory, least=3.0)


def _apply(desk: Desk, new: Sequence[str]) -> float:
    desk.folder.mkdir(exist_ok=True)
    for team in new:
        members = f"members: {{{MEMBER}: operator}}\n" if team == HOME_TEAM else ""
        (desk.folder / f"{team}.yaml").write_text(f"name: {team}\n{members}")
    return desk.peer.timed("apply", str(desk.folder))


def _write_dags(peer: Crowd, team: str, edit: str = "", files: int = FILES) -> None:
    for number in range(files):
        prefix = f"{team}_{number}"
        path = peer.home / "dags" / team / f"{prefix}.py"
        part = path.with_suffix(".part")
        part.write_text(_SOURCE.format(dags=DAGS, prefix=prefix, team=team, edit=edit))
        part.rename(path)


def _read_by(peer: Crowd, wanted: int, since: float, begun: float) -> float:
    """Seconds from ``begun`` until the last of so many Dags was stored that were read after ``since``."""
    ask = (
        "SELECT count(*), extract(epoch FROM max(last_parsed_time)) FROM dag WHERE dag_id LIKE 'crowd_%%'"
        " AND last_parsed_time > to_timestamp(%s)"
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        [(known, last)] = peer.rows(ask, since)
        if known >= wanted:
            return round(float(last) - begun, 1)
        if time.monotonic() > deadline:
            raise PeerError(f"{known} of {wanted} Dags were read in {PATIENCE:.0f} s")
        time.sleep(1.0)


def _edit(peer: Crowd, team: str, words: str) -> float:
    """Seconds from the change of one file to its Dags in the database; the team's sandbox is made on the way."""
    begun = time.monotonic()
    _write_dags(peer, team, words, files=1)
    while not peer.rows("SELECT 1 FROM dag WHERE dag_id = %s AND description = %s", f"{team}_0_00", words):
        if time.monotonic() > begun + 120:
            raise PeerError(f"the change of {team} was not seen")
        time.sleep(0.05)
    return round(time.monotonic() - begun, 2)


def _cycle(peer: Crowd, wanted: int) -> float:
    """Seconds from the first to the last file when a Dag processor that has just started reads all of them again."""
    begun = time.time()
    [old] = [part["pid"] for part in peer.status()["components"] if part["name"] == "dag-processor"]
    os.kill(old, signal.SIGTERM)
    _read_by(peer, wanted, begun, begun)
    ask = (
        "SELECT extract(epoch FROM max(last_parsed_time) - min(last_parsed_time)) FROM dag"
        " WHERE dag_id LIKE 'crowd_%%' AND last_parsed_time > to_timestamp(%s)"
    )
    return round(float(peer.rows(ask, begun)[0][0]), 1)


def _runs(desk: Desk) -> dict[str, float | None]:
    """Seconds from asking for a run of two tasks of one team to its end, by the database's clock."""
    dag_id = f"{HOME_TEAM}_0_00"
    desk.session.unpause(dag_id)
    times = []
    for _ in range(RUNS):
        begun = time.time()
        done = drive.run(desk.session, dag_id, poll=0.1)
        [(ended,)] = desk.peer.rows(
            "SELECT extract(epoch FROM end_date) FROM dag_run WHERE dag_id = %s AND run_id = %s", dag_id, done.run_id
        )
        times.append(round(float(ended) - begun, 2))
    return {"median": summary.middle(times), "worst": max(times)}


def _watch(peer: Crowd) -> tuple[dict[str, float], dict[str, float | int | None]]:
    """While nothing happens: part of a processor that each component uses, and what a scheduler's loop takes.

    Of a loop, the part that decides: waiting for something to happen is in it too.
    """
    log = peer.home / "logs" / "scheduler.log"
    begun, first = log.stat().st_size, _times(peer)
    time.sleep(WATCH)
    used: dict[str, float] = {}
    for pid, (title, seconds) in _times(peer).items():
        used[title] = used.get(title, 0.0) + seconds - first.get(pid, (title, seconds))[1]
    with log.open("rb") as file:
        file.seek(begun)
        loops = [float(ms) for ms in _DECIDED.findall(file.read().decode(errors="replace"))]
    cpu = {title: round(seconds / WATCH, 3) for title, seconds in sorted(used.items()) if seconds > 0.01}
    return cpu, {"loops": len(loops), "median": summary.middle(loops), "p95": summary.p95(loops)}


def _times(peer: Crowd) -> dict[int, tuple[str, float]]:
    found = {}
    for pid in peer.pids():
        try:
            process = psutil.Process(pid)
            spent = process.cpu_times()
            found[pid] = (measure.group(" ".join(process.cmdline())), spent.user + spent.system)
        except psutil.Error:
            continue
    return found


def _lists(desk: Desk, name: str) -> dict[str, dict[str, float | None]]:
    """What somebody waits for each list, after a few that nobody counts."""
    token = desk.peer.token(desk.airflow, name)
    found = {}
    for what, path in _LISTS.items():
        times = [_asked(desk.airflow, path, token) for _ in range(3 + ASKED)][3:]
        found[what] = {"median": round(statistics.median(times), 1), "p95": summary.p95(times)}
    return found


def _asked(airflow: Airflow, path: str, token: str) -> float:
    begun = time.perf_counter()
    answer = airflow.send("GET", path, token=token)
    if not answer.ok:
        raise PeerError(f"{path} was answered {answer.status}")
    return 1000 * (time.perf_counter() - begun)

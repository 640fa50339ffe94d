"""``parse``: how long the Dag processor takes for the files of many teams, the first time and again, unchanged.

Against Airflow's own Dag processor with a bundle for each team, and as many processes that read files. Counted from the
first file that was read to the last one, as Airflow stores it: what each side needs to start is in ``platform``.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Airflow, RestError, Session
from benchmarks import dags, drive, machine, summary
from benchmarks.airflow_peers import Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer, PeerError

TEAMS, FILES = 50, 20
QUICK_TEAMS, QUICK_FILES = 4, 5
PATIENCE = 900.0
POLL = 10.0  # asking for a thousand Dags is work for the side that is measured
_PAGE = 100
# The same on both sides: nothing is read twice while it is measured.
_READERS = {"dag_processor": {"parsing_processes": "4", "min_file_process_interval": "3600"}}
_SOURCE = '''"""A Dag of the benchmark."""

from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, tags=["{team}"]):

    @task
    def extract():
        return [1, 2, 3]

    @task
    def load(rows):
        return len(rows)

    load(extract())
'''


class Bundles(Plain):
    """Airflow with a bundle for each team's files."""

    def folder(self, team: str) -> Path:
        return self._bundle(team)

    def first_dag(self) -> str:
        return dags.tiny_id(self.teams_now[0])

    def _write_dags(self) -> None:
        for team in self.teams_now:
            dags.write_tiny(self._bundle(team), team)

    def _settings(self) -> dict[str, dict[str, str]]:
        kind = "airflow.dag_processing.bundles.local.LocalDagBundle"
        bundles = [
            {"name": team, "classpath": kind, "kwargs": {"path": str(self._bundle(team))}} for team in self.teams_now
        ]
        settings = super()._settings()
        return {**settings, "dag_processor": {"dag_bundle_config_list": json.dumps(bundles)}}


SIDES: dict[str, type[Peer]] = {"plain": Bundles, "airspace": Airspace}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    teams, files = (QUICK_TEAMS, QUICK_FILES) if options.quick else (TEAMS, FILES)
    document: dict[str, Any] = {
        "benchmark": "parse", "quick": options.quick, "load_before": machine.load(), "teams": teams,
        "files": teams * files, "settings": _READERS,
    }  # fmt: skip
    found: dict[str, dict[str, list[float]]] = {"first": {}, "unchanged": {}}
    for number in range(options.repeats):
        for name, kind in SIDES.items():
            if name not in options.sides:
                continue
            first, again = _side(kind(options.scratch / f"{name}-parse", teams=teams, settings=_READERS), files)
            found["first"].setdefault(name, []).append(first)
            found["unchanged"].setdefault(name, []).append(again)
            say(f"round {number + 1}/{options.repeats}: {name}: first {first} s, unchanged {again} s")
    for what, samples in found.items():
        middle = {name: summary.middle(values) for name, values in samples.items()}
        document[what] = {
            "plain_s": middle.get("plain"),
            "airspace_s": middle.get("airspace"),
            "ratio": summary.ratio(middle.get("airspace"), middle.get("plain")),
            "samples": samples,
        }
    return document


def _side(peer: Peer, files: int) -> tuple[float, float]:
    """Seconds for all files of one side: the first time, and after a restart."""
    for team in peer.teams_now:
        for number in range(files):
            name = f"{team}_{number:02d}"
            (peer.folder(team) / f"{name}.py").write_text(_SOURCE.format(dag_id=name, team=team))
    expected = len(peer.teams_now) * (files + 1)
    try:
        begun = time.time()
        drive.start(peer, fresh=True, first_task=False)
        first = _span(peer, expected, begun)
        peer.stop()
        begun = time.time()
        drive.start(peer, first_task=False)
        return first, _span(peer, expected, begun)
    finally:
        peer.remove()


def _span(peer: Peer, expected: int, since: float) -> float:
    """From the first file to the last one that was read since a moment, once all have been."""
    deadline = time.monotonic() + PATIENCE
    with Airflow(peer.url) as airflow:
        session = drive.signed_in(peer, airflow)
        while True:
            moments: list[float] = []
            with suppress(RestError):  # a side may be too busy to answer
                moments = [moment for moment in _read_at(session) if moment >= since]
            if len(moments) >= expected:
                return round(max(moments) - min(moments), 2)
            if time.monotonic() > deadline:
                raise PeerError(f"{peer.name}: {len(moments)} of {expected} files were read in {PATIENCE:.0f} s")
            time.sleep(POLL)


def _read_at(session: Session) -> list[float]:
    found: list[float] = []
    offset = 0
    while True:
        rows = session.call("GET", "/dags", limit=_PAGE, offset=offset, order_by="dag_id", exclude_stale="false")[
            "dags"
        ]
        for row in rows:
            if text := row["last_parsed_time"]:
                found.append(datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp())
        offset += len(rows)
        if len(rows) < _PAGE:
            return found

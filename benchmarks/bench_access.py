"""``access``: what asking for rights costs, against Airflow's SimpleAuthManager, which asks for none.

The same database and application, in the same run and by turns: lists out of 1,000 Dags of 100 teams, and what the
stock first page asks for a member, with 100 teams of 30 Dags present and with the team alone.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from airspace.backends import accounts
from airspace.backends.postgres import Cluster
from benchmarks import machine, summary
from benchmarks.options import Options, say

MANAGERS = {
    "simple": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "airspace": "airspace.airflow.web.auth_manager.AirspaceAuthManager",
}
# name of the database → teams, Dags of each
SIZES = {"thousand": (100, 10), "tenth": (10, 10), "crowd": (100, 30), "alone": (1, 30)}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    rounds, repeats = (1, 3) if options.quick else (options.repeats, 20)
    document: dict[str, Any] = {"benchmark": "access", "quick": options.quick, "load_before": machine.load()}
    raw: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as stack:
        database = _Database(options.scratch / "access", stack)
        for number in range(rounds):
            for size, (teams, dags) in SIZES.items():
                for manager in ("airspace", "simple") if size == "thousand" else ("airspace",):
                    fresh = manager == "airspace" and number == 0
                    found = database.ask(size, manager, (teams, dags) if fresh else (0, 0), repeats)
                    raw.setdefault(f"{size} {manager}", []).append(found)
                    say(f"round {number + 1}/{rounds}: {size}, {manager}")
    return document | {"sizes": SIZES, "rows": _rows(raw), "verdict": _verdict(raw), "samples": raw}


class _Database:
    """A PostgreSQL of its own, with one database for each size."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        root.mkdir(parents=True)
        root.chmod(0o755)
        self._root, self._password = root, secrets.token_urlsafe(16)
        account = accounts.find("nobody") if os.getuid() == 0 else None
        home = root / "pg"
        home.mkdir()
        if account:
            os.chown(home, account.uid, account.gid)
        owner = (account.uid, account.gid) if account else None
        self._cluster = Cluster(home / "data", home, accounts.drop_prefix(account), owner)
        self._cluster.initialise(self._password)
        server = subprocess.Popen(
            self._cluster.command(),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        stack.callback(_end, server)
        while not self._cluster.ready():
            time.sleep(0.05)
        self._keys = (secrets.token_urlsafe(32), urlsafe_b64encode(secrets.token_bytes(32)).decode())
        self._cluster.create_database(self._password, "empty")
        self._run("empty", "airspace", "-m", "airspace.airflow.admin", "migrate")

    def ask(self, size: str, manager: str, fill: tuple[int, int], repeats: int) -> dict[str, Any]:
        """One process of one side over one database."""
        if fill[0]:
            self._cluster.create_database(self._password, size, template="empty")
        home = self._run(size, manager, "-m", "benchmarks.access_worker", manager, *map(str, fill), str(repeats))
        found: dict[str, Any] = json.loads((home / "result.json").read_text())
        return found

    def _run(self, database: str, manager: str, *command: str) -> Path:
        home = self._root / f"{database}-{manager}"
        home.mkdir(exist_ok=True)
        (home / "airflow.cfg").write_text(self._config(database, manager, home))
        env = {
            "PATH": os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(home),
            "AIRSPACE_HOME": str(home),
        }
        with (home / "log").open("ab") as log:
            subprocess.run(
                [sys.executable, *command], env={**env, "PYTHONPATH": str(machine.ROOT)}, cwd=machine.ROOT, input=b"{}",
                stdout=log, stderr=log, check=True,
            )  # fmt: skip
        return home

    def _config(self, database: str, manager: str, home: Path) -> str:
        url = self._cluster.url(self._password, database).replace("%", "%%")
        return f"""
[core]
multi_team = True
load_examples = False
fernet_key = {self._keys[1]}
auth_manager = {MANAGERS[manager]}
simple_auth_manager_users = admin:admin
dags_folder = {home / "none"}
[database]
sql_alchemy_conn = {url}
external_db_managers = airspace.airflow.db.AirspaceDBManager
load_default_connections = False
[api_auth]
jwt_secret = {self._keys[0]}
[logging]
logging_level = WARNING
base_log_folder = {home / "logs"}
"""


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(30)


def _rows(raw: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each measured thing: where, who, what, Dags seen, queries, median and p95 in ms, median on the processor."""
    rows = []
    for where, rounds in raw.items():
        for who in rounds[0]:
            for what in ("list of 50", "list of 100", "first page"):
                ms = [sample for found in rounds for sample in found[who][what]["ms"]]
                queries = sorted({count for found in rounds for count in found[who][what]["queries"]})
                row = {"where": where, "who": who, "what": what, "dags": rounds[0][who]["dags"], "queries": queries}
                cpu = summary.middle([sample for found in rounds for sample in found[who][what]["cpu_ms"]])
                rows.append({**row, "median_ms": summary.middle(ms), "p95_ms": percentile(ms, 95), "cpu_ms": cpu})
    return rows


def percentile(values: list[float], of: int) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * of // 100) - 1)]


def _verdict(raw: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The three promises in numbers: ratios of p95 and of medians, and the queries of a list at two sizes."""
    rows = {(row["where"], row["who"], row["what"]): row for row in _rows(raw)}

    def ratio(one: tuple[str, str, str], other: tuple[str, str, str]) -> dict[str, float | None]:
        return {key: summary.ratio(rows[one][key], rows[other][key]) for key in ("median_ms", "p95_ms", "cpu_ms")}

    against = {
        f"{who}, {what}": ratio(("thousand airspace", who, what), ("thousand simple", "admin", what))
        for who in ("admin", "support", "member")
        for what in ("list of 50", "list of 100", "first page")
    }
    pages = ratio(("crowd airspace", "member", "first page"), ("alone airspace", "member", "first page"))
    queries = {
        who: {size: rows[f"{size} airspace", who, "list of 50"]["queries"] for size in ("tenth", "thousand", "crowd")}
        for who in ("admin", "support", "member")
    }
    return {"against_simple": against, "first_page_crowd_against_alone": pages, "queries_of_a_list": queries}

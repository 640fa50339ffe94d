"""``guard``: what the guard on the Execution API adds to a request: latency, and CPU of the API server.

One API server, one database, one client; only whether requests go round the guard is switched, in turn. The server is
the one that the guard's integration tests ask.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from airspace.backends.accounts import Account
from benchmarks import machine
from benchmarks.airflow_peers import Plain
from benchmarks.options import Options, say

SERVE = Path(__file__).resolve().parent.parent / "tests" / "integration" / "guard" / "serve.py"
SIDES = ("without", "with")
REQUESTS = 200  # of each route and side in a round
_TICK = os.sysconf("SC_CLK_TCK")
_BEAT = {"hostname": "host", "pid": 4711}
# What is asked, from what every task asks to what needs the most looking up.
ROUTES: dict[str, tuple[str, str, Any]] = {
    "heartbeat": ("PUT", "/task-instances/{ti}/heartbeat", _BEAT),
    "read a connection": ("GET", "/connections/data_science.warehouse", None),
    "write a variable": ("PUT", "/variables/data_science.threshold", {"val": "1"}),
    "own XCom": ("GET", "/xcoms/ds_train/{run_id}/t/answer", None),
    "run of another own Dag": ("GET", "/dag-runs/count?dag_id=ds_squats", None),
    "asset that the team owns": ("GET", "/assets/by-name?name=model", None),
    "asset shared with the team": ("GET", "/assets/by-name?name=user_profiles", None),
}


class GuardLab(Plain):
    """The API server alone, as this project configures it, around the tests' database."""

    name = "guard"

    def _prepare(self) -> None:
        super()._prepare()
        self._python = Path(sys.executable)
        self.round = self.home / "without"

    @property
    def _account(self) -> Account | None:
        return None  # loopback only, and gone in a minute

    @_account.setter
    def _account(self, _account: Account | None) -> None:
        """The server runs as the caller, who can read the sources."""

    def launch(self, *, fresh: bool) -> None:
        super().launch(fresh=fresh)
        self._spawn("server", [sys.executable, str(SERVE), str(self.port), str(self.round)])

    def _components(self) -> list[list[str]]:
        return []

    def _write_dags(self) -> None:
        (self._bundle("all")).mkdir(parents=True)

    def _settings(self) -> dict[str, dict[str, str]]:
        manager = "airspace.airflow.web.auth_manager.AirspaceAuthManager"
        return {
            "core": {"multi_team": "True", "auth_manager": manager, "dags_folder": str(self._bundle("all"))},
            "database": {"external_db_managers": "airspace.airflow.db.AirspaceDBManager"},
            "secrets": {"backend": "airspace.airflow.secrets.TeamSecretsBackend", "use_cache": "False"},
        }

    @property
    def server(self) -> int:
        """The process that answers."""
        return self._running[-1].pid


class Client:
    """One connection that stays open, and a task's token."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.task: dict[str, str] = {}

    def begin(self) -> None:
        """Become a running task."""
        self.task = json.loads(self._send("GET", "/lab/run?dag_id=ds_train&state=running", None, {})[1])

    def ask(self, route: tuple[str, str, Any]) -> float:
        """The seconds that one request takes."""
        method, path, body = route
        data = json.dumps(body).encode() if body is not None else None
        headers = {"authorization": f"Bearer {self.task['token']}", "content-type": "application/json"}
        begun = time.perf_counter()
        status, text = self._send(method, "/execution" + path.format(**self.task), data, headers)
        seconds = time.perf_counter() - begun
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {text[:300]!r}")
        return seconds

    def ready(self) -> bool:
        """Whether the server answers."""
        try:
            return self._send("GET", "/execution/health", None, {})[0] == 200
        except OSError:
            self._connection.close()
            return False

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    document: dict[str, Any] = {"benchmark": "guard", "quick": options.quick, "load_before": machine.load()}
    lab = GuardLab(options.scratch / "guard")
    try:
        lab.launch(fresh=True)
        client = Client(lab.port)
        deadline = time.monotonic() + 120
        while not client.ready():
            lab.check()
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not become ready")
            time.sleep(0.2)
        document["ran_as"] = lab.ran_as
        document["requests"] = REQUESTS * options.repeats
        document["routes"] = {name: _measured(lab, client, name, options) for name in ROUTES}
    finally:
        lab.remove()
    return document


def _measured(lab: GuardLab, client: Client, name: str, options: Options) -> dict[str, Any]:
    client.begin()
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    cpu = dict.fromkeys(SIDES, 0.0)
    for number in range(options.repeats + 1):
        for side in SIDES:
            _switch(lab.round, without=side == "without")
            before = _cpu(lab.server)
            took = [client.ask(ROUTES[name]) for _ in range(REQUESTS)]
            if number:  # the first round warms both sides up
                seconds[side] += took
                cpu[side] += _cpu(lab.server) - before
    _switch(lab.round, without=False)
    found = {side: _side(seconds[side], cpu[side]) for side in SIDES}
    added = {key: round(found["with"][key] - found["without"][key], 3) for key in ("median_ms", "cpu_ms")}
    say(f"{name}: {found['without']['median_ms']} ms, the guard adds {added['median_ms']}, CPU {added['cpu_ms']}")
    return {**found, "added": added}


def _side(seconds: list[float], cpu: float) -> dict[str, float]:
    return {
        "median_ms": round(median(seconds) * 1000, 3),
        "p95_ms": round(quantiles(seconds, n=20)[-1] * 1000, 3),
        "cpu_ms": round(cpu / len(seconds) * 1000, 3),
    }


def _switch(file: Path, *, without: bool) -> None:
    if without:
        file.touch()
    else:
        file.unlink(missing_ok=True)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK

"""One guarded API server for the whole folder, and tasks to ask it."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from airspace.backends.postgres import Cluster
from tests.conftest import PASSWORD
from tests.integration.conftest import write_airflow_home

SERVE = Path(__file__).parent / "serve.py"
DE, DS = "data_engineering", "data_science"
SECRETS = """
[secrets]
backend = airspace.airflow.secrets.TeamSecretsBackend
use_cache = False
"""


@dataclass(frozen=True)
class Task:
    """A task instance with both of its tokens."""

    lab: Lab
    dag_id: str
    run_id: str
    ti: str
    token: str
    queued: str

    def ask(self, method: str, path: str, *, token: str | None = None, **how: Any) -> httpx.Response:
        """A request as this task."""
        headers = {"authorization": f"Bearer {token or self.token}", **how.pop("headers", {})}
        return self.lab.http.request(method, f"/execution{path}", headers=headers, **how)

    @property
    def state(self) -> str | None:
        """The instance's state now."""
        found: str | None = self.lab.value("SELECT state FROM task_instance WHERE id = :ti", ti=self.ti)
        return found


class Lab:
    """The running server and its database."""

    def __init__(self, url: str, engine: Engine, without_guard: Path) -> None:
        self.url, self.engine, self.without_guard = url, engine, without_guard
        self.http = httpx.Client(base_url=url, timeout=30)

    def task(self, dag_id: str, state: str = "running") -> Task:
        """A task of a new run."""
        return Task(self, **self.http.get("/lab/run", params={"dag_id": dag_id, "state": state}).json())

    def token(self, subject: str, scope: str = "execution", **more: Any) -> str:
        """A token signed by Airflow's own generator."""
        return str(self.http.get("/lab/token", params={"sub": subject, "scope": scope, **more}).json())

    def sql(self, statement: str, **parameters: Any) -> None:
        """Change the database as another component would."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def value(self, question: str, **parameters: Any) -> Any:
        """One value from the database."""
        with self.engine.connect() as connection:
            return connection.execute(text(question), parameters).scalar()

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Airflow alone, for a moment."""
        self.without_guard.touch()
        try:
            yield
        finally:
            self.without_guard.unlink()


@pytest.fixture(scope="session")
def lab(postgres: Cluster, migrated_template: str) -> Iterator[Lab]:
    """One server for all tests of this folder."""
    name = f"g_{secrets.token_hex(6)}"
    postgres.create_database(PASSWORD, name, template=migrated_template)
    home = Path(tempfile.mkdtemp(prefix="asp-guard-"))
    database = postgres.url(PASSWORD, name)
    env = write_airflow_home(home, database, SECRETS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home / "log").open("w")
    command = [sys.executable, str(SERVE), str(port), str(home / "without")]
    server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    engine = create_engine(database)
    running = Lab(f"http://127.0.0.1:{port}", engine, home / "without")
    try:
        deadline = time.monotonic() + 90
        while not _answers(running.http):
            assert server.poll() is None, (home / "log").read_text()[-4000:]
            assert time.monotonic() < deadline, (home / "log").read_text()[-4000:]
            time.sleep(0.1)
        yield running
    finally:
        running.http.close()
        engine.dispose()
        server.terminate()
        server.wait(20)
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/execution/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def mine(lab: Lab) -> Task:
    """A running task of data science."""
    return lab.task("ds_train")


@pytest.fixture
def theirs(lab: Lab) -> Task:
    """A running task of data engineering."""
    return lab.task("de_etl")

"""One real API server for the whole folder; requests go over HTTP as everyone's do."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from airspace.backends.postgres import Cluster
from tests.conftest import PASSWORD as DATABASE_PASSWORD
from tests.integration.conftest import write_airflow_home

SERVE = Path(__file__).parent / "serve.py"
PASSWORD = "a good password"


@dataclass(frozen=True)
class Server:
    """A running server: its address, its database, and the file that names a rule to decide without."""

    url: str
    database: str
    without_rule: Path


@contextmanager
def serving(postgres: Cluster, template: str, below: str = "") -> Iterator[Server]:
    """A filled server of its own.

    :param below: the path that people's addresses begin with
    """
    name = f"a_{secrets.token_hex(6)}"
    postgres.create_database(DATABASE_PASSWORD, name, template=template)
    home = Path(tempfile.mkdtemp(prefix="asp-access-"))
    database = postgres.url(DATABASE_PASSWORD, name)
    env = write_airflow_home(home, database) | {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if below:
        env["AIRFLOW__API__BASE_URL"] = f"http://127.0.0.1:{port}{below}"
    log = (home / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, str(SERVE), str(port), str(home / "without")], env=env, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while not _answers(url):
            assert server.poll() is None, (home / "log").read_text()[-4000:]
            assert time.monotonic() < deadline, (home / "log").read_text()[-4000:]
            time.sleep(0.1)
        yield Server(url, database, home / "without")
    finally:
        server.terminate()
        server.wait(20)
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/auth/login", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def server(postgres: Cluster, migrated_template: str) -> Iterator[Server]:
    """One server for all tests of this folder."""
    with serving(postgres, migrated_template) as running:
        yield running


@pytest.fixture(scope="session")
def as_user(server: Server) -> Iterator[Callable[[str], httpx.Client]]:
    """Returns a function that gives a client signed in as that user by ``POST /auth/token``."""
    clients: dict[str, httpx.Client] = {}

    def client(name: str) -> httpx.Client:
        if name not in clients:
            answer = httpx.post(f"{server.url}/auth/token", json={"username": name, "password": PASSWORD}, timeout=60)
            assert answer.status_code == 201, answer.text
            bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
            clients[name] = httpx.Client(base_url=server.url, headers=bearer, timeout=30)
        return clients[name]

    yield client
    for each in clients.values():
        each.close()

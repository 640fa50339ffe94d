"""One migrated database a session, cloned for each test that asks: migrating takes seconds, cloning a fraction."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.postgres import Cluster
from tests.conftest import PASSWORD

TEMPLATE = "airspace_template"


def write_airflow_home(home: Path, url: str, extra: str = "") -> dict[str, str]:
    """A minimal Airflow configuration over a database, and the clean environment that finds it."""
    airflow_home = home / "airflow"
    airflow_home.mkdir(parents=True, exist_ok=True)
    config = airflow_home / "airflow.cfg"
    config.touch(mode=0o600)
    config.write_text(
        f"""
[core]
multi_team = True
load_examples = False
fernet_key = {urlsafe_b64encode(secrets.token_bytes(32)).decode()}
auth_manager = airspace.airflow.web.auth_manager.AirspaceAuthManager
dags_folder = {home / "no_dags"}
[database]
sql_alchemy_conn = {url.replace("%", "%%")}
external_db_managers = airspace.airflow.db.AirspaceDBManager
load_default_connections = False
[api_auth]
jwt_secret = {secrets.token_urlsafe(32)}
[logging]
base_log_folder = {home / "logs"}
{extra}
"""
    )
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AIRFLOW_HOME": str(airflow_home),
        "AIRSPACE_HOME": str(home),
        "PYTHONUNBUFFERED": "1",
    }


def run_admin(env: dict[str, str], command: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
    """The admin worker as the platform runs it; its answer, an error too."""
    done = subprocess.run(
        [sys.executable, "-m", "airspace.airflow.admin", command],
        input=json.dumps(payload or {}),
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == ("error" not in answer), done.stderr[-3000:]
    return answer


@pytest.fixture(scope="session")
def migrated_template(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database that nothing is connected to."""
    postgres.create_database(PASSWORD, TEMPLATE)
    env = write_airflow_home(tmp_path_factory.mktemp("template"), postgres.url(PASSWORD, TEMPLATE))
    assert run_admin(env, "migrate") == {"migrated": True}
    return TEMPLATE


@pytest.fixture
def migrated_database(postgres: Cluster, migrated_template: str) -> Callable[[], str]:
    """Returns a function that makes a migrated database of its own and gives its psycopg2 SQLAlchemy URL."""

    def make() -> str:
        name = f"m_{secrets.token_hex(6)}"
        postgres.create_database(PASSWORD, name, template=migrated_template)
        return postgres.url(PASSWORD, name)

    return make


@pytest.fixture
def airflow_env(migrated_database: Callable[[], str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a process that uses Airflow over a migrated database of its own.

    ``AIRFLOW_HOME`` and ``AIRSPACE_HOME`` are in it. Import Airflow in a subprocess only: it is configured once.
    """
    home = tmp_path / "home"
    yield write_airflow_home(home, migrated_database())
    shutil.rmtree(home, ignore_errors=True)

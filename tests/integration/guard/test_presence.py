"""The platform does not start, and gives out no task, where the guard would not be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.guard.conftest import Lab

pytestmark = pytest.mark.integration

# As after a broken installation: no entry points.
NO_PLUGINS = """
import sys, importlib.metadata
importlib.metadata.distributions = lambda **_: []
try:
    import importlib_metadata
    importlib_metadata.distributions = importlib.metadata.distributions
except ImportError:
    pass
"""


def run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process that must end by itself."""
    return subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=240, check=False
    )


def test_an_execution_only_server_does_not_start(airflow_env: dict[str, str]) -> None:
    done = run(airflow_env, "-m", "airflow", "api-server", "--apps", "execution", "--port", "0")
    assert done.returncode == 1
    assert "refused" in done.stderr
    worker = run({**airflow_env, "AIRFLOW_API_APPS": "execution"}, "-c", "import airflow.api_fastapi.main")
    assert worker.returncode == 1
    assert "refused" in worker.stderr


def test_a_server_without_the_plugin_does_not_start(airflow_env: dict[str, str]) -> None:
    start = "from airspace.airflow.run import main; main(['api-server'])"
    done = run(airflow_env, "-c", NO_PLUGINS + start)
    assert done.returncode == 1
    assert "did not load the guard" in done.stderr


def test_a_worker_gives_no_task_to_an_unguarded_server(lab: Lab) -> None:
    ask = f"""
from airflow.sdk.api.client import Client
from airspace.airflow.guard.presence import PresenceCheck, UnguardedError
try:
    PresenceCheck(Client(base_url="{lab.url}/execution/", token="").get)()
    print("guarded")
except UnguardedError as error:
    print(error)
"""
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AIRFLOW_HOME": str(lab.without_guard.parent / "airflow")}
    assert run(env, "-c", ask).stdout.strip().endswith("guarded")
    with lab.unguarded():
        assert "no guard" in run(env, "-c", ask).stdout

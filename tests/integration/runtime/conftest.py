"""One running Airflow for all tests of this folder: they share it, and each brings teams of its own."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from airspace.backends.postgres import Cluster
from airspace.platform import bells
from tests.conftest import PASSWORD
from tests.integration.runtime.home import FILE_SECONDS, Home, home, wait_for
from tests.integration.runtime.triggers import CALLED, OWN

OVERRIDES = f"""
[core]
dagbag_import_timeout = 0
[dag_processor]
dag_file_processor_timeout = {FILE_SECONDS}
[scheduler]
scheduler_heartbeat_sec = 1
[workers]
min_heartbeat_interval = 1
[triggerer]
runner_health_check_threshold = 5
"""


@pytest.fixture(scope="package")
def airflow_home(postgres: Cluster, migrated_template: str) -> Iterator[Home]:
    """A home over its own migrated database; nothing runs."""
    name = f"r_{secrets.token_hex(6)}"
    postgres.create_database(PASSWORD, name, template=migrated_template)
    root = Path(tempfile.mkdtemp(prefix="asp-rt-", dir="/tmp"))
    with home(root, postgres.url(PASSWORD, name), OVERRIDES) as made:
        made.watch_imports()
        made.offer_warehouse(postgres.socket_dir)
        yield made
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="package")
def running(airflow_home: Home) -> Home:
    """API server, scheduler and Dag processor, ready."""
    for name in ("spawner", "relay", "api-server", "scheduler", "dag-processor"):
        airflow_home.start(name)
    wait_for(lambda: _ready(airflow_home), 90, 0.2)
    return airflow_home


@pytest.fixture(scope="package")
def teams(running: Home) -> Iterator[Home]:
    """Two teams with triggers of their own, and one triggerer."""
    running.start("triggerer")
    wait_for(lambda: (running.layout.run / bells.TRIGGERS).exists(), 60)
    for team in ("one", "two", "bad1", "bad2", "bad3", "bad4", "bad5", "bad6", "bad7", "gone"):
        running.add_team(team, slots=16, variables={"threshold": f"of-{team}"})
        running.add_connection(team, "warehouse", f"host-of-{team}")
        running.write_dag(team, ".airflowignore", "own_triggers.py", ring=False)
        running.write_dag(team, "own_triggers.py", OWN + CALLED, ring=False)
    yield running
    running.stop("triggerer")


def _ready(made: Home) -> bool:
    for name, process in made.processes.items():
        assert process.poll() is None, f"{name} ended:\n{made.log(name).read_text()[-5000:]}"
    try:
        health = httpx.get(f"{made.url}/api/v2/monitor/health", timeout=5).json()
    except httpx.TransportError:
        return False
    return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor", "metadatabase"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure comes with what the components said."""
    report = yield
    made = getattr(item, "funcargs", {}).get("running") or getattr(item, "funcargs", {}).get("airflow_home")
    if made is not None and report.failed:
        for log in sorted(made.layout.root.glob("*.log")):
            report.sections.append((log.name, log.read_text(errors="replace")[-3000:]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured on the way."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                terminalreporter.write_line(f"measured: {name}: {value}")

"""Platforms with small programs in the place of Airflow's: everything else about them is real."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from airspace.model.home import HomeLayout
from airspace.platform.components import PYTHON, Blueprint, Component
from airspace.platform.service import Platform

# Answers as Airflow's health report does, with heartbeats of now, on the port of the home's airflow.cfg.
_API = """
import configparser, datetime, http.server, json, os
config = configparser.RawConfigParser()
config.read(os.environ["AIRFLOW_HOME"] + "/airflow.cfg")
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        parts = {p: {"status": "healthy", f"latest_{p}_heartbeat": now} for p in ("scheduler", "triggerer")}
        body = json.dumps({"metadatabase": {"status": "healthy"}, **parts}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", config.getint("api", "port")), Health).serve_forever()
"""
_SLEEP = "import time; time.sleep(1e6)"
_CRASH = "import sys; sys.exit('out of luck')"


def small(*extra: Component) -> Blueprint:
    """A platform of small programs; its admin work is done at once."""
    parts = (
        Component("fetcher", (PYTHON, "-c", _SLEEP), control=False),
        Component("api-server", (PYTHON, "-c", f"exec(bytes.fromhex('{_API.encode().hex()}'))"), health="api"),
        Component("scheduler", (PYTHON, "-c", _SLEEP), health="scheduler"),
        *extra,
    )
    return Blueprint(parts, sandboxes=False, admin=("-c", "print('{}')"))


def crashing() -> Blueprint:
    """The same with a part that ends at once, always."""
    return small(Component("triggerer", (PYTHON, "-c", _CRASH), health="dag_processor"))


def alive(home_id: str) -> list[str]:
    """Every process that carries this home's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("AIRSPACE_PLATFORM") == home_id:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where homes go. As root it lies below a folder that only root may enter, as homes below /root do."""
    made = Path(tempfile.mkdtemp(prefix="asp-", dir="/tmp"))
    assert made.stat().st_mode & 0o777 == 0o700
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def new_platform(folder: Path) -> Iterator[Callable[..., Platform]]:
    """Returns a function that gives the platform of a home of that name; all are destroyed at the end."""
    made: list[Platform] = []

    def make(name: str = "home", blueprint: Blueprint | None = None) -> Platform:
        platform = Platform(HomeLayout(folder / name), blueprint or small())
        made.append(platform)
        return platform

    yield make
    for platform in made:
        if platform.layout.root.exists() and platform.layout.root.stat().st_uid == os.getuid():
            platform.destroy()

"""The command line over the real Airflow: one fresh home from `up` to `destroy`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airspace.backends.airflow_rest import Airflow
from airspace.platform.home import read_manifest
from airspace.platform.wiring import open_platform
from tests.integration.platform.conftest import alive
from tests.integration.platform.test_life import sockets

pytestmark = pytest.mark.integration
Airspace = Callable[..., subprocess.CompletedProcess[str]]
CHECKOUT = Path(__file__).parents[3]
_AIRSPACE = Path(sys.executable).with_name("airspace")


@pytest.fixture
def airspace(folder: Path) -> Iterator[Airspace]:
    """The command line on a home of its own."""
    env = {**os.environ, "AIRSPACE_HOME": str(folder / "home")}

    def run(*arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [_AIRSPACE, *arguments], env=env, capture_output=True, text=True, check=False, timeout=240
        )
        assert code is None or done.returncode == code, done.stderr
        return done

    yield run
    subprocess.run([_AIRSPACE, "destroy", "--yes"], env=env, capture_output=True, check=False, timeout=240)


def test_from_up_to_destroy(airspace: Airspace, folder: Path) -> None:
    layout = open_platform(folder / "home").layout
    assert json.loads(airspace("status", "--json", code=1).stdout)["ready"] is False

    up = airspace("up", "--json")
    document = json.loads(up.stdout)
    assert document["ready"] is True
    assert "isolation: sandbox" in up.stderr
    assert f"{document['url']}/auth/login" in up.stderr

    status = json.loads(airspace("status", "--json").stdout)
    assert set(status) == {"url", "ready", "isolation", "components", "teams", "misplaced", "sources"}
    assert status["isolation"] == "sandbox"
    names = ["postgres", "spawner", "relay", "keeper", "fetcher", "puller"]
    names += ["api-server", "scheduler", "dag-processor", "triggerer"]
    assert [part["name"] for part in status["components"]] == names
    assert {part["state"] for part in status["components"]} == {"running"}
    assert all(set(part) == {"name", "state", "pid", "rss_mb"} for part in status["components"])
    with urllib.request.urlopen(f"{status['url']}/auth/login", timeout=10) as page:
        assert page.status == 200

    assert _identity(json.loads(airspace("up", "--json").stdout)) == _identity(status), "up twice is up once"
    _killed_scheduler_comes_back(airspace, status)
    _a_dag_of_ones_own(airspace, folder, status["url"])

    manifest = read_manifest(layout)
    assert manifest is not None
    airspace("down")
    assert alive(manifest.id) == []
    assert sockets(layout.root) == []
    airspace("destroy", "--yes")
    assert not layout.root.exists()


def _a_dag_of_ones_own(airspace: Airspace, folder: Path, url: str) -> None:
    """The README's third step, then an edit, through the fetcher: all live."""
    source = folder / "teams" / "dags" / "my_team"
    shutil.copytree(CHECKOUT / "examples" / "my_first_dag", source)
    (folder / "teams" / "my_team.yaml").write_text("name: my_team\nmembers: {me: lead}\ndags: {folder: dags/my_team}\n")
    password = json.loads(airspace("user", "add", "me", "--json").stdout)["password"]
    airspace("apply", str(folder / "teams"))
    with Airflow(url) as airflow:
        me = airflow.sign_in("me", password)
        (dag,) = _until(lambda: me.dags())
        me.unpause(dag.dag_id)
        assert me.trigger(dag.dag_id).run_id
        _until(lambda: me.ask("GET", f"/dags/{dag.dag_id}/dagRuns?state=success").body["dag_runs"])
        (file,) = source.glob("*.py")
        file.write_text(file.read_text().replace(dag.dag_id, "edited"))
        _until(lambda: [each for each in me.dags() if each.dag_id == "edited"])
    (source / "linked.py").symlink_to(file)
    told = _until(
        lambda: [
            check
            for check in json.loads(airspace("doctor", "--json", code=None).stdout)["checks"]
            if check["name"] == "Dag folder of my_team" and not check["ok"]
        ]
    )
    assert "linked.py" in told[0]["message"]


def _until(what: Callable[[], list[Any]], seconds: float = 60) -> list[Any]:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def _identity(document: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(part["name"], part["state"], part["pid"]) for part in document["components"]]


def _killed_scheduler_comes_back(airspace: Airspace, status: dict[str, Any]) -> None:
    pids = {part["name"]: part["pid"] for part in status["components"]}
    os.kill(pids["scheduler"], signal.SIGKILL)
    until = time.monotonic() + 60
    while True:
        now = json.loads(airspace("status", "--json", code=None).stdout)
        if now["ready"] and {part["name"]: part["pid"] for part in now["components"]} != pids:
            return
        assert time.monotonic() < until, now
        time.sleep(0.5)

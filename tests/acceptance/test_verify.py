"""``airspace verify isolation`` on a real platform: it all holds with sandboxes, and it can tell when it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airspace.verify.catalogue import ATTACKS
from tests.acceptance.conftest import airspace
from tests.acceptance.verdicts import NONE, ROOT, USER, otherwise

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A running platform."""
    top = Path(tempfile.mkdtemp(prefix="asp-", dir="/tmp"))
    top.chmod(0o755)
    try:
        _run(top / "home", "up")
        yield top / "home"
    finally:
        airspace(top / "home", "destroy", "--yes", seconds=120)
        shutil.rmtree(top, ignore_errors=True)


def _run(home: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = airspace(home, *arguments, seconds=900)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-4000:]}"
    return done


def _rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert done.stdout, done.stderr
    return {row["id"]: row for row in json.loads(done.stdout)["attacks"]}


def test_everything_holds_and_nothing_is_left(home: Path) -> None:
    done = _run(home, "verify", "isolation", "--json", "--destructive")
    document, rows = json.loads(done.stdout), _rows(done)
    assert set(rows) == {attack.id for attack in ATTACKS}
    assert {key for row in rows.values() for key in row} == {"id", "surface", "control", "observed", "verdict"}
    assert document["lost"] == 0
    assert otherwise(rows, ROOT if os.getuid() == 0 else USER) == {}
    assert document["blocked"] + document["not_promised"] == len(rows)
    broken = {name: row["observed"] for name, row in rows.items() if "broken" in row["observed"] + row["control"]}
    assert broken == {}
    assert document["not_run"] == document["left"] == []
    assert "attack: " in done.stderr, "progress"
    _nothing_is_left(home)


def _nothing_is_left(home: Path) -> None:
    for team in ("verify_attacker", "verify_victim"):
        assert not [
            path for folder in ("dags", "bundles", "storage", "teams") for path in (home / folder).glob(f"{team}*")
        ]
        assert "there is no team" in _run(home, "team", "show", team, code=1).stderr
    assert not list((home / "logs" / "airflow").glob("dag_id=airspace_verify*"))
    users = json.loads(_run(home, "user", "list", "--json").stdout)["users"]
    assert sorted((user["name"], user["platform_role"], tuple(user["teams"])) for user in users) == [
        ("verify_outsider", None, ()),
        ("verify_runner", None, ()),
    ]
    assert not list(Path("/tmp").glob("airspace-verify-*"))


def test_without_sandboxes_it_says_what_is_lost(home: Path) -> None:
    _run(home, "down")
    _run(home, "up", "--isolation", "none")
    surfaces = ("files", "processes", "network", "names")
    only = [argument for surface in surfaces for argument in ("--only", surface)]
    done = _run(home, "verify", "isolation", "--json", *only, code=1)
    rows = _rows(done)
    lost = {name for name, row in rows.items() if row["verdict"] == "lost"}
    assert lost >= {
        "files.storage-read", "files.airflow-cfg", "files.secrets", "files.bundle-read", "processes.see",
        "processes.environment", "network.api", "network.loopback", "network.datagram", "network.victim",
    }  # fmt: skip
    assert not [name for name in lost if name.startswith("names.")], "the guard does not need walls"
    if os.getuid() == 0:
        assert otherwise(rows, NONE, surfaces) == {}
    assert "LOST files.secrets" in done.stderr
    assert json.loads(done.stdout)["left"] == []
    _nothing_is_left(home)


def test_it_refuses_what_cannot_be_verified(home: Path) -> None:
    assert "there is no surface wall" in _run(home, "verify", "isolation", "--only", "wall", code=2).stderr
    _run(home, "down")
    refused = _run(home, "verify", "isolation", code=1)
    assert "is not ready" in refused.stderr
    assert "airspace up" in refused.stderr

"""Importing a running Airflow 3.3 by the command line: its REST API, then its database; the drafts pass ``plan``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from airspace.importing.secrecy import parse_env
from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
TEAMS = {"data_engineering", "data_science", "data_analytics"}


def airspace(demo: Demo, environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("airspace")
    given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "AIRSPACE_HOME": str(demo.home), **environ}
    return subprocess.run(
        [str(command), *arguments], env=given, capture_output=True, text=True, timeout=90, check=False
    )


def imported(demo: Demo, environ: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    done = airspace(demo, environ, "import", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def drafts(out: Path) -> dict[str, dict[str, Any]]:
    yaml = YAML(typ="safe", pure=True)
    return {path.stem: yaml.load(path) for path in out.glob("*.yaml")}


def test_by_rest(demo: Demo, tmp_path: Path) -> None:
    signed_in = {"AIRSPACE_IMPORT_USER": "admin", "AIRSPACE_IMPORT_PASSWORD": demo.password("admin")}
    document = imported(demo, signed_in, demo.document["url"], "--out", str(tmp_path / "out"))
    found = drafts(tmp_path / "out")
    assert set(found) >= TEAMS
    assert found["data_science"]["pools"] == {"gpu": 2}
    assert found["data_science"]["connections"]["warehouse"]["login"] == "ds_reader"
    assert found["data_science"]["variables"] == {"least_auc": 0.7}
    dags = {dag["dag_id"]: (team["name"], dag["rule"]) for team in document["teams"] for dag in team["dags"]}
    assert dags["ds_churn"] == ("data_science", "bundle")
    secrets = {name: "filled in" for name in document["secrets"]["missing"]}
    planned = airspace(demo, secrets, "plan", str(tmp_path / "out"), "--json")
    assert planned.returncode == 0, planned.stderr
    refused = airspace(
        demo, {**signed_in, "AIRSPACE_IMPORT_PASSWORD": "no"}, "import", demo.document["url"], "--out", "x"
    )
    assert refused.returncode == 1
    assert "could not sign in" in refused.stderr


def test_by_database(demo: Demo, tmp_path: Path) -> None:
    config = (demo.home / "airflow" / "airflow.cfg").read_text()
    [url] = re.findall(r"^sql_alchemy_conn = (postgresql.*)$", config, re.MULTILINE)
    [key] = re.findall(r"^fernet_key = (.*)$", config, re.MULTILINE)
    dags = demo.home / "rocket" / "dags"
    given = {"AIRSPACE_IMPORT_SOURCE": url.replace("%%", "%"), "AIRSPACE_IMPORT_FERNET_KEY": key}
    document = imported(demo, given, "--out", str(tmp_path / "out"), "--dags", str(dags))
    found = drafts(tmp_path / "out")
    assert set(found) >= TEAMS
    assert document["secrets"]["missing"] == []
    assert (tmp_path / "out" / "dags" / "data_science" / "data_science" / "churn.py").exists()
    environ = parse_env((tmp_path / "out" / ".env").read_text())
    planned = airspace(demo, environ, "plan", str(tmp_path / "out"), "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["applied"] is False

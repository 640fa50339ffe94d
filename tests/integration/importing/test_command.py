"""``airspace import`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airspace.cli.main import app
from airspace.importing.mapping import InvalidMapError
from airspace.model.errors import AirspaceError
from tests.integration.importing.conftest import ADMIN, FERNET_KEY, OLD

pytestmark = pytest.mark.integration


def test_from_a_database(old_database: str, tmp_path: Path) -> None:
    arguments = ["import", old_database, "--out", str(tmp_path / "out"), "--dags", str(OLD / "dags"), "--json"]
    result = CliRunner().invoke(app, arguments, env={"AIRSPACE_IMPORT_FERNET_KEY": FERNET_KEY})
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [team["name"] for team in document["teams"]] == ["finance", "marketing"]
    assert {"kind", "name", "reason", "todo"} == set(document["not_placed"][0])
    assert "$ecret" not in result.output


def test_from_its_address(old_server: str, tmp_path: Path) -> None:
    given = {"AIRSPACE_IMPORT_USER": ADMIN[0], "AIRSPACE_IMPORT_PASSWORD": ADMIN[1]}
    result = CliRunner().invoke(app, ["import", old_server, "--out", str(tmp_path)], env=given)
    assert result.exit_code == 0, result.output
    assert "marketing" in result.stdout
    assert "import-report.md" in result.stderr.replace("\n", "")
    refused = CliRunner().invoke(app, ["import", old_server, "--out", str(tmp_path)])
    assert isinstance(refused.exception, AirspaceError)
    assert "AIRSPACE_IMPORT_USER" in str(refused.exception.fix)


def test_what_is_typed_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "map.yaml"
    wrong.write_text("folder: {a: b}\n")
    arguments = ["import", "http://127.0.0.1:1", "--out", str(tmp_path / "out"), "--map", str(wrong), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InvalidMapError)
    assert json.loads(result.stdout)["problems"][0]["rule"] == "unknown-key"
    neither = CliRunner().invoke(app, ["import", "airflow.example", "--out", str(tmp_path / "out")])
    assert isinstance(neither.exception, AirspaceError)
    assert not (tmp_path / "out").exists()

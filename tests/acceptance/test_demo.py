"""What ``airspace demo`` promises, seen from outside: exit code, document, files, and what stays running."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from urllib.parse import unquote, urlparse

import polars as pl
import pytest

from tests.acceptance.conftest import Demo

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


def test_it_verified_everything(demo: Demo) -> None:
    broken = {claim["id"]: claim["observed"] for claim in demo.document["claims"] if not claim["ok"]}
    assert broken == {}
    assert len(demo.document["claims"]) >= 10
    assert demo.code == 0


def test_the_document_has_exactly_the_promised_keys(demo: Demo) -> None:
    document = demo.document
    assert {"url", "users", "teams", "runs", "artifacts", "seconds_to_ready", "seconds_total"} <= set(document)
    for user in document["users"]:
        assert {"name", "password", "teams", "role"} <= set(user)
    assert {team["name"] for team in document["teams"]} == {"data_engineering", "data_analytics", "data_science"}
    assert all(Path(team["dags_folder"]).is_dir() for team in document["teams"])
    assert {run["team"] for run in document["runs"]} == {team["name"] for team in document["teams"]}
    assert all(run["state"] == "success" and run["seconds"] > 0 for run in document["runs"])
    assert [run["state"] for run in document["expected_failures"]] == ["failed"]
    assert 0 < document["seconds_to_ready"] < document["seconds_total"]


def test_every_artifact_is_there_with_its_rows(demo: Demo) -> None:
    assert len(demo.document["artifacts"]) >= 5
    counted = 0
    for artifact in demo.document["artifacts"]:
        folder = Path(unquote(urlparse(artifact["uri"]).path))
        assert folder.is_dir()
        if tables := list(folder.rglob("*.parquet")):
            assert pl.scan_parquet(tables).select(pl.len()).collect().item() == artifact["rows"]
            counted += 1
    assert counted >= 4
    page = Path(unquote(urlparse(demo.document["dashboard"]).path))
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")


def test_everybody_signs_in_and_sees_what_the_table_says(demo: Demo) -> None:
    for user in demo.document["users"]:
        dags = demo.sign_in(user["name"]).dags()
        assert len(dags) == user["sees"]["dags"], user["name"]
    sees = {user["name"]: user["sees"]["dags"] for user in demo.document["users"]}
    assert sees["nemo"] == 0
    assert sees["ada"] == 1
    assert sees["dora"] == sees["admin"] == sees["iris"] == 3


def test_people_are_told_in_plain_words(demo: Demo) -> None:
    for word in ("Who can sign in", "Runs", "Published artifacts", "Dashboard", "airspace down", "isolation: sandbox"):
        assert word in demo.told


def test_secrets_are_private_and_in_no_log(demo: Demo) -> None:
    file = demo.home / "secrets" / "demo-users.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    words = list(json.loads(file.read_text()).values())
    for log in (demo.home / "logs").rglob("*"):
        if log.is_file():
            text = log.read_text(errors="replace")
            assert not [word for word in words if word in text], log


def test_a_second_demo_works_on_what_is_running(demo: Demo) -> None:
    before = demo.components()
    done = demo.airspace("demo", "--players", "small", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    again = json.loads(done.stdout)
    assert again["url"] == demo.document["url"]
    assert {user["name"]: user["password"] for user in again["users"]} == {
        user["name"]: user["password"] for user in demo.document["users"]
    }
    assert {run["run_id"] for run in again["runs"]}.isdisjoint({run["run_id"] for run in demo.document["runs"]})
    assert demo.components() == before, "nothing was started anew"


def test_wrong_usage_is_told_before_anything_starts(demo: Demo) -> None:
    done = demo.airspace("demo", "--players", "a few")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "small" in done.stderr

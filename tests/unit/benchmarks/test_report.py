"""The tables made of stored results."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

from benchmarks import airflow_cfg, report

_WHERE: dict[str, Any] = {
    "date": "2026-01-02T03:04:05+00:00",
    "machine": {"cpu": "A CPU", "cores": 2, "ram_mb": 4096, "kernel": "6.1", "system": "Debian", "as_root": True},
    "versions": {"airspace": "0", "commit": "abc", "airflow": "3.3.2", "python": "3.11", "postgresql": "PostgreSQL 18"},
    "quick": False,
    "load_before": 0.1,
}
_WALL = _WHERE | {
    "benchmark": "wall",
    "chain40": {"plain_s": 12.0, "airspace_s": 6.0, "ratio": 0.5, "samples": {}},
    "parallel40": {"plain_s": None, "airspace_s": 3.0, "ratio": None, "samples": {}},
}


def _weight(mb: float) -> dict[str, Any]:
    return {"ready_s": 9.0, "idle": {"pss_mb": mb, "processes": 5}}


def _start() -> dict[str, Any]:
    middle = {side: {"ready_s": 10.0, "first_success_s": 12.0} for side in ("plain", "airspace")}
    return {"medians": middle, "ratios": {"airspace/plain": {"ready_s": 1.0, "first_success_s": 1.0}}}


_PLATFORM = _WHERE | {
    "benchmark": "platform",
    "timed_with_teams": {"plain": 0, "airspace": 4},
    "start": {"initialised": _start(), "from_nothing": _start()},
    "memory": {
        "plain": {"0": _weight(1000)},
        "airspace": {"0": _weight(800), "10": _weight(900) | {"after_a_task": {"pss_mb": 950.0}}},
        "ratios": {"airspace/plain": {"0": 0.8, "10": 0.9}},
    },
}


def test_a_missing_number_is_a_dash() -> None:
    text = report.table(_WALL)
    assert "| chain40 | 12.0 | 6.0 | 0.50× |" in text
    assert "| parallel40 | – | 3.0 | – |" in text


def test_a_quick_run_says_that_it_is_no_result() -> None:
    assert "not a result" in report.table(_WALL | {"quick": True})
    assert "not a result" not in report.table(_WALL)


def test_the_sides_that_were_measured_make_the_columns() -> None:
    text = report.table(_PLATFORM)
    assert "| idle teams | plain, MB | airspace, MB | airspace / plain | plain ready, s | airspace ready, s |" in text
    assert "| 10 |  | 900 | 0.90× |  | 9.0 |" in text
    assert "airspace 10: 950 MB" in text
    assert "native" not in text


def test_only_what_is_between_the_markers_changes() -> None:
    page = "before\n<!-- wall: begin -->\nold\n<!-- wall: end -->\nafter\n"
    text = report.renewed(page, [_WALL, _PLATFORM])
    assert text.startswith("before\n<!-- wall: begin -->\n")
    assert text.endswith("<!-- wall: end -->\nafter\n")
    assert "chain40" in text
    assert "old" not in text
    assert report.renewed(text, [_WALL]) == text


def test_the_page_has_a_place_for_every_benchmark() -> None:
    page = report.PAGE.read_text()
    for name in ("platform", "wall"):
        assert f"<!-- {name}: begin -->\n" in page
        assert f"<!-- {name}: end -->" in page


def test_each_team_of_native_has_executor_bundle_and_its_own_api_url() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(
        airflow_cfg.render(airflow_cfg.multi_team(8000, {"team_01": Path("/a"), "team_02": Path("/b")}, Path("/r")))
    )
    assert parser["core"]["executor"] == "LocalExecutor;team_01=LocalExecutor;team_02=LocalExecutor"
    bundles = json.loads(parser["dag_processor"]["dag_bundle_config_list"])
    assert [(b["name"], b["team_name"]) for b in bundles] == [("team_01", "team_01"), ("team_02", "team_02")]
    assert parser["team_02=core"]["execution_api_server_url"] == "http://127.0.0.1:8000/execution/"


def test_native_without_teams_reads_the_one_folder() -> None:
    found = airflow_cfg.multi_team(8000, {}, Path("/r"))
    assert found == {"core": {"multi_team": "True", "executor": "LocalExecutor", "dags_folder": "/r/dags/all"}}


def test_later_layers_of_settings_win_and_percent_signs_survive() -> None:
    text = airflow_cfg.render({"core": {"a": "1", "b": "x%y"}}, {"core": {"a": "2"}})
    assert "a = 2" in text
    assert "b = x%%y" in text


def test_what_a_running_task_adds_is_a_table_of_its_own() -> None:
    row = {"mb": 60.0, "task_mb": 40.0, "supervisor_mb": 18.0, "rest_mb": 2.0}
    text = report.table(_WALL | {"running_tasks": {"plain": {"20_of_1": row}, "airspace": {"20_of_4": row}}})
    assert "| plain: 20 of 1 team | 60.0 | 40.0 | 18.0 | 2.0 |" in text
    assert "| airspace: 20 of 4 teams | 60.0 |" in text


def test_the_way_through_the_relay_beside_the_direct_one() -> None:
    document = _WHERE | {
        "benchmark": "network",
        "direct": {"median_ms": 0.4, "p95_ms": 0.712, "download_mb_s": 2500, "upload_mb_s": 2400},
        "relay_by_name": {"median_ms": 1.0, "p95_ms": 2.0},
    }
    text = report.table(document)
    assert "| on the machine itself | 0.40 | 0.71 | 2,500 | 2,400 |" in text
    assert "| from a sandbox, by name | 1.00 | 2.00 | – | – |" in text


def test_many_teams_are_a_table_and_a_picture() -> None:
    found = {"median": 12.0, "p95": 20.0}

    def point(teams: int) -> dict[str, Any]:
        numbers = {"apply_s": 1.0, "all_known_s": 2.0, "edit_s": 0.5, "cycle_s": 3.0, "pss_mb": 900.0 + teams}
        return {
            "teams": teams, "processes": 20, "teams_with_a_process": 0, "by_title": {"scheduler": 100.0}, **numbers,
            "idle_cpu": {"scheduler": 0.03}, "idle_loop_ms": {"median": 1.5}, "run_s": {"median": None},
            "lists_ms": {"admin": {"first page": found}},
        }  # fmt: skip

    document = _WHERE | {
        "benchmark": "crowd", "dags_a_team": 30, "mb_an_idle_team": 1.0, "points": [point(10), point(300)],
    }  # fmt: skip
    text = report.table(document)
    assert "| idle teams, 30 Dags each | 10 | 300 |" in text
    assert "| scheduler, idle, % of a processor | 3.0 | 3.0 |" in text
    assert "| admin: first page, ms (p95) | 12 (20) | 12 (20) |" in text
    assert "A further idle team: 1.00 MB" in text
    assert report.draw_crowd(document).startswith("<?xml")

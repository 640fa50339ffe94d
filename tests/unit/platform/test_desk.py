"""What lies in nobody's folder is told, whoever fills it with whatever; and whom a newcomer asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airspace.backends.sources.unowned import TOLD, foreign_folders, unowned
from airspace.model.home import HomeLayout
from airspace.platform.contact import DEFAULT, read_contact
from airspace.platform.desk import NOBODY, read_report


def test_what_is_in_no_teams_folder_is_told_with_where_it_belongs(tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    for name in ("sales", "sale", "finance", "zebra", ".hidden", "__pycache__"):
        (dags / name).mkdir(parents=True)
    (dags / "lost.py").write_text("")
    (dags / "sales.py").symlink_to(tmp_path)
    folders = {"sales": dags / "sales", "finance": tmp_path / "elsewhere"}
    found = unowned(dags, folders)
    assert set(found) == {"sale", "finance", "zebra", "lost.py", "sales.py"}
    assert str(dags / "sales") in found["sale"]
    assert str(tmp_path / "elsewhere") in found["finance"]
    assert "add a team of that name" in found["zebra"]
    assert all("never runs" in reason for reason in found.values())


def test_a_folder_filled_by_somebody_is_told_in_part(tmp_path: Path) -> None:
    for number in range(TOLD + 20):
        (tmp_path / f"f{number}\n\x1b[31m.py").write_text("")
    found = unowned(tmp_path, {"sales": tmp_path / "sales"})
    assert len(found) == TOLD
    assert all(name.isprintable() for name in found)


def test_a_source_that_holds_all_folders_owns_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "x.py").write_text("")
    assert unowned(tmp_path / "dags", {"sales": tmp_path}) == {}
    assert unowned(tmp_path / "missing", {}) == {}


def test_a_folder_called_like_another_team_is_worth_a_look(tmp_path: Path) -> None:
    folders = frozenset({tmp_path, tmp_path / "finance", tmp_path / "lib", tmp_path / "lib" / "finance"})
    found = foreign_folders(tmp_path, folders, {"finance": Path("/f"), "sales": Path("/s")})
    assert set(found) == {"finance"}
    assert foreign_folders(tmp_path, folders, {}) == {}


def test_the_report_is_read_whatever_stands_in_it(tmp_path: Path) -> None:
    status = tmp_path / "status.json"
    assert read_report(status) == {}
    for text in ("", "[]", "{", '{"a": 3}'):
        status.write_text(text)
        assert read_report(status) == {}
    problems = {"\x1b[31m<x>": "it is a link"}
    status.write_text(
        json.dumps({NOBODY: {"files": 0, "problems": problems, "left_out": 7, "hints": {"f": "h"}}, "t": {"files": 2}})
    )
    found = read_report(status)
    assert found[NOBODY].count == 7
    assert [(each.team, each.path, each.runs) for each in found[NOBODY].told] == [
        (None, "\\x1b[31m<x>", False),
        (None, "f", True),
    ]
    assert (found["t"].files, found["t"].told) == (2, ())


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"contact": 3}', '{"contact": "  "}', "[" * 100_000])
def test_without_words_nobody_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "platform.json").write_text(text)
    assert read_contact(HomeLayout(tmp_path)) == DEFAULT


def test_the_words_for_a_newcomer(tmp_path: Path) -> None:
    (tmp_path / "platform.json").write_text(json.dumps({"contact": "Ask  Ann\n(room 3). " + "x" * 900}))
    found = read_contact(HomeLayout(tmp_path))
    assert found.startswith("Ask Ann (room 3). x")
    assert len(found) == 500

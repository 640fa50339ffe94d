from __future__ import annotations

import json
from pathlib import Path

import pytest

from airspace.demo.people import PLATFORM_ROLES, cast, load_passwords
from airspace.model.errors import HomeError
from airspace.model.roles import Role

MEMBERS = {"data_engineering": {"dora": Role.LEAD, "emil": Role.AUTHOR}, "data_science": {"ada": Role.AUTHOR}}


def test_passwords_are_random_private_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "demo-users.json"
    first = load_passwords(file)
    assert set(first) == set(PLATFORM_ROLES)
    assert len(set(first.values())) == len(first)
    assert all(len(password) >= 16 for password in first.values())
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_passwords(file) == first


def test_a_person_added_later_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "demo-users.json"
    first = load_passwords(file)
    file.write_text(json.dumps({name: word for name, word in first.items() if name != "iris"}))
    second = load_passwords(file)
    assert {**second, "iris": ""} == {**first, "iris": ""}
    assert second["iris"]


def test_a_damaged_password_file_is_an_error_that_names_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "demo-users.json"
    file.write_text("{")
    with pytest.raises(HomeError) as caught:
        load_passwords(file)
    assert f"rm {file}" in str(caught.value)


def test_passwords_are_not_written_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("{}")
    file = tmp_path / "demo-users.json"
    file.symlink_to(elsewhere)
    load_passwords(file)
    assert elsewhere.read_text() == "{}"
    assert not file.is_symlink()


def test_one_word_for_what_somebody_is() -> None:
    people = cast(MEMBERS, {"ada": "secret-word"})
    assert {name: people[name].role for name in ("dora", "ada", "nemo", "iris", "admin")} == {
        "dora": "support",
        "ada": "author",
        "nemo": "none",
        "iris": "auditor",
        "admin": "admin",
    }
    assert people["dora"].teams == {"data_engineering": Role.LEAD}
    assert "secret-word" not in repr(people["ada"])

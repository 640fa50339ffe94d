"""A team file is changed as a person would change it, and says afterwards what was meant and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from airspace.model.errors import InvalidInputError
from airspace.teams.editing import Edit, adopted, drop_member, edited, set_member, written
from airspace.teams.files import read_document

FILE = b"""# Who decides: grace
name: data_science   # never change
title: "Data Science"
members:
    grace: lead      # since 2020
    # helps out
    ada: author
network:
  - db.example:5432
  - "*.s3.example:443"   # lake
connections:
    warehouse: {type: postgres, host: db.example, password: {env: DS_PASSWORD}}
variables: {threshold: 0.7, plain: hello}
# the end
"""


def value(data: bytes) -> Any:
    document = read_document("", data, [])
    assert document is not None
    return document.value


def changed_lines(before: bytes, after: bytes) -> tuple[set[str], set[str]]:
    old, new = (set(data.decode().splitlines()) for data in (before, after))
    return old - new, new - old


@pytest.mark.parametrize(
    ("edit", "gone", "new"),
    [
        (set_member("ben", "viewer"), set(), {"    ben: viewer"}),
        (set_member("ada", "lead"), {"    ada: author"}, {"    ada: lead"}),
        (drop_member("ada"), {"    ada: author"}, set()),
        (drop_member("grace"), {"    grace: lead      # since 2020"}, set()),
    ],
)
def test_only_that_line_changes(edit: Edit, gone: set[str], new: set[str]) -> None:
    assert changed_lines(FILE, edited(FILE, edit)) == (gone, new)


def test_what_is_so_already_changes_no_byte() -> None:
    assert edited(FILE, set_member("ada", "author")) is FILE


@pytest.mark.parametrize(
    "file",
    [
        b"name: ops\n",
        b"name: ops",
        b"---\nname: ops\n",
        b"{name: ops}\n",
        b'{"name": "ops", "members": {}}',
        b"\xef\xbb\xbfname: ops\r\nslots: 2 # two\r\n",
        b"name: ops\nmembers: {}\n",
    ],
)
def test_however_it_is_written(file: bytes) -> None:
    first = edited(file, set_member("ada", "lead"))
    assert value(first) == {**value(file), "members": {"ada": "lead"}}
    assert value(edited(first, drop_member("ada"))) == {**value(file), "members": {}}
    assert (b"\r\n" in first) == (b"\r\n" in file)
    assert file.startswith(b"---") == first.startswith(b"---")


def test_what_an_alias_would_change_elsewhere_is_refused() -> None:
    shared = b"name: ops\nmembers: &people {ada: lead}\nvariables: {copy: *people}\n"
    with pytest.raises(InvalidInputError, match="a program cannot change just this"):
        edited(shared, set_member("ben", "lead"))


def test_a_file_that_would_become_too_large_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="too large"):
        edited(FILE, adopted("variable plain", {"value": "x" * 300_000}))


def test_what_is_there_is_put_into_the_file() -> None:
    after = edited(FILE, adopted("connection warehouse", {"host": "db2.example", "schema": None, "port": 5433}))
    assert value(after)["connections"]["warehouse"] == {
        "type": "postgres", "host": "db2.example", "password": {"env": "DS_PASSWORD"}, "port": 5433,
    }  # fmt: skip
    assert value(edited(FILE, adopted("team", {"slots": 3})))["slots"] == 3
    assert value(edited(FILE, adopted("pool gpu", {"slots": 0})))["pools"] == {"gpu": 0}
    assert "warehouse" not in value(edited(FILE, adopted("connection warehouse", {})))["connections"]
    assert value(edited(FILE, adopted("variable threshold", {"value": "0.9"})))["variables"]["threshold"] == 0.9
    assert value(edited(FILE, adopted("variable plain", {"value": "1"})))["variables"]["plain"] == "1"


@pytest.mark.parametrize("text", ['{"env": "PATH"}', '{"file": "/etc/shadow"}', "{env: PATH}", "*x", "!!python/x y"])
@pytest.mark.parametrize("name", ["threshold", "plain"])
def test_a_value_from_the_ui_never_becomes_a_reference(name: str, text: str) -> None:
    """A lead may write any variable; what is adopted must not make the owner's next apply read the owner's secrets."""
    assert value(edited(FILE, adopted(f"variable {name}", {"value": text})))["variables"][name] == text
    after = edited(FILE, adopted("connection warehouse", {"login": text, "host": text}))
    assert value(after)["connections"]["warehouse"]["login"] == text


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,10}", fullmatch=True)
CONTENT = st.fixed_dictionaries(
    {"name": st.just("ops"), "members": st.dictionaries(NAMES, st.sampled_from(["lead", "viewer"]), max_size=3)},
    optional={
        "title": st.text(max_size=8),
        "variables": st.dictionaries(NAMES, st.one_of(st.text(max_size=9), st.integers(), st.booleans()), max_size=3),
        "network": st.lists(st.text(max_size=5), max_size=2),
    },
)


@settings(max_examples=60, deadline=None)
@given(CONTENT, NAMES, st.booleans(), st.booleans())
def test_any_file_says_what_was_meant_or_is_refused(content: dict[str, Any], user: str, flow: bool, drop: bool) -> None:
    data = json.dumps(content).encode() if flow else written(content, "x")
    try:
        before = value(data)
    except AssertionError:
        return
    if before != content:
        return  # text that YAML cannot carry
    try:
        after = value(edited(data, drop_member(user) if drop else set_member(user, "operator")))
    except InvalidInputError:
        return
    members = {key: role for key, role in content["members"].items() if key != user}
    assert after == {**content, "members": members if drop else {**content["members"], user: "operator"}}


def test_a_new_file_is_plain_yaml() -> None:
    data = written({"name": "ops", "members": {"ada": "lead"}}, "Written so.")
    assert data == b"# Written so.\nname: ops\nmembers:\n  ada: lead\n"
    assert YAML(typ="safe").load(data) == {"name": "ops", "members": {"ada": "lead"}}

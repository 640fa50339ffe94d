"""No secret in a team file, and nothing in ``.env`` but values."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airspace.importing.connections import drafted
from airspace.importing.deployment import OldConnection
from airspace.importing.secrecy import Secrets, is_secret_extra, is_secret_variable, parse_env, render_env

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=40)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", "x"),
        ("DB_PASSWORD", "x"),
        ("url", "https://me:pw@host/"),
        ("settings", '{"a": [{"client_secret": "x"}]}'),
        ("pem", "-----BEGIN RSA PRIVATE KEY-----"),
        ("x", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_secret_variables(name: str, value: str) -> None:
    assert is_secret_variable(name, value)


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", "0.7"), ("mode", '{"dry": true}'), ("host", "https://a.example/b@c")]
)
def test_plain_variables(name: str, value: str) -> None:
    assert not is_secret_variable(name, value)


def test_text_in_an_extra_is_secret_unless_it_is_known_to_be_harmless() -> None:
    assert is_secret_extra("client_hash", "x")
    assert is_secret_extra("host", "https://me:pw@host")
    assert is_secret_extra("region_name", "x" * 500)
    assert not is_secret_extra("region_name", "eu-central-1")
    assert not is_secret_extra("extra__snowflake__account", "acme")


def test_no_secret_stands_in_a_drafted_connection() -> None:
    secrets = Secrets()
    extra = {"region_name": "eu", "tok": "s3cret-a", "retries": 3, "ssl": True}
    plain = OldConnection("c", "aws", "h", 1, "me", "s", "s3cret-b", json.dumps(extra))
    nested = OldConnection("d", "gcp", "h", extra=json.dumps({"keyfile": {"k": "s3cret-c"}}))
    inside = OldConnection("e", "http", "https://me:s3cret-d@h")
    made = [drafted("team", each.name, each, secrets) for each in (plain, nested, inside)]
    assert "s3cret" not in json.dumps(made)
    assert made[0]["extra"] == {"region_name": "eu", "tok": {"env": "SECRET_TEAM_C_TOK"}, "retries": 3, "ssl": True}
    assert set(made[1]) == set(made[2]) == {"uri"}
    assert sum("s3cret" in str(value) for value in secrets.values.values()) == 4


def test_what_could_not_be_read_is_asked_for() -> None:
    secrets = Secrets()
    made = drafted("team", "c", OldConnection("c", "http", hidden=frozenset({"password"})), secrets)
    assert made == {"type": "http", "password": {"env": "SECRET_TEAM_C_PASSWORD"}}
    assert secrets.values == {"SECRET_TEAM_C_PASSWORD": None}
    assert "SECRET_TEAM_C_PASSWORD=\n" in render_env(secrets, {})


def test_names_never_meet_and_never_mean_anything_to_a_shell() -> None:
    secrets = Secrets()
    found = [secrets.reference(team, words, "x", "") ["env"] for team, words in (
        ("bash", ["env"]), ("ld", ["preload"]), ("airspace_x", ["y"]), ("a_b", ["c"]), ("a", ["b-c"]), ("a", ["b.c"]),
    )]  # fmt: skip
    assert len(set(found)) == len(found)
    assert all(name.startswith("SECRET_") for name in found)


@settings(max_examples=100, deadline=None)
@given(values=st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), TEXT, max_size=5))
def test_values_come_back_whatever_they_are(values: dict[str, str]) -> None:
    secrets = Secrets()
    for name, value in values.items():
        secrets.reference("team", [name], value, "x")
    written = render_env(secrets, {})
    assert parse_env(written) == {name: value or "" for name, value in secrets.values.items()}


def test_a_shell_reads_values_and_runs_nothing() -> None:
    secrets = Secrets()
    value = "it's $(touch /tmp/owned) `id`\n; echo no #"
    name = secrets.reference("team", ["c"], value, "about\\nthis")["env"]
    script = f'set -a\n{render_env(secrets, {})}\nprintf %s "${name}"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == value


def test_what_somebody_filled_in_stays() -> None:
    secrets = Secrets()
    secrets.reference("team", ["a"], None, "a")
    secrets.reference("team", ["b"], "known", "b")
    before = parse_env("SECRET_TEAM_A=mine # not a comment\n# it's one\nOTHER='two\nlines'\nSECRET_TEAM_B=changed\n")
    assert parse_env(render_env(secrets, before)) == {
        "SECRET_TEAM_A": "mine",
        "SECRET_TEAM_B": "changed",
        "OTHER": "two\nlines",
    }
    with pytest.raises(ValueError, match="never closed"):
        parse_env("A='half\n")

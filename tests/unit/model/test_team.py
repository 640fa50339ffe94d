"""The team file as data."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from airspace.model import names
from airspace.model.roles import Role
from airspace.model.secret import SecretRef
from airspace.model.sizes import parse_size
from airspace.model.team import DEFAULT_SLOTS, Team, json_schema

# The example of the command-line contract, as parsed from YAML.
EXAMPLE = {
    "name": "data_science",
    "title": "Data Science",
    "members": {"ada": "author", "grace": "lead"},
    "dags": {"folder": "dags/data_science"},
    "connections": {
        "warehouse": {"type": "postgres", "host": "db.example", "login": "ds", "password": {"env": "DS_PASSWORD"}}
    },
    "variables": {"threshold": 0.7},
    "pools": {"gpu": 2},
    "slots": 16,
    "limits": {"memory": "4G", "cpu": 2, "processes": 256, "scratch": "10G"},
    "network": ["objects.example:443"],
    "assets": {"churn_predictions": {"consumers": ["data_analytics"], "tables": ["churn_scores"]}},
    "warehouse": {"size": "20G", "seconds": 1800, "connections": 8},
}


def test_only_the_name_is_needed() -> None:
    team = Team.model_validate({"name": "ops"})
    assert (team.slots, team.network, team.dags.folder, team.shown_title) == (DEFAULT_SLOTS, (), None, "Ops")


def test_the_whole_file() -> None:
    team = Team.model_validate(EXAMPLE)
    assert team.members == {"ada": Role.AUTHOR, "grace": Role.LEAD}
    assert team.limits.memory == 4 * 1024**3
    assert team.connections["warehouse"].password == SecretRef(env="DS_PASSWORD")
    assert team.references() == {("connections", "warehouse", "password"): SecretRef(env="DS_PASSWORD")}


def test_what_is_written_can_be_read_again() -> None:
    team = Team.model_validate(EXAMPLE)
    assert Team.model_validate(json.loads(json.dumps(team.model_dump(mode="json", by_alias=True)))) == team
    assert Team.model_validate(team.without_secrets()) == team


def test_plain_secrets_never_reach_the_stored_file() -> None:
    connections = {"a": {"type": "http", "password": "hunter22"}, "b": {"uri": "http://u:hunter22@h/"}}
    team = Team.model_validate({"name": "ops", "connections": connections})
    assert "hunter22" not in json.dumps(team.without_secrets())
    assert set(team.plain_secrets()) == {("connections", "a", "password"), ("connections", "b", "uri")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("slots", "16"), ("slots", 0), ("slots", True), ("slots", 1.5), ("title", "two\nlines"), ("title", ""),
        ("members", {"a b": "lead"}), ("members", {"ada": "boss"}), ("members", ["ada"]), ("pools", {"gpu": -1}),
        ("pools", {"a..b": 1}), ("pools", {"é": 1}), ("network", "closed"), ("network", ["x"]), ("network", ["x:0"]),
        ("network", ["x:99999"]), ("network", ["a b:1"]), ("network", ["[::z]:1"]), ("limits", {"memory": "4Q"}),
        ("limits", {"memory": True}), ("limits", {"memory": 1}), ("limits", {"cpu": 0}), ("limits", {"cpu": "2"}),
        ("limits", {"disk": "1G"}), ("assets", {"x": {"consumers": ["Bad Name"]}}), ("assets", {"x": ["ops"]}),
        ("assets", {"../x": {}}), ("connections", {"c": {}}), ("connections", {"c": {"type": "x", "uri": "x://"}}),
        ("connections", {"c": {"type": "x", "port": 0}}), ("connections", {"c": {"type": "x", "port": "80"}}),
        ("connections", {"c": {"type": "x", "schema_": "y"}}), ("connections", {"c": {"type": "x", "password": 5}}),
        ("connections", {"c": {"type": "x", "password": {"env": ""}}}), ("variables", {"v": float("nan")}),
        ("connections", {"c": {"type": "x", "password": {"env": "A", "file": "b"}}}), ("variables", {"v": b"x"}),
        ("connections", {"c": {"type": "x", "password": {"env": "A B"}}}), ("variables", {"v": {"env": 5}}),
        ("dags", {"folder": ""}), ("dags", "folder"), ("unknown", 1),
    ],
)  # fmt: skip
def test_what_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Team.model_validate({"name": "ops", key: value})


@pytest.mark.parametrize(
    "name", ["", "ab", "Data", "1st", "a_", "_a", "a__b", "a-b", "a.b", "x" * 31, "root", "données"]
)
def test_bad_team_names(name: str) -> None:
    assert not names.is_team_name(name)
    with pytest.raises(ValidationError):
        Team.model_validate({"name": name})


@pytest.mark.parametrize("name", ["ops", "data_science", "a1_b2", "x" * 30])
def test_good_team_names(name: str) -> None:
    assert names.is_team_name(name)


def test_suggestions() -> None:
    assert names.suggest_team_name("Data Science") == "data_science"
    assert names.suggest_team_name("DataScience") == "data_science"
    assert names.did_you_mean("membres", ["members", "pools"]) == "members"
    assert names.did_you_mean("xyzzy", ["members", "pools"]) is None


def test_network_is_normalised() -> None:
    given_twice = ["Objects.Example:443", "objects.example:0443", "[2001:DB8::1]:80"]
    assert Team.model_validate({"name": "ops", "network": given_twice}).network == (
        "objects.example:443",
        "[2001:db8::1]:80",
    )
    for open_ in ("open", ["open"], ["open", "open"]):
        team = Team.model_validate({"name": "ops", "network": open_})
        assert (team.network, team.reachable) == ("open", ("open",))
    both = Team.model_validate({"name": "ops", "network": ["open", "*.S3.eu.example:443", "DB.example.:5432"]})
    assert both.network == both.reachable == ("open", "*.s3.eu.example:443", "db.example:5432")
    assert Team.model_validate({"name": "ops", "network": ["169.254.169.254:80", "127.0.0.1:1"]}).reachable


@pytest.mark.parametrize(
    "entry",
    [
        "*.com:1", "*:1", "a.*.b:1", "2130706433:80", "0x7f.0x1:80", "127.1:80",
        "0.0.0.0:80", "198.18.0.5:80",
        "255.255.255.255:1", "224.0.0.1:1", "[ff02::1]:1", "[::]:1", "[fe80::1%eth0]:1", "[::ffff:127.0.0.1]:1",
        "a..b:1",
    ],
)  # fmt: skip
def test_what_is_no_single_host_is_no_endpoint(entry: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Team.model_validate({"name": "ops", "network": [entry]})
    assert {error["type"] for error in caught.value.errors()} == {"bad-endpoint"}


def test_a_list_has_an_end() -> None:
    with pytest.raises(ValidationError, match="more than 256"):
        Team.model_validate({"name": "ops", "network": [f"h{number}.example:1" for number in range(257)]})


@pytest.mark.parametrize(
    ("text", "amount"), [("4G", 4 * 1024**3), ("1.5g", 3 * 1024**3 // 2), ("512MiB", 512 * 1024**2), ("10", 10), (7, 7)]
)
def test_sizes(text: str | int, amount: int) -> None:
    assert parse_size(text) == amount


def test_the_schema_knows_every_key() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(EXAMPLE)
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("table", ["Scores", "ds.scores", 'a"b', "", "a" * 64, "1st", "a;b"])
def test_a_table_is_a_plain_name(table: str) -> None:
    with pytest.raises(ValidationError, match="no name of a table"):
        Team.model_validate({"name": "ops", "assets": {"a": {"tables": [table]}}})

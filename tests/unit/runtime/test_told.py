"""What a connection test says: short, plain, and without the connection's secrets."""

from __future__ import annotations

import json

import pytest

from airspace.airflow.execution.told import LONGEST, told

CONNECTION = {
    "conn_id": "warehouse",
    "host": "db.example",
    "login": "reader",
    "password": "p@ss/w0rd",
    "extra": json.dumps({"token": "s3cr3t-token", "nested": {"keys": ["deep-key"]}, "on": True, "port": 7}),
}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("connection refused by db.example for reader", "connection refused by db.example for reader"),
        ("bad password p@ss/w0rd", "bad password ***"),
        (
            "cannot reach postgresql://reader:p%40ss%2Fw0rd@db.example",
            "cannot reach postgresql://reader:***@db.example",
        ),
        ("refused: s3cr3t-token, deep-key", "refused: ***, ***"),
        (f"extra was {CONNECTION['extra']}", "extra was ***"),
        ("True at port 7", "True at port 7"),
        ("a\x1b[31mred\0 one", "a[31mred one"),
        ("half \ud800 a character", "half  a character"),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_said(said: str, shown: str) -> None:
    assert told(said, CONNECTION) == shown


def test_it_is_short() -> None:
    assert len(told("x" * 10_000, CONNECTION)) <= LONGEST
    assert told("x" * 10_000, {}).endswith("(cut)")


def test_an_extra_that_is_no_json_is_hidden_whole() -> None:
    assert told("got {not json", {"extra": "{not json"}) == "got ***"


def test_what_the_network_refused_stands_beside_it() -> None:
    ours = 'network: DB.example:5432 is not on the list of team reds; add "db.example:5432" to "network"'
    theirs = [f"network: host{number}.example is not on the list of team reds {'x' * 500}" for number in range(40)]
    assert told("no answer", CONNECTION, [ours]) == f"no answer\n{ours}"
    said = told("y" * 10_000, CONNECTION, [*theirs, ours])
    assert len(said) <= LONGEST
    message, first, second = said.split("\n")
    assert len(message) >= LONGEST // 2
    assert message.endswith("y (cut)")
    assert (first, second[:22]) == (ours, "network: host0.example")
    # A name is asked for in small letters, and may hold anything.
    said = told("", CONNECTION, ["network: S3CR3T-token.example\x1b is not listed"])
    assert said == "\nnetwork: ***.example is not listed"

"""The door of the warehouse: what a client may say first, byte by byte."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.model.warehouse import Offer
from airspace.sandbox.relay.door import WrongError, first_words, refusal
from airspace.sandbox.relay.plan import WAREHOUSE, Plan, plan

OFFER = Offer("/nowhere")
GOOD = {"user": "team_ds", "database": "warehouse", "application_name": "psql"}


def startup(code: int = 196608, **said: str) -> bytes:
    """As a client begins."""
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in said.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, code) + body


def test_the_teams_own_role_gets_on() -> None:
    said = startup(**GOOD)
    assert first_words(said + b"more", OFFER, "ds") == ("on", len(said))
    assert {first_words(said[:size], OFFER, "ds") for size in range(len(said))} == {("more", 0)}
    assert first_words(startup(196610, **GOOD), OFFER, "ds")[0] == "on"
    assert first_words(startup(**GOOD, replication="false"), OFFER, "ds")[0] == "on"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({**GOOD, "user": "team_da"}, "is the role"),
        ({**GOOD, "user": "airspace"}, "is the role"),
        ({"database": "warehouse"}, "is the role"),
        ({**GOOD, "database": "airflow"}, "there is no other"),
        ({"user": "team_ds"}, "there is no other"),
        ({**GOOD, "replication": "database"}, "not replicated"),
        ({**GOOD, "replication": "true"}, "not replicated"),
        ({**GOOD, "replication": "1"}, "not replicated"),
    ],
)
def test_nobody_else_does(said: dict[str, str], why: str) -> None:
    with pytest.raises(WrongError, match=why):
        first_words(startup(**said), OFFER, "ds")


def test_what_can_be_read_two_ways_is_refused() -> None:
    body = b"user\0team_ds\0database\0warehouse\0user\0airspace\0\0"
    for bad in (body, b"user\0team_ds\0\0database\0airflow\0\0", b"user\0team_ds", b"\0user\0team_ds\0\0"):
        with pytest.raises(WrongError):
            first_words(struct.pack("!II", len(bad) + 8, 196608) + bad, OFFER, "ds")


def test_encryption_is_declined_and_a_cancellation_passes() -> None:
    for code in (80877103, 80877104):
        assert first_words(struct.pack("!II", 8, code), OFFER, "ds") == ("no", 8)
    assert first_words(struct.pack("!IIII", 16, 80877102, 7, 7), OFFER, "ds") == ("on", 16)
    for length, code in ((10_001, 196608), (4, 196608), (400, 80877102), (16, 131072)):
        with pytest.raises(WrongError):
            first_words(struct.pack("!II", length, code) + bytes(20_000), OFFER, "ds")


@given(st.binary(max_size=300))
def test_no_noise_gets_on_or_breaks_it(data: bytes) -> None:
    try:
        what, length = first_words(data, OFFER, "ds")
    except WrongError:
        return
    assert what in ("more", "no") or struct.unpack_from("!I", data, 4)[0] == 80877102
    assert length <= len(data)


def test_a_refusal_is_a_message_of_postgresql() -> None:
    said = refusal("no way")
    assert said[:1] == b"E"
    assert struct.unpack_from("!I", said, 1)[0] == len(said) - 1
    assert said.endswith(b"Mno way\0\0")


def test_every_sandbox_has_the_door_and_nothing_else_by_it() -> None:
    door = (str(WAREHOUSE), 5432)
    assert plan(()) == Plan()
    made = plan((), warehouse=True)
    assert made.listeners == (door,)
    assert [str(network) for network in made.networks] == ["198.18.255.254/32"]
    assert door in plan(("db.test:5432",), warehouse=True).listeners
    # Where that port is listened on at every address, so is it at this one.
    assert door not in plan(("open",), warehouse=True).listeners

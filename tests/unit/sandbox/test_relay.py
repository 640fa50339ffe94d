"""The relay's decisions: the list, the sockets, names off the wire, destinations, turns."""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.sandbox.messages import readable
from airspace.sandbox.relay import destinations, questions
from airspace.sandbox.relay.account import Account, Bucket, Destination
from airspace.sandbox.relay.loop import READ, TURNS, Loop
from airspace.sandbox.relay.netlink import LOCAL, UNICAST
from airspace.sandbox.relay.plan import EVERYWHERE, Plan, listed_addresses, plan
from airspace.sandbox.relay.questions import Code
from airspace.sandbox.relay.refusals import MOST_LINES, Hearer, Refusals, not_listed
from airspace.sandbox.relay.rules import OPEN_PORTS, Allowance, Grant, is_host_name

LIST = ("db.test:5432", "web.test:443", "*.s3.test:9000", "10.1.2.3:22", "[2001:db8::1]:443")


@pytest.mark.parametrize(
    ("host", "port", "grant"),
    [
        ("db.test", 5432, Grant.LISTED), ("db.test", 443, Grant.NONE), ("x.db.test", 5432, Grant.NONE),
        ("a.s3.test", 9000, Grant.LISTED), ("a.b.s3.test", 9000, Grant.LISTED), ("s3.test", 9000, Grant.NONE),
        ("as3.test", 9000, Grant.NONE), ("a.s3.test", 443, Grant.NONE), ("10.1.2.3", 22, Grant.LISTED),
        ("10.1.2.3", 23, Grant.NONE), ("2001:db8::1", 443, Grant.LISTED), ("2001:db8::2", 443, Grant.NONE),
    ],
)  # fmt: skip
def test_a_host_is_let_through_on_the_ports_that_are_listed_with_it(host: str, port: int, grant: Grant) -> None:
    account = Account("reds", 9)
    account.change(LIST)
    try:
        to = Destination(ip_address(host), port)
    except ValueError:
        to = Destination(host, port)
    assert account.grant(Allowance.read(LIST), to) is grant
    opened = account.grant(Allowance.read((*LIST, "open")), to)
    assert opened is grant, "what was not listed when the sandbox began, or is not today, is not let through"
    account.change((*LIST, "open"))
    expected = Grant.PUBLIC if grant is Grant.NONE and port in (22, 443, 5432) else grant
    assert account.grant(Allowance.read((*LIST, "open")), to) is expected


def test_names_that_may_be_asked_for() -> None:
    allowed = Allowance.read(LIST)
    assert [allowed.knows(name) for name in ("db.test", "a.s3.test", "s3.test", "no.test")] == [
        True,
        True,
        False,
        False,
    ]
    assert Allowance.read(("open",)).knows("no.test")
    assert Allowance.read(()).empty
    with pytest.raises(ValueError, match="no host:port"):
        Allowance.read(("nothing",))


def test_the_sockets_of_a_list() -> None:
    assert plan(()) == Plan()
    made = plan(LIST)
    assert [str(network) for network in made.networks] == ["198.18.0.0/15", "10.1.2.3/32", "2001:db8::1/128"]
    given = listed_addresses(Allowance.read(LIST))
    assert {name: str(address) for name, address in given.items()} == {
        "db.test": "198.18.0.1",
        "web.test": "198.18.0.2",
    }
    listeners = set(made.listeners)
    assert len(listeners) == len(made.listeners)
    assert {
        (EVERYWHERE, 443),
        (EVERYWHERE, 22),
        (EVERYWHERE, 9000),
        ("198.18.0.1", 5432),
        ("2001:db8::1", 443),
    } <= listeners
    assert (EVERYWHERE, 5432) not in listeners, "its own loopback stays its own"
    assert not {
        where for where in listeners if where[1] in (22, 443, 9000) and where[0] not in (EVERYWHERE, "2001:db8::1")
    }
    assert ("198.18.0.2", 5432) in listeners, "to say why it is refused"


def test_open_is_listened_for_everywhere() -> None:
    made = plan(("open", "db.test:7777"))
    assert [str(network) for network in made.networks] == ["0.0.0.0/0"]
    assert {address for address, _ in made.listeners} == {EVERYWHERE}
    assert {443, 5432, 7777} <= {port for _, port in made.listeners}


def test_the_page_tells_what_open_opens() -> None:
    page = Path(__file__).parents[3] / "docs" / "team-file.md"
    assert ", ".join(map(str, OPEN_PORTS)) in page.read_text()


def _question(name: bytes, kind: int = 1, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b"."))
    return struct.pack("!6H", 7, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_a_question_and_its_answer() -> None:
    question = questions.read(_question(b"Db.TEST"))
    assert question is not None
    assert (question.name, question.wants_address) == ("db.test", True)
    answer = question.answer(IPv4Address("198.18.0.1"))
    assert answer[:2] == b"\0\7"
    assert b"\2Db\4TEST\0" in answer
    assert answer.endswith(bytes((198, 18, 0, 1)))
    assert question.answer(Code.NO_SUCH_NAME)[3] & 0xF == 3
    other = questions.read(_question(b"db.test", kind=28))
    assert other is not None
    assert not other.wants_address


HEAD = struct.pack("!6H", 1, 256, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 12, _question(b"a.b")[:-3], _question(b"a.b", flags=0x8000), _question(b"a.b", flags=0x7800),
        HEAD + b"\xc0\x0c\0\1\0\1", struct.pack("!6H", 1, 256, 2, 0, 0, 0) + b"\1a\0\0\1\0\1",
        HEAD + b"\x3f" + b"a" * 10, _question(b".".join([b"a" * 60] * 6)), b"x" * 600,
    ],
)  # fmt: skip
def test_what_is_no_question_gets_no_answer(data: bytes) -> None:
    assert questions.read(data) is None


@given(st.binary(max_size=600))
def test_no_bytes_upset_the_name_server(data: bytes) -> None:
    for each in (data, HEAD + data):
        found = questions.read(each)
        if found is not None:
            assert len(found.name) < 260
            assert len(found.answer(IPv4Address("198.18.0.1"))) <= questions.LONGEST + 16
            if is_host_name(found.name):
                assert not set(found.name) - set("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_numbers_in_disguise_are_no_names() -> None:
    wrong = (
        "2130706433",
        "0x7f000001",
        "127.1",
        "a.0x1",
        "",
        "a..b",
        "-a.b",
        "a-.b",
        "a b",
        "ä.de",
        "A.b",
        "a" * 64,
        "a.b.",
    )
    assert not [name for name in wrong if is_host_name(name)]
    assert all(map(is_host_name, ("a", "a-b.c_d.e", "1.example", "x" * 63 + ".test")))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "168.63.129.16", "224.0.0.1",  # noqa: S104
        "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "100.100.100.200", "192.0.0.192",
    ],
)  # fmt: skip
def test_nobody_is_led_there_by_a_name(address: str) -> None:
    assert destinations.refusal(ip_address(address), public=False, kind_of_route=lambda _: UNICAST)


def test_private_networks_are_listed_not_opened() -> None:
    for address in ("10.0.0.1", "192.168.1.1", "fd12::1", "100.64.0.1"):
        assert destinations.refusal(ip_address(address), public=False, kind_of_route=lambda _: UNICAST) is None
        assert destinations.refusal(ip_address(address), public=True, kind_of_route=lambda _: UNICAST)
    assert destinations.refusal(ip_address("9.9.9.9"), public=True, kind_of_route=lambda _: UNICAST) is None


def test_the_machines_own_addresses_are_the_kernels_word() -> None:
    def fails(number: int) -> destinations.RouteKind:
        def ask(_: object) -> int:
            raise OSError(number, os.strerror(number))

        return ask

    nine = ip_address("9.9.9.9")
    assert "own" in str(destinations.refusal(nine, public=False, kind_of_route=lambda _: LOCAL))
    assert destinations.refusal(nine, public=False, kind_of_route=fails(errno.ENETUNREACH)) is None
    assert destinations.refusal(nine, public=False, kind_of_route=fails(errno.EMFILE)), "refused when in doubt"


def test_a_bucket_is_empty_at_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("airspace.sandbox.relay.account.time", SimpleNamespace(monotonic=lambda: now[0]))
    bucket = Bucket(5)

    def taken() -> int:
        count = 0
        while bucket.any():
            bucket.take()
            count += 1
        return count

    assert (taken(), taken()) == (10, 0)
    now[0] += 0.5
    assert taken() == 2


def test_a_hearer_is_told_once_and_not_for_ever() -> None:
    refusals = Refusals()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        hearer = Hearer(theirs)
        refusals.add("reds", hearer)
        for _ in range(3):
            refusals.tell("reds", not_listed("reds", "a.test", 443))
        refusals.tell("blues", "nothing of ours")
        assert (
            ours.recv(999).decode().startswith('network: a.test:443 is not on the list of team reds; add "a.test:443"')
        )
        for number in range(2 * MOST_LINES):
            refusals.tell("reds", f"line {number}")
        heard = []
        while readable(ours):
            heard.append(ours.recv(999).decode())
        assert len(heard) == MOST_LINES
        assert heard[-1] == "network: further refusals are not shown here"
        refusals.remove("reds", hearer)
        refusals.tell("reds", "to nobody")


def test_no_team_has_more_turns_than_another_has_patience() -> None:
    loop = Loop()
    served: list[str] = []
    pairs = [socket.socketpair() for _ in range(TURNS * 3 + 1)]
    for number, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        team = "quiet" if number == len(pairs) - 1 else "busy"
        loop.watch(ours.fileno(), READ, team, lambda _, team=team: served.append(team))  # type: ignore[misc]
    loop.round()
    assert (served.count("busy"), served.count("quiet")) == (TURNS, 1)
    for ours, theirs in pairs:
        loop.forget(ours.fileno())
        ours.close()
        theirs.close()
    fired: list[int] = []
    loop.later(0.01, lambda: fired.append(1))
    loop.later(0.005, lambda: fired.append(2)).cancel()
    while not fired:
        loop.round()
    assert fired == [1], "the other one was due earlier"
    loop.close()

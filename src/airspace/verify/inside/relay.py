"""The relay: what is on nobody's list, on another team's, and what names and addresses in disguise lead to."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from contextlib import suppress
from functools import partial

from airspace.sandbox.relay.plan import VIRTUAL
from airspace.verify.inside.acts import Refused, Unshown, act, first
from airspace.verify.inside.facts import VICTIM, Facts

_NAME_SERVER = ("127.0.0.53", 53)
LOCALHOST, LISTED = "127.0.0.1", "localhost"
_DISGUISES = ("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "127.0.0.1.")  # noqa: S104  # none is listened on
_MAPPED = "::ffff:127.0.0.1"
_FLOOD_SECONDS = 3.0
SLOW = 1.0  # seconds: a connection that takes longer was held up


def greeted(host: str, port: int, seconds: float = 1.5) -> str:
    """Connect, and hear from whoever is there: a relay takes a connection before it knows whether it may go on."""
    with socket.create_connection((host, port), seconds) as link:
        link.settimeout(seconds)
        if not link.recv(16):
            raise Refused(f"{host} port {port} was closed without a word")
    return f"heard from {host} port {port}"


def asked(name: str) -> str:
    """The address of a name, from the sandbox's name server itself and past its file of hosts."""
    label = name.encode()
    question = struct.pack("!6H", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0)
    question += bytes([len(label)]) + label + b"\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1.5)
        link.connect(_NAME_SERVER)
        link.send(question)
        answer = link.recv(512)
    if answer[3] & 0xF or answer[7] == 0:
        raise Refused(f"the name server does not know {name} (code {answer[3] & 0xF})")
    return socket.inet_ntoa(answer[-4:])


def _address(facts: Facts, name: str) -> str:
    return socket.gethostbyname(name) if facts.outside else asked(name)


@act("relay.unlisted")
def unlisted(facts: Facts) -> str:
    return greeted(LOCALHOST, facts.reach)


@act("relay.disguise")
def disguise(facts: Facts) -> str:
    ways = [partial(greeted, host, facts.reach) for host in (*_DISGUISES, _MAPPED)]
    return first(ways)


@act("relay.name")
def name(facts: Facts) -> str:
    """This machine's own name, which every machine knows."""
    if not facts.machine_name:
        raise Unshown("this machine does not know its own name")
    return f"{facts.machine_name} is {_address(facts, facts.machine_name)}"


@act("relay.name-of-loopback")
def name_of_loopback(facts: Facts) -> str:
    """On the attacker's list stands the name, but not the address that it leads to."""
    return greeted(_address(facts, LISTED), facts.trap)


@act("relay.victims-address")
def victims_address(facts: Facts) -> str:
    """The address that the victim's sandbox knows its host by; it is known in the attacker's too, for another one."""
    return greeted(str(VIRTUAL[1]), facts.reach)


@act("exhaustion.relay")
def flood(facts: Facts) -> str:
    """Ask and connect as fast as it goes: the victim holds up itself by that. Whether others did, its task tells."""
    over = time.monotonic() + _FLOOD_SECONDS
    threads = [threading.Thread(target=each, args=(facts, over)) for each in (_ask_on, _connect_on, _connect_on)]
    for thread in threads:
        thread.start()
    slowest = 0.0
    while time.monotonic() < over:
        slowest = max(slowest, held_up(facts.reach))
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    if facts.role == VICTIM and slowest < SLOW:
        raise Refused(f"its slowest connection took {slowest:.1f} s")
    return f"its own slowest connection took {slowest:.1f} s"


def held_up(port: int) -> float:
    """How long a connection took that should take no time."""
    began = time.monotonic()
    with suppress(OSError, Refused):
        greeted(LOCALHOST, port, 4 * SLOW)
        return time.monotonic() - began
    return 4 * SLOW


def _ask_on(_facts: Facts, over: float) -> None:
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(_NAME_SERVER)
        while time.monotonic() < over:
            number += 1
            with suppress(OSError):
                link.send(os.urandom(number % 600))
                link.send(struct.pack("!6H", number & 0xFFFF, 256, 1, 0, 0, 0) + b"\x02zz\xc0\x0c\x00\x01\x00\x01")


def _connect_on(facts: Facts, over: float) -> None:
    held: list[socket.socket] = []
    while time.monotonic() < over:
        with suppress(OSError):
            link = socket.socket()
            link.setblocking(False)
            held.append(link)
            link.connect_ex((LOCALHOST, (facts.reach, facts.trap, 80, 443)[len(held) % 4]))
        if len(held) > 300:
            for link in held[:200]:
                link.close()
            del held[:200]
    for link in held:
        link.close()

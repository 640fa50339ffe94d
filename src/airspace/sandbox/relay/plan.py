"""Which sockets a sandbox gets for its team's list. Pure: made by ``wires``, answered by the relay.

Names get addresses that nobody else has: each listed name one, those that ``*.`` and ``open`` let in one when they are
asked for. A port below 1024 is listened on at all addresses, which a team's code cannot do anyway; one above only
at the addresses of the names that list it, so that a team's own programs find it free on their loopback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from airspace.model.warehouse import PORT
from airspace.sandbox.relay.netlink import Network
from airspace.sandbox.relay.rules import OPEN_PORTS, Allowance

NAME_SERVER = ("127.0.0.53", 53)
VIRTUAL = ip_network("198.18.0.0/15")  # set aside for benchmarks: no host on any network has one of these
# The warehouse's: far above those of listed names, and below those of found ones.
WAREHOUSE = IPv4Address("198.18.255.254")
_ANYWHERE = ip_network("0.0.0.0/0")
_LISTED, _FOUND = IPv4Address("198.18.0.1"), IPv4Address("198.19.0.1")
_DOOR = (str(WAREHOUSE), PORT)
MOST_NAMES = 4096  # of those that are let in by `*.` and `open`, at once
# Where a listed host is also listened on, only to say why it is refused there.
_TOLD_HIGH = (1433, 3306, 5432, 6379, 8080, 8443)
_MOST_TOLD = 48
EVERYWHERE = "0.0.0.0"  # noqa: S104  # in a network without any device
_PRIVILEGED = 1024


@dataclass(frozen=True)
class Plan:
    """What is made in a sandbox's network.

    :param networks: whose addresses become its own
    :param listeners: address and port of each, beside the name server
    """

    networks: tuple[Network, ...] = ()
    listeners: tuple[tuple[str, int], ...] = ()


def plan(entries: Iterable[str], *, warehouse: bool = False) -> Plan:
    """For one list.

    :param warehouse: with the address of the warehouse, which is on no list
    :raises ValueError: it is none
    """
    allowed = Allowance.read(entries)
    if allowed.empty:
        return Plan((ip_network(WAREHOUSE),), (_DOOR,)) if warehouse else Plan()
    own = [address for address in allowed.addresses if not address.is_loopback]
    networks: tuple[Network, ...] = (_ANYWHERE if allowed.open else VIRTUAL,)
    networks += tuple(ip_network(address) for address in own)
    everywhere = _everywhere(allowed)
    listeners = [(EVERYWHERE, port) for port in sorted(everywhere)]
    for address, ports in allowed.addresses.items():
        taken = everywhere if address.version == 4 else ()
        listeners += [(str(address), port) for port in sorted(ports) if port not in taken]
    given = listed_addresses(allowed)
    listeners += [
        (str(given[name]), port) for name, ports in allowed.names.items() for port in sorted(ports - everywhere)
    ]
    told = [
        (str(address), port)
        for name, address in given.items()
        for port in _TOLD_HIGH
        if port not in everywhere and port not in allowed.names[name]
    ]
    door = (_DOOR,) if warehouse and PORT not in everywhere else ()
    return Plan(networks, (*listeners, *told[:_MOST_TOLD], *door))


def listed_addresses(allowed: Allowance) -> dict[str, IPv4Address]:
    """Listed name → its address in the sandbox."""
    return {name: _LISTED + number for number, name in enumerate(sorted(allowed.names))}


def found_addresses() -> list[IPv4Address]:
    """The addresses for names that are not listed one by one."""
    return [_FOUND + number for number in range(MOST_NAMES)]


def _everywhere(allowed: Allowance) -> frozenset[int]:
    """The ports that are listened on at every address."""
    named = {port for ports in (*allowed.names.values(), *allowed.addresses.values()) for port in ports}
    found = {port for port in (*named, *OPEN_PORTS) if port < _PRIVILEGED}
    found |= {port for ports in allowed.endings.values() for port in ports}
    if allowed.open:
        found |= {*OPEN_PORTS, *(port for ports in allowed.names.values() for port in ports)}
    return frozenset(found)

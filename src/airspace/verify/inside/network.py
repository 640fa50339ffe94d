"""The network: the machine's ports, other teams', and what is further away."""

from __future__ import annotations

import os
import socket
import struct

from airspace.verify.inside.acts import Refused, Unshown, act
from airspace.verify.inside.facts import Facts

LOCALHOST = "127.0.0.1"
_METADATA = "169.254.169.254"
_FAR = "192.0.2.1"  # of the block for documentation: nobody is there, and nothing is sent


def _connect(host: str, port: int, family: int = socket.AF_INET) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.settimeout(1.5)
        link.connect((host, port))
    return f"connected to {host} port {port}"


@act("network.api")
def api(facts: Facts) -> str:
    return _connect(LOCALHOST, facts.port)


@act("network.loopback")
def loopback(facts: Facts) -> str:
    return _connect(LOCALHOST, facts.outside_tcp)


@act("network.loopback-v6")
def loopback_v6(facts: Facts) -> str:
    if not facts.outside_tcp6:
        raise Unshown("this machine has no IPv6")
    return _connect("::1", facts.outside_tcp6, socket.AF_INET6)


@act("network.datagram")
def datagram(facts: Facts) -> str:
    """Whether it arrived, a process outside tells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.sendto(facts.role.encode(), (LOCALHOST, facts.outside_udp))
    return "the datagram did not arrive"


@act("network.victim")
def victim(facts: Facts) -> str:
    return _connect(LOCALHOST, facts.victim_port)


@act("network.metadata")
def metadata(_facts: Facts) -> str:
    return _connect(_METADATA, 80)


@act("network.internet")
def internet(_facts: Facts) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect((_FAR, 443))  # of a datagram socket: only a route is looked for
        return f"has a route to the internet, from {link.getsockname()[0]}"


@act("network.names")
def names(facts: Facts) -> str:
    if not facts.nameserver:
        raise Unshown("this machine has no name server")
    question = struct.pack("!6H", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + b"\x07example\x03org\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET6 if ":" in facts.nameserver else socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1.5)
        link.connect((facts.nameserver, 53))
        link.send(question)
        return f"{len(link.recv(512))} bytes from the name server"


@act("network.interfaces")
def interfaces(_facts: Facts) -> str:
    found = [name for _, name in socket.if_nameindex()]
    if set(found) <= {"lo"}:
        raise Refused("there is no interface but its own loopback")
    return f"interfaces: {', '.join(found)}"

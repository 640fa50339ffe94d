"""Two questions to the kernel's routing tables: make an address one of this network's own; whose address is this?"""

from __future__ import annotations

import os
import socket
import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNICAST, LOCAL = 1, 2
_HEADER, _ROUTE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=8BI"), struct.Struct("=HH")
_NEW_ROUTE, _GET_ROUTE, _ERROR = 24, 26, 2
_REQUEST, _ACKNOWLEDGE, _CREATE, _REPLACE = 0x1, 0x4, 0x400, 0x100
_TABLE_LOCAL, _STATIC, _SCOPE_HOST = 255, 4, 254
_DESTINATION, _OUT = 1, 4
_SECONDS = 2.0


def make_local(network: Network) -> None:
    """Have every address of a network be one of our own, without giving it to a device.

    :raises OSError: the kernel does not
    """
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    head = _ROUTE.pack(family, network.prefixlen, 0, 0, _TABLE_LOCAL, _STATIC, _SCOPE_HOST, LOCAL, 0)
    loopback = struct.pack("=I", socket.if_nametoindex("lo"))
    body = head + _attribute(_DESTINATION, network.network_address.packed) + _attribute(_OUT, loopback)
    _ask(_NEW_ROUTE, _REQUEST | _ACKNOWLEDGE | _CREATE | _REPLACE, body)


def kind_of_route(address: Address) -> int:
    """What the kernel would do with a packet to that address: ``UNICAST`` for another machine's, ``LOCAL`` for ours.

    :raises OSError: there is no way to it
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0) + _attribute(_DESTINATION, address.packed)
    answer = _ask(_GET_ROUTE, _REQUEST, body)
    return int(_ROUTE.unpack_from(answer)[7])


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _ask(kind: int, flags: int, body: bytes) -> bytes:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(_SECONDS)
        link.sendto(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body, (0, 0))
        answer = link.recv(16384)
    told, rest = _HEADER.unpack_from(answer)[1], answer[_HEADER.size :]
    if told == _ERROR:
        number = -struct.unpack_from("=i", rest)[0]
        if number:
            raise OSError(number, os.strerror(number))
    return rest

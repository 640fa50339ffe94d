"""A team's list as a decision: may this host be reached on this port? Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
OPEN = "open"
OPEN_PORTS = (22, 80, 443, 587, 993, 1433, 1521, 3306, 5432, 5439, 6379, 8080, 8443, 9092, 9418, 27017)
"""What ``open`` opens of every public host; anything else is listed, host by host."""
_LONGEST = 253


class Grant(IntEnum):
    """How far a list goes for one destination; the weaker of two is the smaller."""

    NONE = 0
    PUBLIC = 1
    """By ``open``: only where the host turns out to be public."""
    LISTED = 2


@dataclass(frozen=True)
class Allowance:
    """One list, read.

    :param names: name → ports; ``endings``: ``.s3.example`` → ports, for ``*.s3.example``
    """

    open: bool = False
    names: dict[str, frozenset[int]] = field(default_factory=dict)
    endings: dict[str, frozenset[int]] = field(default_factory=dict)
    addresses: dict[Address, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, entries: Iterable[str]) -> Allowance:
        """Of the entries of a team file, as its model has checked them.

        :raises ValueError: one is no such entry
        """
        made = cls(open=OPEN in (entries := tuple(entries)))
        for entry in entries:
            if entry == OPEN:
                continue
            host, port = split(entry)
            if (address := as_address(host)) is not None:
                made.addresses[address] = made.addresses.get(address, frozenset()) | {port}
            elif host.startswith("*."):
                made.endings[host[1:]] = made.endings.get(host[1:], frozenset()) | {port}
            else:
                made.names[host] = made.names.get(host, frozenset()) | {port}
        return made

    @property
    def empty(self) -> bool:
        """Whether nothing can be reached."""
        return not (self.open or self.names or self.endings or self.addresses)

    def knows(self, name: str) -> bool:
        """Whether a name may be asked for: some port of it can be reached."""
        return self.open or name in self.names or any(name.endswith(ending) for ending in self.endings)

    def of_name(self, name: str, port: int) -> Grant:
        """What it says of a host by name. ``*.`` stands for one label or more, never for none."""
        listed = port in self.names.get(name, ()) or any(
            port in ports for ending, ports in self.endings.items() if name.endswith(ending)
        )
        return Grant.LISTED if listed else self._open(port)

    def of_address(self, address: Address, port: int) -> Grant:
        """What it says of an address, literally."""
        return Grant.LISTED if port in self.addresses.get(address, ()) else self._open(port)

    def _open(self, port: int) -> Grant:
        return Grant.PUBLIC if self.open and port in OPEN_PORTS else Grant.NONE


def split(entry: str) -> tuple[str, int]:
    """``host:port``, the host without brackets.

    :raises ValueError: it is none
    """
    host, colon, port = entry.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{entry!r} is no host:port")
    return host.removeprefix("[").removesuffix("]").lower(), int(port)


def as_address(host: str) -> Address | None:
    """The address, if it is one as everybody writes it; 0x7f.1 and 2130706433 are none."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_host_name(name: str) -> bool:
    """Whether a name can be a host's: not a number in disguise, which some resolvers read as an address."""
    labels = name.split(".")
    if not 0 < len(name) <= _LONGEST or not all(_is_label(label) for label in labels):
        return False
    last = labels[-1]
    return not (last.isdigit() or last.startswith("0x"))


def _is_label(label: str) -> bool:
    known = label.isascii() and label.replace("-", "").replace("_", "").isalnum() and label == label.lower()
    return known and 0 < len(label) <= 63 and label[0] != "-" and label[-1] != "-"

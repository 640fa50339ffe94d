"""Whether a connection may go to an address that a name was resolved to, or that was named itself."""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from airspace.sandbox.relay import netlink
from airspace.sandbox.relay.rules import Address

# What cloud machines ask about themselves, beside what is link-local. Whoever asks gets their keys.
_METADATA = tuple(map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")))
_THIS_NETWORK = ip_network("0.0.0.0/8")
_TRANSLATED = ip_network("64:ff9b::/96")
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH)
RouteKind = Callable[[Address], int]


def refusal(address: Address, *, public: bool, kind_of_route: RouteKind = netlink.kind_of_route) -> str | None:
    """Why nobody is let there who has not listed this very address; None where they are.

    :param public: only what everybody on the internet reaches is allowed
    """
    for each in _meant(address):
        if reason := _reason(each):
            return reason
        if public and not each.is_global:
            return "is in a private network, which `open` does not open"
    try:
        kind = kind_of_route(address)
    except OSError as error:
        # Where there is no way, connecting says so. Whatever else it is, nobody knows whose address that is.
        return None if error.errno in _NO_WAY else f"cannot be looked at: {error.strerror}"
    return None if kind == netlink.UNICAST else "is this machine's own address"


def _meant(address: Address) -> list[Address]:
    """The address, and the one that is packed in it."""
    found: list[Address] = [address]
    if isinstance(address, IPv6Address):
        packed = address.ipv4_mapped or address.sixtofour
        if packed is None and address in _TRANSLATED:
            packed = IPv4Address(int(address) & 0xFFFFFFFF)
        if packed is not None:
            found.append(packed)
    return found


def _reason(address: Address) -> str | None:
    if address.is_loopback or (address.version == 4 and address in _THIS_NETWORK) or address.is_unspecified:
        return "is this machine's own loopback"
    if address.is_link_local:
        return "is link-local, where machines find their metadata"
    if address in _METADATA:
        return "is a cloud's metadata service"
    if address.is_multicast or (address.version == 4 and address.is_reserved):
        return "is no single host's"
    return None

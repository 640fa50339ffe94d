"""Which address a source is reached at: resolved once, judged, and then the only one that is connected to.

A name that leads into this machine's own network would let a team file read what only the platform may reach, so only
public addresses are good, unless the platform's owner listed the host. Redirects are followed nowhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from airspace.backends.remotes.job import RemoteError
from airspace.model.source_settings import SourceSettings
from airspace.sandbox.relay.destinations import refusal
from airspace.sandbox.relay.rules import Address, as_address


def listed(host: str, settings: SourceSettings, address: Address | None = None) -> bool:
    """Whether the owner listed a host by its name, or the network that an address is in."""
    if host in settings.hosts:
        return True
    found = address or as_address(host)
    return found is not None and any(found in network for network in _networks(settings.hosts))


def resolve(host: str, port: int, settings: SourceSettings) -> str:
    """The address to connect to.

    :raises RemoteError: there is none, or it is not one that a source may have
    """
    literal = as_address(host.strip("[]"))
    try:
        found = [str(literal)] if literal else _look_up(host, port)
    except OSError:
        raise RemoteError(f"the name {host} is not known", "correct the host in the URL, or mend the DNS") from None
    reasons = []
    for text in found:
        address = ipaddress.ip_address(text)
        if listed(host, settings, address):
            return text
        reason = refusal(address, public=True)
        if reason is None:
            return text
        reasons.append(reason.replace(", which `open` does not open", ""))
    raise RemoteError(
        f"{host} {reasons[0] if reasons else 'has no address'}: no Dag source may be there",
        f"the platform's owner can allow it in airflow.overrides.cfg: [airspace] source_hosts = {host}",
    )


def _look_up(host: str, port: int) -> Sequence[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]).partition("%")[0] for row in rows))


def _networks(entries: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for entry in entries:
        try:
            found.append(ipaddress.ip_network(entry))
        except ValueError:
            continue
    return found

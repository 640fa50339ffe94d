"""What a team's code may reach: ``network`` of the team file and of ``platform.yaml``. No I/O."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, Union

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from airspace.model.parts import refuse, refuse_each

OPEN = "open"
MOST_ENDPOINTS = 256
_HOW = 'for example ["db.example:5432"]'
_ENTRY = r"^(open|.+:\d{1,5})$"
# The sandboxes' own: airspace.sandbox.relay.plan.
_SET_ASIDE = ipaddress.ip_network("198.18.0.0/15")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def _endpoint(value: str) -> str:
    host, colon, port = value.rpartition(":")
    how = "write host:port, for example objects.example:443"
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise refuse("bad-endpoint", "an endpoint has a port between 1 and 65535", how)
    if host.startswith("[") and host.endswith("]"):
        return f"[{_ipv6(host[1:-1], how)}]:{int(port)}"
    host = host.lower().removesuffix(".")
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        _check_host_name(host, how)
    else:
        _check_usable(address)
    return f"{host}:{int(port)}"


def _ipv6(text: str, how: str) -> ipaddress.IPv6Address:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise refuse("bad-endpoint", "no IPv6 address between the brackets", how) from None
    if address.scope_id or address.ipv4_mapped:
        raise refuse("bad-endpoint", "an IPv6 address that means another one", "write that one")
    _check_usable(address)
    return address


def _check_host_name(host: str, how: str) -> None:
    """A name, or ``*.`` and the end of one."""
    labels = host.removeprefix("*.").split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise refuse("bad-endpoint", "this is no host name or address", how)
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        raise refuse("bad-endpoint", "a number in place of an address", "write the address with its four parts")
    if host.startswith("*.") and len(labels) < 2:
        raise refuse("bad-endpoint", "*. stands before a domain, not before all", "for example *.s3.example:443")


def _check_usable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """An address that one host can have."""
    if address.is_unspecified or address.is_multicast or (address.version == 4 and address.is_reserved):
        raise refuse("bad-endpoint", "no host has this address", "write the address of one host")
    if address in _SET_ASIDE:
        raise refuse("bad-endpoint", "sandboxes know names by such addresses", "write the host's name")


def _network(value: object) -> Any:
    if value == OPEN:
        return OPEN
    if not isinstance(value, (list, tuple)):
        raise refuse("wrong-type", "network is a list of host:port, or the word open", _HOW)
    if len(value) > MOST_ENDPOINTS:
        raise refuse("bad-endpoint", f"more than {MOST_ENDPOINTS} entries", "*.domain:port stands for many hosts")
    wrong: list[tuple[tuple[int | str, ...], PydanticCustomError]] = []
    entries: dict[str, None] = {}
    for index, item in enumerate(value):
        try:
            entries[_entry(item)] = None
        except PydanticCustomError as refusal:
            wrong.append(((index,), refusal))
    if wrong:
        raise refuse_each(wrong)
    return OPEN if tuple(entries) == (OPEN,) else tuple(entries)


def _entry(item: object) -> str:
    if not isinstance(item, str):
        raise refuse("wrong-type", "an entry of network is text", _HOW)
    return item if item == OPEN else _endpoint(item)


Network = Annotated[
    Union[tuple[str, ...], Literal["open"]],  # noqa: UP007 - evaluated by pydantic on Python 3.10 too
    PlainValidator(_network),
    PlainSerializer(lambda value: value if isinstance(value, str) else list(value)),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": OPEN},
                {"type": "array", "maxItems": MOST_ENDPOINTS, "items": {"type": "string", "pattern": _ENTRY}},
            ]
        }
    ),
]

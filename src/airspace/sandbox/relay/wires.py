"""Sockets in a sandbox's network, made from outside before its team's code runs there.

A socket belongs to the network that it was made in, whoever holds it. A child of the spawner goes into that network and
nowhere else of the sandbox, makes the sockets, sends them back and ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from airspace.sandbox import kernel
from airspace.sandbox.messages import Packet, readable, receive, send
from airspace.sandbox.relay import netlink
from airspace.sandbox.relay.plan import NAME_SERVER, Plan

NAMES, STREAMS = "names", "streams"
"""What a socket is for: datagrams of the name server, connections to others."""
_GET_USER_NAMESPACE = 0xB701
_BATCH = 14  # descriptors in one message, below what a packet may carry
_SECONDS = 5.0
MOST_DESCRIPTORS = 1 << 16
_IPV6_FREEBIND = 78
_BACKLOG, _QUEUE, _BUFFER = 128, 64 << 10, 256 << 10


@dataclass(frozen=True)
class Wire:
    """One socket of a sandbox, held open here."""

    kind: str
    descriptor: int


def lay(pid: int, plan: Plan, *, with_user: bool) -> list[Wire]:
    """Make the sockets of a plan in the network of a process.

    :param with_user: that network belongs to a user namespace
    :raises OSError: the kernel does not, or not in time
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _in_child(theirs, pid, plan, with_user)
    theirs.close()
    wires: list[Wire] = []
    try:
        with ours:
            while not _take(ours, wires):
                pass
    except BaseException:
        close(wires)
        raise
    finally:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)  # it has nothing more to do
        os.waitpid(child, 0)
    return wires


def allow_many_sockets() -> None:
    """For who keeps those of all sandboxes: as many descriptors as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def close(wires: list[Wire]) -> None:
    """Close them here."""
    for wire in wires:
        os.close(wire.descriptor)
    wires.clear()


def _take(link: socket.socket, wires: list[Wire]) -> bool:
    """One message; whether it was the last."""
    packet = receive(link) if readable(link, _SECONDS) else Packet({"error": "it took too long"})
    if packet is None:
        raise OSError("it ended")
    if "error" in packet.body:
        raise OSError(packet.body["error"])
    wires += [Wire(packet.body["kind"], descriptor) for descriptor in packet.descriptors]
    packet.descriptors.clear()
    return bool(packet.body["last"])


def _in_child(link: socket.socket, pid: int, plan: Plan, with_user: bool) -> None:
    try:
        _enter(pid, with_user)
        for network in plan.networks:
            netlink.make_local(network)
        names = [_name_server()]
        streams = [_listener(*where) for where in plan.listeners]
        send(link, {"kind": NAMES, "last": not streams}, [each.fileno() for each in names])
        for start in range(0, len(streams), _BATCH):
            batch = [each.fileno() for each in streams[start : start + _BATCH]]
            send(link, {"kind": STREAMS, "last": start + _BATCH >= len(streams)}, batch)
    except BaseException as error:  # noqa: BLE001  # the end of a process: whoever waits for it is told
        with contextlib.suppress(OSError, ValueError):
            send(link, {"error": f"{type(error).__name__}: {error}"[:500]})
    finally:
        os._exit(0)


def _enter(pid: int, with_user: bool) -> None:
    """Into the network of that process; as an ordinary user first into the user namespace that owns it."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if with_user:
        kernel.enter_namespace(fcntl.ioctl(network, _GET_USER_NAMESPACE), kernel.NEW_USER)
    kernel.enter_namespace(network, kernel.NEW_NET)


def _name_server() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE)
    made.bind(NAME_SERVER)
    return made


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # Else a connection of a sandbox's earlier life that waits for its end would hold the port.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)  # a route to ourselves is not enough for IPv6
    for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):  # of each connection that is accepted
        made.setsockopt(socket.SOL_SOCKET, which, _BUFFER)
    made.bind((address, port))
    made.listen(_BACKLOG)
    return made

"""Sockets: the platform's, the machine's, other kinds than the usual ones."""

from __future__ import annotations

import os
import socket
import stat
from functools import partial
from pathlib import Path

from airspace.verify.inside.acts import Refused, Unshown, act, first
from airspace.verify.inside.facts import Facts

_OF_THE_MACHINE = (
    "/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
    "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify", "/run/snapd.socket",
    "/run/systemd/journal/socket", "/dev/log",
)  # fmt: skip
VICTIM_ABSTRACT = "\0airspace-verify-victim-{}"


def _connect(path: str | Path, kind: int = socket.SOCK_STREAM) -> str:
    with socket.socket(socket.AF_UNIX, kind) as link:
        link.settimeout(2)
        link.connect(str(path))
    return f"connected to {str(path).lstrip(chr(0))}"


@act("sockets.spawner")
def spawner(facts: Facts) -> str:
    return _connect(f"{facts.run}/spawner.sock", socket.SOCK_SEQPACKET)


@act("sockets.doorbell")
def doorbell(facts: Facts) -> str:
    return _connect(f"{facts.run}/doorbell.sock", socket.SOCK_DGRAM)


@act("sockets.wake")
def wake(facts: Facts) -> str:
    return _connect(f"{facts.run}/wake.sock", socket.SOCK_DGRAM)


@act("sockets.relay")
def relay(facts: Facts) -> str:
    return _connect(f"{facts.run}/relay.sock", socket.SOCK_SEQPACKET)


@act("sockets.postgres")
def postgres(facts: Facts) -> str:
    return _connect(f"{facts.run}/postgres/.s.PGSQL.5432")


@act("sockets.process-manager")
def process_manager(facts: Facts) -> str:
    return _connect(f"{facts.supervisor}/s.sock")


@act("sockets.machine")
def machine(facts: Facts) -> str:
    """The machine's own services, and one that the control is sure to find."""
    paths = [path for path in _OF_THE_MACHINE if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)]  # noqa: PTH110, PTH116
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return first([partial(_connect, path, kind) for path in (facts.outside_socket, *paths) for kind in kinds])


@act("sockets.abstract")
def abstract(facts: Facts) -> str:
    return _connect("\0" + facts.outside_abstract)


@act("sockets.abstract-victim")
def abstract_victim(facts: Facts) -> str:
    return _connect(VICTIM_ABSTRACT.format(facts.nonce))


def _make(family: int, kind: int, protocol: int = 0) -> str:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        if error.errno == 97:
            raise Unshown("this kernel has no such sockets") from None
        raise
    return "made one"


@act("sockets.vsock")
def vsock(_facts: Facts) -> str:
    return _make(40, socket.SOCK_STREAM)


@act("sockets.packet")
def packet(_facts: Facts) -> str:
    return _make(17, socket.SOCK_RAW, 0x0300)


@act("sockets.raw")
def raw(_facts: Facts) -> str:
    return _make(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@act("sockets.alg")
def alg(_facts: Facts) -> str:
    return _make(38, socket.SOCK_SEQPACKET)


@act("sockets.netlink")
def netlink(_facts: Facts) -> str:
    def try_one(number: int) -> str:
        socket.socket(16, socket.SOCK_RAW, number).close()
        return f"opened netlink family {number}"

    return first([partial(try_one, number) for number in (9, 4, 12, 15, 16)])


@act("sockets.descriptors")
def descriptors(facts: Facts) -> str:
    """Sockets that it inherited and that lead to a named place."""
    if facts.outside:
        link = socket.socket(socket.AF_UNIX)
        link.connect(facts.outside_socket)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            peer = socket.socket(fileno=os.dup(int(name))).getpeername()
        except OSError:
            continue
        if peer:
            return f"descriptor {name} is connected to {peer!r}"
    raise Refused("none of its sockets leads to a named place")

"""What spawner, template, zygotes and supervisors say to each other: packets of JSON with descriptors beside it."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST = 160_000  # bytes of a packet: below what every kernel lets through by default
_DESCRIPTORS = 16
SOCKET = "spawner.sock"


@dataclass
class Packet:
    """One message with the descriptors that came with it; whoever takes one out closes it."""

    body: dict[str, Any]
    descriptors: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close what was not taken out."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


def send(link: socket.socket, body: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one.

    :raises ValueError: it is too long
    :raises OSError: nobody takes it
    """
    data = json.dumps(body, separators=(",", ":")).encode()
    if len(data) > LARGEST:
        raise ValueError(f"a message of {len(data)} bytes is too long")
    socket.send_fds(link, [data], list(descriptors), socket.MSG_NOSIGNAL)


def receive(link: socket.socket) -> Packet | None:
    """Take one; None when the other side is gone.

    :raises ValueError: it is no message
    """
    try:
        data, descriptors, flags, _ = socket.recv_fds(link, LARGEST, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None
    packet = Packet({}, list(descriptors))
    if not data:
        packet.close()
        return None
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("a message was cut off")
        packet.body = json.loads(data)
        if not isinstance(packet.body, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        packet.close()
        raise ValueError("this is no message") from None
    return packet


def readable(target: Any, seconds: float = 0.0) -> bool:
    """Whether a descriptor has something to say, or its other side is gone; waits for that so long."""
    poll = select.poll()
    poll.register(target, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def host_pid(pidfd: int) -> int:
    """The process behind a descriptor, as a number of this PID namespace; -1 when it is gone.

    :raises ValueError: it is no descriptor of a process
    """
    return _field(pidfd, "Pid:")[0]


def depth(pidfd: int) -> int:
    """In how many PID namespaces the process is, seen from ours: 1 for one of our own; 0 when it is gone."""
    return len(_field(pidfd, "NSpid:"))


def _field(pidfd: int, name: str) -> list[int]:
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith(name):
            return [int(number) for number in line.split()[1:]]
    raise ValueError("no descriptor of a process")

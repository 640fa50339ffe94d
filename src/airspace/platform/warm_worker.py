"""Asking the admin worker that is warm already: the API server, through a socket that only the platform's own reach.

Starting an admin worker costs two seconds of imports, which the API server has behind it. Where nobody answers, whoever
asks starts one.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airspace.model.errors import AirspaceError

SOCKET = "admin.sock"
MOST_BYTES = 64 << 20  # of a question or an answer
WARM_BYTES = 2 << 20  # a longer question is work for a process of its own: it would slow down who uses the UI
_CHUNK = 1 << 18
_CREDENTIALS = struct.Struct("3i")


def ask(
    run: Path, command: str, payload: Mapping[str, Any], seconds: float, control: int | None = None
) -> dict[str, Any] | None:
    """The answer to one command of the admin worker; None when nobody is there, and nothing was begun.

    :param run: where the sockets are
    :param control: the number of the control user, where that is not who calls
    :raises AirspaceError: it was begun, and cut off; or somebody else listens there
    """
    question = json.dumps({"command": command, "payload": payload}).encode()
    if len(question) > WARM_BYTES:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(seconds)
        try:
            link.connect(str(run / SOCKET))
        except OSError:
            return None
        if (listener := peer(link)) not in {0, os.geteuid(), control}:
            raise AirspaceError(
                f"{run / SOCKET} is another user's (number {listener}): nothing was told to it",
                fix=f"remove {run}, then: airspace up",
            )
        try:
            link.sendall(question)
            link.shutdown(socket.SHUT_WR)
            answer = json.loads(read_all(link))
        except (OSError, ValueError):
            answer = None
    if not isinstance(answer, dict):
        raise AirspaceError(
            f"{command} was cut off: the API server ended meanwhile", fix="airspace status, then the same command again"
        )
    return answer


def peer(link: socket.socket) -> int:
    """The number of the user at the other end."""
    found = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(found)[1])


def read_all(link: socket.socket) -> bytes:
    """Everything until the other side has no more to say.

    :raises ValueError: it says too much
    """
    said = bytearray()
    while data := link.recv(_CHUNK):
        said += data
        if len(said) > MOST_BYTES:
            raise ValueError("too long")
    return bytes(said)

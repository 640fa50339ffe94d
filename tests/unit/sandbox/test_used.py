"""What a zygote says of an ended process. The zygote is its team's, and may say anything."""

from __future__ import annotations

import os
import socket

import pytest

from airspace.sandbox.client import SandboxedProcess
from airspace.sandbox.ports import Used
from airspace.sandbox.zygote import BEGUN, EXIT

MOST = 2**31 - 1


@pytest.mark.parametrize(
    ("said", "code", "used"),
    [
        (EXIT.pack(3, 1_500_000, 2048), 3, Used(1500, 2048)),
        (EXIT.pack(0, 2**64 - 1, 2**64 - 1), 0, Used(MOST, MOST)),
        (EXIT.pack(0, 0, 0) + b"!", None, None),
        (b"\0\0\0\0", None, None),
        (b"x" * 64, None, None),
    ],
)
def test_only_numbers_within_reason_are_taken(said: bytes, code: int | None, used: Used | None) -> None:
    control, zygote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lease, spawner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child, pidfd = SandboxedProcess(control, lease), os.pidfd_open(os.getpid())
    with zygote, spawner:
        socket.send_fds(zygote, [BEGUN], [pidfd])
        os.close(pidfd)
        assert (child.poll(), child.used) == (None, None)
        for _ in range(3):  # only what it says first counts
            zygote.send(said)
        assert child.poll() == code
        zygote.send(EXIT.pack(9, 9_000_000, 9))
        assert (child.poll(), child.used) == (code, used)
        child.close()

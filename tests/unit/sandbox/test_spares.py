"""A process that waits for work: how it ends when there is none, and when it cannot do what it has taken."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from airspace.sandbox.zygote import Zygote


@pytest.mark.parametrize(
    ("sent", "code"), [(None, 0), (b"no message", 124), (b'{"kind": "task"}', 124), (b"[]", 124)], ids=str
)
def test_who_has_taken_work_and_cannot_do_it_does_not_end_well(sent: bytes | None, code: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if (pid := os.fork()) == 0:
        zygote: Any = object.__new__(Zygote)
        zygote._hot = None
        ours.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        zygote._wait_for_work(theirs, asked=False)
    theirs.close()
    if sent is not None:
        ours.send(sent)
    ours.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code

"""Answering a process of a team's without ever waiting for it to read."""

from __future__ import annotations

import selectors
import socket
from typing import Any

from airflow.sdk.execution_time.comms import ErrorResponse, _ResponseFrame

from airspace.airflow.stream import Outbox


class Unhurried:
    """Beside one of Airflow's supervisors: what its process does not take now is sent on when it does."""

    selector: selectors.BaseSelector
    stdin: Any
    _outbox: Outbox
    _writing: bool = False

    def send_msg(self, msg: Any, request_id: int, error: ErrorResponse | None = None, **dump_opts: Any) -> None:
        """As Airflow's, but for the waiting."""
        serialize: Any = self._serialize_response  # type: ignore[attr-defined]  # the supervisor's
        if msg:
            frame = _ResponseFrame(id=request_id, body=serialize(msg, **dump_opts))
        else:
            frame = _ResponseFrame(id=request_id, error=serialize(error) if error else None)
        if self._outbox.send(bytes(frame.as_bytes())) and not self._writing:
            copy = self.stdin.dup()  # a selector keeps a socket once: this one is for writing
            self.selector.register(copy, selectors.EVENT_WRITE, (lambda _: self._outbox.flush(), self._written))
            self._writing = True

    def _written(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        self._writing = False

"""What a supervisor hears from a process that runs a team's code: a stranger's words, bounded; and its end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import cache
from typing import Any

import attrs
import msgspec
import structlog
from airflow.configuration import conf
from airflow.sdk.execution_time.comms import _RequestFrame

from airspace.airflow import sandbox_child
from airspace.airflow.stream import Frames, Meter, SpoiledError
from airspace.model.limits import CodeLimits
from airspace.sandbox.ports import Child

_log = structlog.get_logger(logger_name="task")
_decoder: Any = msgspec.msgpack.Decoder(_RequestFrame)
_UNREAD = 1024**2
"""Bytes of answers that a process has not read: it asks for one thing and waits for it."""
_LOG_STREAMS = 100
"""More streams for log lines that a task may ask for: an interpreter of its own that it starts needs one."""
KILL = signal.SIGUSR2  # to a supervisor: end the task's process now, and store what became of it


@cache
def _limits() -> CodeLimits:
    """As configured."""
    return CodeLimits.read(lambda section, key: conf.get(section, key, fallback=None))


@attrs.define(kw_only=True, slots=False)
class Listening:
    """Mixed into one of Airflow's supervisors, before it."""

    what: str = attrs.field(default="The task", init=False)
    """What its process is called in words."""
    child: Child
    limits: CodeLimits = attrs.field(factory=lambda: _limits())
    spoiled: str | None = attrs.field(default=None, init=False)
    """Why its supervisor would not listen any longer."""
    _requests: Generator[None, Any, None] = attrs.field(default=None, init=False)
    _answers: sandbox_child.Answers = attrs.field(default=None, init=False)
    _meter: Meter = attrs.field(default=None, init=False)
    _log_streams: int = attrs.field(default=0, init=False)

    def _register_pipe_readers(
        self, stdout: Any, stderr: Any, requests: Any, logs: Any, *, data: dict[Any, bytes]
    ) -> None:
        """As Airflow does, but bounded: the supervisor's memory is not the team's."""
        me: Any = self
        super()._register_pipe_readers(stdout, stderr, requests, logs, data=data)  # type: ignore[misc]
        most = self.limits.task_log_bytes
        self._meter = Meter(most, f"it logged more than {most / 1024**2:.0f} MB: write large output to a file")
        frames = Frames(
            self._on_frame,
            most_bytes=self.limits.task_message_bytes,
            most_containers=sys.maxsize,
            most=None,
            advice="keep large data in the team's storage, and hand on where it is",
        )
        self._requests = me.handle_requests(_log)
        next(self._requests)
        self._answers = sandbox_child.Answers(me.selector, requests, _UNREAD)
        sandbox_child.bound(me.selector, (stdout, stderr, logs), requests, self._meter, frames, self._guarded)

    def _on_frame(self, frame: bytes) -> None:
        if self.spoiled is None:
            self._requests.send(_decoder.decode(frame))

    def _guarded(self, read: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def guarded(sock: Any) -> bool:
            try:
                return read(sock)
            except (SpoiledError, msgspec.DecodeError, msgspec.ValidationError) as error:
                self.spoil(str(error) if isinstance(error, SpoiledError) else "it sent what is no message")
                return False

        return guarded

    def spoil(self, reason: str) -> None:
        """Listen no longer, and kill it."""
        if self.spoiled is None:
            self.spoiled = reason
            me: Any = self
            me.process_log.error(f"{self.what} was ended: {reason}")
        self._forward(signal.SIGKILL)

    def send_msg(self, msg: Any, request_id: int, error: Any = None, **dump_opts: Any) -> None:
        """Answer without waiting for it to read: that would hold up its own heartbeats."""
        try:
            self._answers.send(self, msg, request_id, error, **dump_opts)
        except SpoiledError as spoiled:  # not raised: Airflow would log it and answer that
            self.spoil(str(spoiled))

    def _send_new_log_fd(self, req_id: int) -> None:
        """As Airflow does, where it need not wait; and what comes by that stream is bounded as by the others."""
        self._log_streams += 1
        if self._log_streams > _LOG_STREAMS or not self._answers.can_take:
            self.spoil("it asks for more streams for its log than it can use")
            return
        me: Any = self
        known = set(me.selector.get_map())
        super()._send_new_log_fd(req_id)  # type: ignore[misc]
        added = [key.fileobj for number, key in me.selector.get_map().items() if number not in known]
        sandbox_child.bound_lines(me.selector, added, self._meter, self._guarded)

    def _monitor_subprocess(self) -> None:
        # Airflow has just set handlers that signal the child themselves; it is another user's process.
        signal.signal(signal.SIGTERM, self._forward)
        signal.signal(signal.SIGINT, self._forward)
        signal.signal(KILL, lambda *_: self._forward(signal.SIGKILL))
        try:
            super()._monitor_subprocess()  # type: ignore[misc]
        finally:
            signal.signal(KILL, signal.SIG_IGN)
            self._answers.close()

    def _forward(self, number: int, _frame: object = None) -> None:
        with suppress(ProcessLookupError):
            self.child.signal(number)

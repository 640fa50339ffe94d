"""A child in a sandbox, as Airflow's supervisors know their children: streams, an end to wait for, signals."""

from __future__ import annotations

import enum
import select
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec
from airflow.sdk.execution_time.comms import _RequestFrame, _ResponseFrame
from airflow.sdk.execution_time.supervisor import ProcessTracker
from pydantic import TypeAdapter

from airspace.airflow.stream import Frames, Meter, Outbox, SpoiledError
from airspace.sandbox.errors import NotBegunError
from airspace.sandbox.ports import Child
from airspace.sandbox.relay.hearing import Hearing

P = TypeVar("P")
TASK, PARSE, TRIGGER, CALLBACK, CONNECTION_TEST = "task", "parse", "trigger", "callback", "connection test"
VIEWING = "viewing"
"""The kinds of work that the template knows."""
UNREADABLE = "it sent something that is no message of Airflow's"
_decoder: Any = msgspec.msgpack.Decoder(_RequestFrame)
_ATTEMPTS, _SO_PASSRIGHTS = 3, 83
_Ended = enum.IntEnum("_Ended", {number.name: -number for number in signal.Signals})  # type: ignore[misc]


class Tracker(ProcessTracker):
    """Follows a child.

    :param is_settled: whether the child said itself what became of it, for when nobody saw how it ended
    """

    ProcessNotFound = ProcessLookupError
    TimeoutExpired = TimeoutError

    def __init__(self, child: Child, is_settled: Callable[[], bool]) -> None:
        self._child = child
        self._is_settled = is_settled

    @property
    def pid(self) -> int:
        return self._child.pid

    def send_signal(self, s: int) -> None:
        self._child.signal(s)

    def wait(self, timeout: float | None) -> int:
        code = self._child.wait(timeout)
        if self._child.lost and self._is_settled():
            return 0
        return _Ended(code) if code < 0 and code in set(_Ended) else code


class _Watched:
    """A descriptor to select on that stays its owner's."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor if isinstance(descriptor, int) else descriptor.fileno()

    def fileno(self) -> int:
        return int(self._descriptor)

    def close(self) -> None:
        """Not ours to close."""


def watch(selector: selectors.BaseSelector, child: Child) -> Callable[[], None]:
    """Have Airflow's loop wake up for news of a child; what is returned stops that.

    Airflow notices an end when the streams close, which is a moment before the exit code is known; without this it then
    sleeps until its next heartbeat is due, five seconds later.
    """
    watched: list[_Watched] = []

    def look() -> None:
        for descriptor in child.watch()[len(watched) :]:
            watched.append(_Watched(descriptor))
            selector.register(watched[-1], selectors.EVENT_READ, (news, forget))

    def news(descriptor: Any) -> bool:
        ended = child.poll() is not None
        look()  # the process itself, once it is known
        # The zygote's word goes on until it is silent; the process says one thing only.
        return not ended and descriptor is watched[0] and not child.lost and not child.silent

    def forget(descriptor: Any) -> None:
        with suppress(KeyError, ValueError):
            # The number may be somebody else's by now: only what is ours is taken out.
            if selector.get_key(descriptor).fileobj is descriptor:
                selector.unregister(descriptor)

    def stop() -> None:
        for each in watched:
            forget(each)

    look()
    return stop


def log_refusals(selector: selectors.BaseSelector, hearing: Hearing, logger: Any) -> Callable[[], None]:
    """Have a log say what the network refuses the team from now on; what is returned ends that."""

    def heard(_: Any) -> bool:
        for line in hearing.lines():
            logger.warning(line)
        return not hearing.over

    def forget(_: Any) -> None:
        with suppress(KeyError, ValueError):
            selector.unregister(hearing)

    def stop() -> None:
        heard(None)
        forget(None)
        hearing.close()

    if not hearing.over:
        selector.register(hearing, selectors.EVENT_READ, (heard, forget))
    return stop


def order(
    kind: str, title: str, environment: Mapping[str, str], *, nice: int = 0, nest: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What a zygote is told to do, as :class:`airspace.sandbox.zygote.Work` without its streams."""
    told: dict[str, Any] = {"kind": kind, "title": title, "nice": nice, "environment": dict(environment), "details": {}}
    return told if nest is None else {**told, "nest": dict(nest)}


def supervised(
    kind: Callable[..., P],
    launch: Callable[[Sequence[int]], Child],
    is_settled: Callable[[P], bool],
    logger: Any,
    **fields: Any,
) -> tuple[P, Callable[[], None]]:
    """A child under one of Airflow's supervisors, begun in a sandbox; nothing is forked here.

    :param kind: the supervisor's class
    :param launch: see :func:`begin`
    :param is_settled: see :class:`Tracker`
    :param fields: of the class, beside those that every supervisor has
    :returns: the supervisor, and what stops watching the child
    """
    child, (requests, out, err, logs) = begin(launch)
    process: Any = None
    process = kind(
        pid=child.pid,
        stdin=requests,
        child=child,
        process=Tracker(child, lambda: is_settled(process)),
        process_log=logger,
        start_time=time.monotonic(),
        **fields,
    )
    process._register_pipe_readers(out, err, requests, logs, data={})
    return process, watch(process.selector, child)


class Answers:
    """What a child is told. Nobody waits for it to read: what it does not take now is sent on when it does."""

    def __init__(self, selector: selectors.BaseSelector, sock: socket.socket, most: int) -> None:
        self._selector, self._sock = selector, sock
        self._outbox = Outbox(sock, most)
        self._writer: socket.socket | None = None

    def send(self, process: Any, msg: Any, request_id: int, error: Any = None, **dump_opts: Any) -> None:
        """As a supervisor's ``send_msg``.

        :raises SpoiledError: it asks and does not read
        """
        if msg:
            frame = _ResponseFrame(id=request_id, body=process._serialize_response(msg, **dump_opts))
        else:
            frame = _ResponseFrame(id=request_id, error=process._serialize_response(error) if error else None)
        if self._outbox.send(bytes(frame.as_bytes())) and self._writer is None:
            self._writer = self._sock.dup()  # a selector keeps a socket once: this one is for writing
            news = (lambda _: self._outbox.flush(), self._written)
            self._selector.register(self._writer, selectors.EVENT_WRITE, news)

    @property
    def can_take(self) -> bool:
        """Whether a short message that goes round this would be sent at once."""
        return not self._outbox.flush() and bool(select.select((), (self._sock,), (), 0)[1])

    def close(self) -> None:
        """Give up what is left over."""
        if self._writer is not None:
            self._written(self._writer).close()

    def _written(self, sock: socket.socket) -> socket.socket:
        with suppress(KeyError):  # Airflow may have closed the selector before
            self._selector.unregister(sock)
        self._writer = None
        return sock


def bound(
    selector: selectors.BaseSelector,
    printed: Sequence[socket.socket],
    requests: socket.socket,
    meter: Meter,
    frames: Frames,
    guarded: Callable[[Callable[[Any], bool]], Callable[[Any], bool]],
) -> None:
    """Put a bound around each of Airflow's readers of log lines, and a reader of our own in the place of its requests'.

    :param printed: stdout, stderr and, at last, what carries records
    :param guarded: around every reader: what comes of words that are not to be read
    """
    bound_lines(selector, printed, meter, guarded)
    _, close = selector.get_key(requests).data
    selector.modify(requests, selectors.EVENT_READ, (guarded(frames.read), close))


def ending_alone(read: Callable[[Any], bool], spoil: Callable[[str], None]) -> Callable[[Any], bool]:
    """Around a reader in a loop that serves all teams: whatever one's process makes it do ends that process alone.

    :param spoil: ends it, with the reason
    """

    def reading(sock: Any) -> bool:
        try:
            return read(sock)
        except ConnectionError:
            return False
        except SpoiledError as error:
            spoil(str(error))
        except Exception as error:  # noqa: BLE001 - the door to a stranger: no answer of ours may depend on what it sends
            spoil(f"{UNREADABLE} ({type(error).__name__})")
        return False

    return reading


def read_message(frame: bytes, adapter: TypeAdapter[Any]) -> tuple[int, Any]:
    """The number of a request, and what it asks.

    :param adapter: for the messages that its supervisor knows
    :raises SpoiledError: it is none of them; what was sent is not shown anywhere
    """
    try:
        request = _decoder.decode(frame)
        return request.id, adapter.validate_python(request.body)
    except Exception as error:  # noqa: BLE001 - msgspec's, pydantic's, too deep a recursion
        raise SpoiledError(f"{UNREADABLE} ({type(error).__name__})") from None


def bound_lines(
    selector: selectors.BaseSelector,
    printed: Sequence[Any],
    meter: Meter,
    guarded: Callable[[Callable[[Any], bool]], Callable[[Any], bool]],
) -> None:
    """Put a bound around readers of log lines; see :func:`bound`."""
    for sock in printed:
        read, close = selector.get_key(sock).data
        metered = partial(_metered, read, meter, sock is printed[-1])
        selector.modify(sock, selectors.EVENT_READ, (guarded(metered), close))


def _metered(read: Callable[[Any], bool], meter: Meter, records: bool, sock: socket.socket) -> bool:
    return read(meter.on(sock, records=records))


def stream() -> tuple[socket.socket, socket.socket]:
    """Our end and the child's. No descriptor may come up: closing a stranger's takes as long as the stranger likes."""
    ours, theirs = socket.socketpair()
    with suppress(OSError):  # known to Linux 6.16; the seccomp filter refuses the worst of it everywhere
        ours.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)
    return ours, theirs


def begin(launch: Callable[[Sequence[int]], Child]) -> tuple[Child, Sequence[socket.socket]]:
    """A child and our ends of its streams. What a zygote that died on the way may have begun gets no word, and ends.

    :param launch: gets descriptors for requests, stdout, stderr and logs
    """
    for _ in range(_ATTEMPTS):
        ours, theirs = zip(*(stream() for _ in range(4)), strict=True)
        try:
            return launch([end.fileno() for end in theirs]), ours
        except BaseException as error:
            for end in ours:
                end.close()
            if not isinstance(error, NotBegunError):
                raise
            last = error
        finally:
            for end in theirs:
                end.close()
    raise last

"""What comes up from a process that runs a team's code: read in bounded pieces, so that it can fill nothing.

Airflow's readers take the length that the other side names, and end the Dag processor of all teams when a line or a
frame is not what they expect. Pure but for the socket that is read.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

CHUNK = 256 * 1024
LONGEST_LINE = 1 << 20  # bytes that are printed without a newline, before they are broken into lines
LONGEST_RECORD = 4 << 20
MOST_CHUNKS = 6  # at once: the others are served in between
_CONTAINERS = bytes(range(0x80, 0xA0))  # msgpack: the first byte of a short mapping or list


class SpoiledError(Exception):
    """What came is not to be read on; the message says why, in words for the file's author."""


class Frames:
    """Frames of four bytes of length and then the message, one after the other.

    :param most_bytes: of one message; ``most_containers``: lists and mappings in it; ``most``: messages, None for any
    :param advice: what its author can do about too large a message
    """

    def __init__(
        self, on_frame: Callable[[bytes], None], *, most_bytes: int, most_containers: int, most: int | None, advice: str
    ) -> None:
        self._on_frame = on_frame
        self._most_bytes, self._most_containers, self._most = most_bytes, most_containers, most
        self._advice = advice
        self._buffer = bytearray()
        self._needed: int | None = None
        self._count = 0

    def read(self, sock: socket.socket) -> bool:
        """Take what there is, up to one frame or a megabyte; False at the end.

        :raises SpoiledError: too much, or too often
        """
        for _ in range(MOST_CHUNKS):
            wanted = 4 - len(self._buffer) if self._needed is None else min(CHUNK, self._needed - len(self._buffer))
            try:
                chunk = sock.recv(wanted, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                return True
            if not chunk:
                return False
            self._buffer += chunk  # grows with what has come, never to what was only announced
            if self._needed is None:
                self._head()
            elif len(self._buffer) == self._needed:
                frame, self._buffer, self._needed = bytes(self._buffer), bytearray(), None
                self._check(frame)
                self._on_frame(frame)
                return True
        return True

    def _head(self) -> None:
        if len(self._buffer) == 4:
            self._needed = int.from_bytes(self._buffer, "big")
            self._buffer = bytearray()
            self._count += 1
            if self._needed > self._most_bytes:
                raise SpoiledError(
                    f"what it sends takes {self._needed / 1024**2:.0f} MB, and may take"
                    f" {self._most_bytes / 1024**2:.0f}: {self._advice}"
                )
            if self._most is not None and self._count > self._most:
                raise SpoiledError(
                    f"it asked the platform for more than {self._most} things (connections, variables):"
                    " ask inside a task"
                )
            if self._needed == 0:
                raise SpoiledError("it sent an empty message")

    def _check(self, frame: bytes) -> None:
        """Unpacked, a list of empty lists takes sixty times its bytes. An upper bound, found at memory speed."""
        if len(frame) - len(frame.translate(None, _CONTAINERS)) > self._most_containers:
            raise SpoiledError(
                f"what it sends holds more than {self._most_containers} lists and mappings: {self._advice}"
            )


class Meter:
    """Stands in for a socket that log lines are read from, and ends what is too much.

    Airflow's reader looks through all that it holds of a line with every piece that comes: a line without an end would
    keep it busy for ever. So what is printed is broken into lines, and a record that is too long is refused.

    :param told: what is said when the budget is used up
    """

    def __init__(self, budget: int, told: str) -> None:
        self._left = budget
        self._told = told
        self._sock: socket.socket | None = None
        self._records = False
        self._unended: dict[socket.socket, int] = {}

    def on(self, sock: socket.socket, *, records: bool = False) -> Meter:
        """Read from this one; of records, a line is one and cannot be broken."""
        self._sock, self._records = sock, records
        return self

    def recv_into(self, buffer: bytearray) -> int:
        """As a socket's.

        :raises SpoiledError: the budget is used up, or a record does not end
        """
        if self._sock is None:
            return 0
        count = self._sock.recv_into(memoryview(buffer)[:-1])
        self._left -= count
        if self._left < 0:
            raise SpoiledError(self._told)
        ended = buffer.rfind(b"\n", 0, count)
        unended = count - ended - 1 if ended >= 0 else self._unended.get(self._sock, 0) + count
        if self._records and unended > LONGEST_RECORD:
            raise SpoiledError(f"it logged one record of more than {LONGEST_RECORD >> 20} MB: write it to a file")
        if not self._records and unended > LONGEST_LINE:
            buffer[count] = ord("\n")
            count, unended = count + 1, 0
        self._unended[self._sock] = unended
        return count


class RefilledMeter(Meter):
    """A meter for what may go on for months: the budget grows back.

    :param refill: bytes a second
    """

    def __init__(self, budget: int, refill: int, told: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(budget, told)
        self._budget, self._refill, self._clock = budget, refill, clock
        self._since = clock()

    def recv_into(self, buffer: bytearray) -> int:
        """As a socket's.

        :raises SpoiledError: the budget is used up
        """
        now = self._clock()
        self._left = min(self._budget, self._left + int((now - self._since) * self._refill))
        self._since = now
        return super().recv_into(buffer)


class Outbox:
    """Answers that have not been taken yet. The parent never waits for a process of a team's to read."""

    def __init__(self, sock: socket.socket, most: int) -> None:
        self._sock = sock
        self._most = most
        self._waiting = bytearray()

    def send(self, frame: bytes) -> bool:
        """Send what fits; whether something is left over.

        One answer may be of any size: whoever made it has it in memory. It is the pile behind it that is bounded.

        :raises SpoiledError: the other side asks and does not listen
        """
        if self.flush() and len(self._waiting) + len(frame) > self._most:
            raise SpoiledError("it asks the platform and does not read the answers")
        self._waiting += frame
        return self.flush()

    def flush(self) -> bool:
        """Send on; whether something is left over."""
        while self._waiting:
            try:
                sent = self._sock.send(self._waiting[:CHUNK], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:  # it is gone: nobody reads on
                self._waiting.clear()
                return False
            del self._waiting[:sent]
        return False

"""A supervisor's side: hearing what the relay refused its team, to write it where the team's authors look."""

from __future__ import annotations

import socket
from pathlib import Path

from airspace.sandbox.messages import send
from airspace.sandbox.relay.refusals import LONGEST
from airspace.sandbox.relay.server import SOCKET


class Hearing:
    """Lines about one team, from now on. Without a relay, or after its end, there are none. Nothing here waits."""

    def __init__(self, folder: Path, team: str) -> None:
        self.over = False
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.setblocking(False)
        try:
            self._link.connect(str(folder / SOCKET))
            send(self._link, {"hear": team})
        except OSError:
            self.over = True

    def fileno(self) -> int:
        """For a selector."""
        return self._link.fileno()

    def lines(self) -> list[str]:
        """What was said since the last time."""
        heard: list[str] = []
        while not self.over:
            try:
                data = self._link.recv(LONGEST * 4)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.over = not data
            if data:
                heard.append(data.decode(errors="replace"))
        return heard

    def close(self) -> None:
        """Hear no more. Harmless when repeated."""
        self._link.close()

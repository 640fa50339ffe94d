"""The spawner's hold on the template: started early, asked for zygotes, renewed when old. Nothing here waits."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict

from airspace.sandbox.entering import Entry
from airspace.sandbox.errors import SandboxError
from airspace.sandbox.messages import readable, send

MOST_AGE = 6 * 3600.0  # then another one: not all zygotes are to share one address layout for ever
_ATTEMPTS = 3


class TemplateProcess:
    """The warm interpreter that zygotes are forked from."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._warm = False
        self._born = 0.0
        self._failed = 0

    @property
    def pid(self) -> int:
        """Its process, −1 when there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else -1

    def start(self) -> None:
        """Begin to warm one up, if there is none."""
        if self.pid >= 0:
            return
        self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [*self._command, str(theirs.fileno())], pass_fds=(theirs.fileno(),), env=self._environment, cwd="/",
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._link, self._warm, self._born = ours, False, time.monotonic()

    def is_warm(self) -> bool:
        """Whether it can be asked for a zygote now; starts one where there is none.

        :raises SandboxError: it ends again and again
        """
        if time.monotonic() - self._born > MOST_AGE:
            self.stop()
        self.start()
        if not self._warm and self._link is not None and readable(self._link):
            self._warm = self._link.recv(16) == b"warm"
            self._failed = 0 if self._warm else self._failed + 1
            if not self._warm:
                self.stop()
                if self._failed >= _ATTEMPTS:
                    self._failed = 0
                    raise SandboxError("the template of sandboxes does not start", fix="airspace doctor")
        return self._warm

    def fork(self, entry: Entry, descriptors: Sequence[int]) -> None:
        """Have a zygote made.

        :raises SandboxError: it is gone
        """
        try:
            if self._link is None:
                raise BrokenPipeError("it ended")
            send(self._link, asdict(entry), descriptors)
        except OSError as error:
            self.stop()
            raise SandboxError(f"the template of sandboxes is gone: {error}", fix="try again") from None

    def stop(self) -> None:
        """End it; what it forked goes on."""
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()
        self._process = self._link = None

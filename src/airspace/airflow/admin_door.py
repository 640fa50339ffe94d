"""Admin commands done by the API server, which has Airflow in memory already: a change of a team is live in a moment.

The socket is in the run folder, where only the control user and root come; who calls is checked all the same.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

from airspace.airflow import admin
from airspace.airflow.warm_up import listening
from airspace.platform import bells
from airspace.platform.warm_worker import SOCKET, peer, read_all

log = logging.getLogger(__name__)

_AT_ONCE = 8
_SECONDS = 30.0  # for a question or an answer to cross the socket


class AdminDoor:
    """Listens for admin commands, each of which is done in a thread of its own.

    :param run: the folder of the socket
    """

    def __init__(self, run: Path) -> None:
        self._path = run / SOCKET
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def open(self) -> None:
        """Bind, in place of a socket that a dead process left behind, and answer from now on."""
        self._path.unlink(missing_ok=True)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket.listen(_AT_ONCE)
        threading.Thread(target=self._serve, name="admin-door", daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            # Wakes who waits in accept: else that thread could take what comes in at a later socket of this number.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            self._places.acquire()
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), name="admin-command", daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        try:
            with link:
                link.settimeout(_SECONDS)
                if peer(link) in (0, os.geteuid()):
                    question = json.loads(read_all(link))
                    answer, _ = admin.run(question["command"], lambda: question["payload"])
                    link.sendall(json.dumps(answer).encode())
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("An admin command could not be read or answered", exc_info=True)
        finally:
            self._places.release()


def open_when_serving() -> None:
    """Open the door of this home once the API server serves, with what most commands need loaded."""
    from airflow.configuration import conf

    if listening(conf.get("api", "host"), conf.getint("api", "port")):
        importlib.import_module("airspace.airflow.teams.store")
        AdminDoor(bells.run_dir()).open()

"""The keeper of the warehouse: ends what takes too long or too much, and publishes again what was made anew.

It runs as the control user and waits for nobody: a team could keep its role from nothing of this, since a role may
change every setting that would bound it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from airspace.backends.warehouse import Server, Watch
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout, home_root
from airspace.model.warehouse import Bounds
from airspace.platform import warehouse
from airspace.teams.warehouse import Quota, Session, grows, overdue

log = logging.getLogger("airspace.keeper")


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks.

    :param look: at the sessions; ``publish``: at what is published
    :param weigh: at the sizes while somebody is there or too large, else ``idle``
    """

    look: float = 0.5
    weigh: float = 2.0
    idle: float = 60.0
    publish: float = 0.5


class Keeper:
    """The loop.

    :param data: the server's data folder, where it is at hand
    :param stopped: ends the loop once it is set
    """

    def __init__(
        self,
        server: Server,
        data: Path | None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        stopped: threading.Event | None = None,
    ) -> None:
        self._server, self._data, self._pace, self._clock = server, data, pace or Pace(), clock
        self._watch: Watch | None = None
        self._quotas: dict[str, Quota] = {}
        self._sizes: Mapping[str, int] = {}
        self._weighed = self._published = float("-inf")
        self._stopping = stopped or threading.Event()
        self._over = False
        self._said = ""

    def stop(self) -> None:
        """End the loop; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Until stopped."""
        while not self._stopping.wait(self._pace.look):
            self.look()

    def look(self) -> None:
        """Once. While the server is away, nothing can be done, and nothing has to be."""
        try:
            if self._watch is None:
                self._watch = Watch(self._server)
                for role in self._watch.shut_out():  # by a keeper that is gone, and its pauses with it
                    self._watch.shut(role, out=False)
                log.info("The warehouse is watched")
            self._turn(self._watch)
            self._said = ""
        except psycopg2.Error as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if said != self._said:
                log.warning("The warehouse could not be looked at: %s", said)
            self._said = said
            self.close()

    def close(self) -> None:
        """Give the connection back."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _turn(self, watch: Watch) -> None:
        bounds, sessions, now = watch.bounds(), watch.sessions(), self._clock()
        watch.calm(sessions)
        for session in sessions:
            if why := overdue(session, bounds[session.role]):
                self._end(watch, session, why)
        if now - self._weighed >= (self._pace.weigh if sessions or self._over else self._pace.idle):
            self._weighed = now
            self._weigh(watch, bounds, sessions)
        if now - self._published >= self._pace.publish:
            self._published = now
            watch.publish()

    def _weigh(self, watch: Watch, bounds: Mapping[str, Bounds], sessions: list[Session]) -> None:
        before, self._sizes = self._sizes, watch.sizes(self._data, sessions)
        readers = watch.is_read_only()
        self._over = bool(readers)
        for role, bound in bounds.items():
            mine = [session for session in sessions if session.role == role]
            size = self._sizes.get(role, 0)
            verdicts = set(self._quotas.setdefault(role, Quota()).judge(size, bound, self._clock()))
            self._over |= "over" in verdicts
            for session in mine:
                if "close" in verdicts or ("over" in verdicts and grows(session, before.get(role, 0), size)):
                    self._end(watch, session, f"its tables take {size >> 20} MB, of {bound.size >> 20}")
            try:
                self._hold(watch, role, verdicts, read_only=role in readers)
            except (psycopg2.OperationalError, psycopg2.InternalError):
                if watch.over:
                    raise
                for session in mine:  # a role may change its own settings, and so keep others from it
                    self._end(watch, session, "it holds the row of its role")

    def _hold(self, watch: Watch, role: str, verdicts: Collection[str], *, read_only: bool) -> None:
        if "open" in verdicts:
            watch.shut(role, out=False)
        if ("over" in verdicts) != read_only:
            watch.read_only(role, on="over" in verdicts)
        if "close" in verdicts:
            watch.shut(role, out=True)

    def _end(self, watch: Watch, session: Session, why: str) -> None:
        log.info("%s: a session (%d) is ended: %s", session.role, session.pid, why)
        watch.end(session.pid)


def main() -> None:
    """Run until told to stop. Where there is no warehouse, there is nothing to do."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    layout = HomeLayout(home_root())
    try:
        server = warehouse.server(layout)
    except AirspaceError as error:
        log.info("There is no warehouse: %s", error.message)
        stopped.wait()
        return
    Keeper(server, layout.postgres_data if server.offer.own_server else None, stopped=stopped).run()


if __name__ == "__main__":
    main()

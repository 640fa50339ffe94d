"""The spawner: ``python -m airspace.sandbox.spawner``. It alone may start sandboxes and end what runs in them.

Supervisors ask it over one socket: run this in that team's sandbox. It looks the team up in ``sandboxes.json``, which
only the home's owner writes, has the sandbox built if there is none, and hands the work to the team's zygote. The
connection stays open as a lease: when the supervisor is gone, so is the work. Of zygotes it reads nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from airspace.model.home import HomeLayout, home_root
from airspace.sandbox import kernel
from airspace.sandbox.errors import SandboxError
from airspace.sandbox.held import Lease
from airspace.sandbox.leases import Leases
from airspace.sandbox.memory import Budget
from airspace.sandbox.messages import Packet, receive, send
from airspace.sandbox.relay import wires
from airspace.sandbox.settings import Settings, code_folders, team_environment
from airspace.sandbox.stock import Stock

log = logging.getLogger("airspace.spawner")


class Spawner:
    """The loop."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self._poll = select.poll()
        self._stopping = False
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._woken, select.POLLIN)
        self._stock = Stock(settings, environment, self._poll)
        self._leases = Leases(settings, self._poll)

    def stop(self) -> None:
        """End the loop; safe in a signal handler."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def run(self) -> None:
        """Until stopped; then no sandbox is left."""
        kernel.adopt_orphans()  # zygotes of a template that is gone
        self._stock.start()
        try:
            while not self._stopping:
                for descriptor, _ in self._wait():
                    self._turn(descriptor)
                self._stock.tidy()
        finally:
            self._leases.end_all()
            self._stock.close()
            self._leases.close()

    def _wait(self) -> list[tuple[int, int]]:
        with contextlib.suppress(InterruptedError):
            return self._poll.poll(1000 if self._stock else 5000)
        return []

    def _turn(self, descriptor: int) -> None:
        if self._leases.is_door(descriptor):
            self._leases.accept()
        elif (lease := self._leases.of(descriptor)) is not None:
            self._serve(lease)
        else:
            self._stock.hear(descriptor)

    def _serve(self, lease: Lease) -> None:
        try:
            packet = receive(lease.link)
        except BlockingIOError:
            return
        except (ValueError, OSError) as error:
            log.warning("A supervisor said something that is no message: %s", error)
            packet = None
        if packet is None:
            self._leases.end(lease)
            return
        try:
            self._obey(lease, packet)
        except SandboxError as error:
            log.warning("%s", error.message)
            _answer(lease, {"error": error.message, "fix": error.fix})
        except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
            log.exception("What a supervisor asked for could not be done")
            _answer(lease, {"error": f"{type(error).__name__}: {error}", "fix": "airspace doctor"})
        finally:
            packet.close()

    def _obey(self, lease: Lease, packet: Packet) -> None:
        body = packet.body
        if "team" in body:
            self._run_work(lease, packet)
        elif "child" in body:
            self._leases.adopt(lease, packet.descriptors.pop(0))
        elif "signal" in body:
            lease.signal(int(body["signal"]))
        elif "state" in body:
            _answer(lease, {"teams": self._stock.work()})
        elif "stop" in body:
            self._stock.stop(body["stop"])
            _answer(lease, {"stopped": True})

    def _run_work(self, lease: Lease, packet: Packet) -> None:
        """Hand it to the team's zygote. Whatever takes time is answered with "busy", and asked for again."""
        if lease.sandbox is not None:
            raise ValueError("one lease, one piece of work")
        sandbox = self._stock.hand(str(packet.body["team"]), packet.body["work"], packet.descriptors)
        if sandbox is not None:
            lease.begin(sandbox)
        _answer(lease, {"busy": True} if sandbox is None else {"taken": True})


def _answer(lease: Lease, body: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        send(lease.link, body)


def main() -> None:
    """Run until told to stop: ``spawner {sandbox,none} [BYTES BYTES]``, the budget of one sandbox and of all."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout, run = HomeLayout(home_root()), Path(os.environ["AIRSPACE_RUN"])
    owner = run.stat()
    wires.allow_many_sockets()
    settings = Settings(
        layout=layout,
        run=run,
        name=f"airspace-{os.environ['AIRSPACE_PLATFORM']}",
        walls=sys.argv[1] != "none",
        clients=frozenset({0, os.getuid(), owner.st_uid}),  # root: whose command line ends a team's work
        code=code_folders(layout),
        control=(owner.st_uid, owner.st_gid) if os.getuid() == 0 else None,
        budget=Budget(*map(int, sys.argv[2:4])) if len(sys.argv) > 3 else Budget.of(),
    )
    spawner = Spawner(settings, team_environment(layout, os.environ))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: spawner.stop())
    spawner.run()


if __name__ == "__main__":
    main()

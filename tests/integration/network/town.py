"""A house with a relay, names that this test decides about, and servers on the machine's loopback."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from ipaddress import ip_address
from pathlib import Path

from airspace.model.warehouse import Offer
from airspace.sandbox.relay import server
from airspace.sandbox.relay.hearing import Hearing
from airspace.sandbox.relay.rules import Address
from tests.integration.sandbox.house import House, repository, until


class Town(House):
    """Two teams: reds with what the case lists, blues with nothing at first."""

    def __init__(self) -> None:
        self.relay: subprocess.Popen[bytes] | None = None
        super().__init__(walls=True)
        self.table = self.root / "names.json"
        self.know({})
        self.start_relay()

    def know(self, names: dict[str, list[str] | list[list[str]]]) -> None:
        """The world's names: addresses, or one list of them for each time that they are asked for."""
        part = self.table.with_suffix(".part")
        part.write_text(json.dumps(names))
        part.rename(self.table)

    def offer(self, offer: Offer) -> None:
        """Start the relay anew, with a warehouse."""
        self.layout.warehouse.write_text(offer.text())
        if self.relay is not None:
            self.relay.kill()
            self.relay.wait()
        (self.run_dir / server.SOCKET).unlink(missing_ok=True)
        self.start_relay()

    def start_relay(self) -> None:
        """Start it."""
        code = "import sys; from tests.integration.network.town import serve; serve(*sys.argv[1:])"
        with self.log.open("ab") as log:
            self.relay = subprocess.Popen(
                [sys.executable, "-c", code, str(self.run_dir), str(self.table), str(self.layout.warehouse)],
                stdout=log,
                stderr=log,
                cwd=repository(),
            )
        until(self._listens)

    def _listens(self) -> bool:
        """Whether the relay can be spoken to: its socket is there a moment before."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
            return link.connect_ex(str(self.run_dir / server.SOCKET)) == 0

    def allow(self, team: str, *entries: str) -> None:
        """What its file lists from now on; what runs goes on in the sandbox it has."""
        self.add(team, self.places[team].limits, network=entries)

    def python(self, team: str, code: str) -> str:
        """What a program of the team's printed."""
        path = self.layout.bundles / team / f"{hashlib.sha256(code.encode()).hexdigest()[:12]}.py"
        path.write_text(code)
        return self.sh(team, f"{sys.executable} {path} 2>&1")[1]

    def hearing(self, team: str) -> Hearing:
        """What the supervisor of a task would hear."""
        heard = Hearing(self.run_dir, team)
        assert not heard.over
        time.sleep(0.05)
        return heard

    def stop(self) -> None:
        """Everything."""
        super().stop()
        if self.relay is not None:
            self.relay.terminate()
            self.relay.wait(10)


def serve(run: str, table: str, warehouse: str) -> None:
    """The relay's process; nothing is kept, so that a name may change from one question to the next."""
    asked: dict[str, int] = {}

    def look_up(name: str) -> tuple[Address, ...]:
        found = json.loads(Path(table).read_text()).get(name, [])
        if found and isinstance(found[0], list):
            count = asked[name] = asked.get(name, -1) + 1
            found = found[min(count, len(found) - 1)]
        if found == ["silence"]:
            time.sleep(30)
            return ()
        return tuple(map(ip_address, found))

    offer = Offer.read(Path(warehouse).read_text()) if Path(warehouse).exists() else None
    made = server.Relay(Path(run), frozenset({os.getuid()}), look_up, kept=0.0, warehouse=offer)
    signal.signal(signal.SIGTERM, lambda *_: made.stop())
    made.run()


def own_address() -> str | None:
    """An address of this machine's that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link, contextlib.suppress(OSError):
        link.connect(("192.0.2.1", 9))
        return str(link.getsockname()[0])
    return None


def main() -> None:
    """Run every case, or those that are named; one line of JSON a case."""
    from tests.integration.network import cases, clients, snowflake

    usual = (*clients.ALL, *cases.ALL)
    town = Town()
    try:
        for case in [case for case in (*usual, *snowflake.ALL) if case.__name__ in sys.argv[1:]] or usual:
            error, began = None, time.monotonic()
            try:
                case(town)
            except BaseException:  # noqa: BLE001  # told to the test
                error = traceback.format_exc() + town.log.read_text()[-2000:]
            row = {"case": case.__name__, "error": error, "seconds": round(time.monotonic() - began, 2)}
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
    finally:
        town.stop()


if __name__ == "__main__":
    main()

"""``python -m airspace.sandbox.relay``: run until told to stop, as the control user."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

from airspace.model.home import HomeLayout, home_root
from airspace.model.warehouse import Offer
from airspace.sandbox.relay import wires
from airspace.sandbox.relay.server import Relay


def main() -> None:
    """The process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    wires.allow_many_sockets()
    relay = Relay(Path(os.environ["AIRSPACE_RUN"]), frozenset({0, os.getuid()}), warehouse=_warehouse())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    relay.run()


def _warehouse() -> Offer | None:
    """Where the teams' own database is; it is found anew at each start of the platform, and so of this."""
    with suppress(OSError):
        return Offer.read(HomeLayout(home_root()).warehouse.read_text(encoding="utf-8"))
    return None


if __name__ == "__main__":
    main()

"""``python -m airspace.sandbox.relay``: run until told to stop, as the control user."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

from airspace.sandbox.relay import wires
from airspace.sandbox.relay.server import Relay


def main() -> None:
    """The process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    wires.allow_many_sockets()
    relay = Relay(Path(os.environ["AIRSPACE_RUN"]), frozenset({0, os.getuid()}))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    relay.run()


if __name__ == "__main__":
    main()

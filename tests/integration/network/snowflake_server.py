"""A server that stands in for Snowflake, in memory. Runs in an environment of its own; ends when stdin does.

Prints the port that it listens on, on the loopback.
"""

from __future__ import annotations

import sys

import fakesnow

with fakesnow.server(host="127.0.0.1") as settings:
    sys.stdout.write(f"{settings['port']}\n")
    sys.stdout.flush()
    sys.stdin.read()

"""The bakery's book: a small SQL database in the team's storage, where only this team reads and writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from airspace.sdk import storage

TABLES = """
CREATE TABLE IF NOT EXISTS batches (day TEXT PRIMARY KEY, cookies INTEGER, taste TEXT, baked_by TEXT);
CREATE TABLE IF NOT EXISTS stock (delivery TEXT PRIMARY KEY, kilos REAL);
"""


@contextmanager
def book() -> Iterator[sqlite3.Connection]:
    """The open book. What is written counts when the block ends without an error, or not at all."""
    with closing(sqlite3.connect(storage() / "bakery.sqlite", timeout=30)) as opened:
        opened.executescript(TABLES)
        with opened:
            yield opened

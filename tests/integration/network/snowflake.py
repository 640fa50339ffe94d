"""Snowflake's own connector, which knows nothing of a relay, against a server that stands in for Snowflake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.certificates import certificate
from tests.integration.network.servers import Sealed
from tests.integration.network.town import Town
from tests.integration.sandbox.house import repository

ENVIRONMENT = repository() / ".boot" / "snowflake"
_CLIENT = """
import snowflake.connector
def connect(port, protocol):
    return snowflake.connector.connect(
        host="snow.test", port=port, protocol=protocol, account="reds", user="ada", password="x", database="db",
        schema="public", login_timeout=2,
        session_parameters={"CLIENT_TELEMETRY_ENABLED": False, "FAKESNOW_DB_PATH": ":isolated:"})
def work(port, protocol):
    with connect(port, protocol) as link:
        cursor = link.cursor()
        cursor.execute("CREATE TABLE t (n int, s varchar)")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, "x" * 500) for n in range(2000)])
        print(protocol, cursor.execute("SELECT count(*), sum(n) FROM t").fetchone(), end=" ")
        print(sum(len(row[0]) for row in cursor.execute("SELECT s FROM t")))
def refused(port, protocol):
    try:
        with connect(port, protocol): print("connected")
    except snowflake.connector.errors.Error as error: print(protocol, type(error).__name__)
"""


def is_there() -> bool:
    """Whether both have been set up. The server wants Python 3.11."""
    return sys.version_info >= (3, 11) and (ENVIRONMENT / ".stamp").exists()


@contextmanager
def _server(home: Path) -> Iterator[int]:
    """Its port. It reads and writes nothing but in a folder of its own."""
    home.mkdir()
    command = [str(ENVIRONMENT / "bin" / "python"), "-I", str(Path(__file__).with_name("snowflake_server.py"))]
    pipe = subprocess.PIPE
    environ = {"PATH": os.defpath, "HOME": str(home)}
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=environ) as process,
    ):
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            assert port, (home / "log").read_text()[-2000:]
            yield int(port)
        finally:
            process.kill()


def snowflakes_connector_works_unchanged(town: Town) -> None:
    """Tables, a megabyte there and back, over http and TLS; what is not listed is an error of the connector's own."""
    own = certificate(town.root / "snow.pem", "snow.test")
    trusted = town.layout.bundles / "blues" / "ca.pem"
    trusted.write_bytes(own.with_suffix(".ca").read_bytes())
    town.know({"snow.test": ["127.0.0.1"]})
    with _server(town.root / "snowflake") as port:
        front, unlisted = Sealed(port, own), Sealed(port, own)
        town.allow("blues", *(f"{host}:{each}" for host in ("snow.test", "127.0.0.1") for each in (port, front.port)))
        path = town.layout.bundles / "blues" / "snow.py"
        path.write_text(
            f"{_CLIENT}\nwork({port}, 'http')\nwork({front.port}, 'https')\nrefused({unlisted.port}, 'https')\n"
        )
        variables = {"PATH": os.defpath, "REQUESTS_CA_BUNDLE": str(trusted)}
        _, said = town.sh("blues", f"{ENVIRONMENT / 'bin' / 'python'} {path} 2>&1", environment=variables)
        front.close()
        unlisted.close()
    assert said.splitlines() == [
        "http (2000, 1999000.0) 1000000", "https (2000, 1999000.0) 1000000", "https OperationalError",
    ], said  # fmt: skip


ALL: tuple[Callable[[Town], None], ...] = (snowflakes_connector_works_unchanged,)

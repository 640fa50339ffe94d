"""Two recorded Airflows with FAB, 2.9.3 and 2.11.0: the database, and the REST API behind a server on loopback.

All of it was made by real ones: ``old/record.sh``.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

OLD = Path(__file__).parent / "old"
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ADMIN = ("admin", "made up admin")


VERSIONS = ("2.9.3", "2.11.0")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each of the recorded versions."""
    return str(request.param)


@pytest.fixture
def old_database(tmp_path: Path, version: str) -> str:
    """The URL of the recorded tables."""
    path = tmp_path / "old airflow.sqlite"
    with sqlite3.connect(path) as connection:
        tables = (OLD / version / "database.sql").read_text()
        connection.executescript(f"PRAGMA synchronous=OFF; BEGIN; {tables} COMMIT;")
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def old_server(version: str) -> Iterator[str]:
    """The address of a server that gives the recorded answers to the administrator, and refuses everybody else."""
    answers = json.loads((OLD / version / "answers.json").read_text())
    allowed = "Basic " + base64.b64encode(":".join(ADMIN).encode()).decode()

    class Recorded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, '{"detail": "not recorded"}'))
            public = urlsplit(self.path).path.endswith("/version")
            if not public and self.headers.get("Authorization") != allowed:
                status, body = 401, "{}"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    yield from serving(Recorded)


def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

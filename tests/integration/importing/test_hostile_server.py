"""A server that is broken or hostile: the import ends soon, with a reason, and writes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from airspace.backends.old_airflow import Credentials, bounded, read_rest
from airspace.backends.old_airflow.bounded import SourceError
from tests.integration.importing.conftest import serving

pytestmark = pytest.mark.integration
Act = Callable[[BaseHTTPRequestHandler], None]


def answer(body: bytes, status: int = 200, **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


def drop_by_drop(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.02)


def page(**rows: object) -> bytes:
    return json.dumps({"dags": [{"dag_id": "d"}] * 100, "total_entries": 10**9, **rows}).encode()


HOSTILE: dict[str, tuple[Act, str]] = {
    "an endless answer": (endless, "more than"),
    "an answer drop by drop": (drop_by_drop, "too long"),
    "a list without an end": (answer(page()), "no end"),
    "a page of very many": (answer(page(dags=[{}] * 5000)), "5000 rows"),
    "no list": (answer(b'{"dags": {"a": 1}}'), "no list"),
    "no JSON": (answer(b"<html>"), "no list"),
    "deep JSON": (answer(b"[" * 100_000), "no list"),
    "a bomb, packed": (answer(b"\x1f\x8b broken", **{"Content-Encoding": "gzip"}), "packed"),
    "a redirect to somebody else": (answer(b"", 302, Location="http://127.0.0.1:1/"), "302"),
    "a refusal": (answer(b"{}", 403), "403"),
    "an error": (answer(b"{}", 500), "500"),
}


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that knows its version and does that for everything else."""
    act: Act = request.param

    class Hostile(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                (answer(b'{"version": "3.0.0"}') if self.path.endswith("/version") else act)(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Quiet."""

    yield from serving(Hostile)


@pytest.mark.parametrize(("hostile", "told"), HOSTILE.values(), ids=HOSTILE.keys(), indirect=["hostile"])
def test_it_ends_soon_with_a_reason(hostile: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if told == "too long":  # the only one that the clock ends; the others end by what they say
        monkeypatch.setattr(bounded, "SECONDS", 1.0)
    monkeypatch.setattr(bounded, "MOST_PAGES", 5)
    started = time.monotonic()
    with pytest.raises(SourceError, match=told) as refused:
        read_rest(hostile, Credentials(token="s3cret"))
    assert time.monotonic() - started < 15
    assert refused.value.fix
    assert "s3cret" not in refused.value.message


@pytest.mark.parametrize("url", ["http://", "ftp://x", "http://[", "https://me:s3cret@127.0.0.1:1/x", "http://\x00"])
def test_no_address(url: str) -> None:
    with pytest.raises(SourceError) as refused:
        read_rest(url, Credentials())
    assert "s3cret" not in refused.value.message

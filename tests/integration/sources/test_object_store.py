"""A look at an object store that checks signatures: what comes, what is left out, what is refused."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airspace.backends.remotes.__main__ import look, reach
from airspace.backends.remotes.job import Job, Seen
from airspace.model.source_settings import SourceSettings
from tests.integration.sources.servers import Store, object_store, silent_server

LOCAL = SourceSettings(hosts=("127.0.0.1",))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with object_store(tmp_path_factory.mktemp("store") / "log") as found:
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """A server that lists names which nobody should write, sends elsewhere, and floods."""
    names = ["../../up.py", "a//b.py", "./c.py", "x/../y.py", ".git/config", "a", "a/b.py", "good.py"]
    one = "<Contents><Key>p/{}</Key><ETag>&quot;1&quot;</ETag><Size>{}</Size></Contents>"
    rows = "".join(one.format(name, 1) for name in names) + one.format("big", 65 << 20)
    listing = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}</ListBucketResult>'
    answers = {
        "/hostile?": listing.encode(),
        "/hostile/": b"x",
        "/bomb": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        "/flood": b"x" * (20 << 20),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = next((body for path, body in answers.items() if self.path.startswith(path)), b"")
            self.send_response(200 if body else 307)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.daemon_threads = True
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def job(store: Store, url: str, home: Path, *, key: str | None = None, secret: str | None = None) -> Job:
    place = {"url": url, "endpoint": store.url, "region": "us-east-1"}
    credential = {"key": key or store.key, "secret": secret or store.secret}
    return Job("object_store", place, ("",), str(home), credential, LOCAL)


def tree(home: Path, seen: Seen) -> dict[str, str]:
    root = home / "trees" / seen.trees[""]
    return {str(f.relative_to(root)): f.read_text() for f in root.rglob("*") if f.is_file()}


def message(seen: Seen) -> str:
    assert seen.error is not None
    return seen.error[0]


def test_a_prefix_is_mirrored_and_followed(store: Store, home: Path) -> None:
    store.put({"de/dag.py": "one", "de/lib/ü +&=.py": "odd", "de/folder/": "", "da/dag.py": "not ours"})
    wanted = job(store, "s3://dags/de", home)
    first = look(wanted)
    assert first.error is None
    assert tree(home, first) == {"dag.py": "one", "lib/ü +&=.py": "odd"}
    assert look(replace(wanted, known=first.trees, version=first.version)) == first
    store.put({"de/dag.py": "two", "de/lib/ü +&=.py": None})
    second = look(replace(wanted, known=first.trees, version=first.version))
    assert second.version != first.version
    assert tree(home, second) == {"dag.py": "two"}
    assert reach(wanted).version


def test_more_objects_than_one_page_holds(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airspace.backends.remotes.object_store._PAGE_OBJECTS", 2)
    store.put({f"many/{number}.py": "x" for number in range(7)})
    assert len(tree(home, look(job(store, "s3://dags/many", home)))) == 7


def test_hostile_keys_are_not_written(store: Store, home: Path, tmp_path: Path, hostile: str) -> None:
    wanted = job(store, "s3://hostile/p", home)
    seen = look(replace(wanted, place={**wanted.place, "endpoint": hostile}))
    assert seen.error is None
    assert tree(home, seen) == {"a": "x", "good.py": "x"}
    assert set(seen.left_out[""]) == {"../../up.py", "a//b.py", "./c.py", "x/../y.py", ".git/config", "a/b.py", "big"}
    assert not list(tmp_path.rglob("up.py"))


def test_what_is_wrong_is_said_with_a_fix(store: Store, home: Path) -> None:
    assert message(look(job(store, "s3://dags/de", home, secret="wrong"))) == "the object store refuses this secret"
    assert (
        message(look(job(store, "s3://dags/de", home, key="AKIANOBODY"))) == "the object store does not know this key"
    )
    assert message(look(job(store, "s3://other/x", home))) == "these credentials may not read there"
    elsewhere = replace(job(store, "s3://dags/de", home), settings=SourceSettings())
    assert "http is not encrypted" in message(look(elsewhere))
    local = replace(elsewhere, place={**elsewhere.place, "endpoint": "https://169.254.169.254"})
    assert "no Dag source may be there" in message(look(local))


def test_a_server_that_sends_elsewhere_or_floods_is_refused(store: Store, home: Path, hostile: str) -> None:
    wanted = job(store, "s3://moved/x", home)
    wanted = replace(wanted, place={**wanted.place, "endpoint": hostile})
    assert "answers 307" in message(look(wanted))
    for bucket in ("flood", "bomb"):
        asked = replace(wanted, place={**wanted.place, "url": f"s3://{bucket}/x"})
        assert message(look(asked)) == "what answers there is no object store"


def test_a_silent_store_is_given_up(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airspace.backends.remotes.object_store._SECONDS", 0.5)
    with silent_server() as port:
        wanted = job(store, "s3://dags/de", home)
        started = time.monotonic()
        silent = replace(wanted, place={**wanted.place, "endpoint": f"http://127.0.0.1:{port}"})
        assert message(look(silent)) == "the object store does not answer"
        assert time.monotonic() - started < 15

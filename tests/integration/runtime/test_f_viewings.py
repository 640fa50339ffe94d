"""Artifacts over the real API server: files are looked at in real sandboxes, by members of two teams and nobody else.

What the reader refuses by itself is tested beside it (``tests/unit/storage``); here it is the walls, and the platform
around them.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

from tests.integration.runtime.home import Home, wait_for

pytestmark = pytest.mark.integration

OWNER, CONSUMER, OTHER = "looks", "eats", "peeks"
ASSET = "looked_at"


@dataclass
class Member:
    """Somebody who is a viewer of one team."""

    team: str
    client: httpx.Client

    def ask(self, what: str, at: str | None = None, *, team: str | None = None, **params: str) -> httpx.Response:
        path = f"/{team or self.team}" + (f"/{what}" if what else "")
        return self.client.get(path, params={**({"at": at} if at else {}), **params})


@dataclass
class Scene:
    """The teams, their folders, and a member of each."""

    home: Home
    owner: Member
    consumer: Member
    other: Member

    def folder(self, team: str = OWNER) -> Path:
        return self.home.layout.storage / team

    def put(self, path: str, content: bytes | str, team: str = OWNER) -> str:
        """A file of the team's own; its place."""
        target = self.folder(team) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return f"files/{path}"


@pytest.fixture(scope="module")
def scene(running: Home) -> Iterator[Scene]:
    running.add_team(OWNER, grants={ASSET: [CONSUMER]})
    running.add_team(CONSUMER)
    running.add_team(OTHER)
    with running.engine.begin() as db:
        spec = json.dumps({"assets": {ASSET: {"consumers": [CONSUMER], "tables": ["t"]}}})
        db.execute(text("UPDATE airspace_team SET spec = :s WHERE name = :t"), {"s": spec, "t": OWNER})
    version = running.layout.storage / OWNER / "published" / ASSET / "v1"
    version.mkdir()
    (version / "rows.csv").write_text("id,word\n1,one\n2,two\n")
    manifest = {"format": 1, "team": OWNER, "asset": ASSET, "version": "v1", "sequence": 1, "created": "2026-01-01"}
    manifest |= {"rows": 2, "bytes": 20, "files": [{"path": "rows.csv", "bytes": 20}], "schema": {"id": "int"}}
    (version / "manifest.json").write_text(json.dumps({**manifest, "inputs": ["x/y/z"]}))
    (version.parent / "CURRENT").write_text("v1")
    with contextlib.ExitStack() as stack:
        yield Scene(running, *(stack.enter_context(member(running, team)) for team in (OWNER, CONSUMER, OTHER)))


@contextlib.contextmanager
def member(home: Home, team: str) -> Iterator[Member]:
    home.admin("add-user", {"name": f"m-{team}", "password": "Correct-horse-9-battery"})
    token = home.admin("token", {"name": f"m-{team}"})["token"]
    with home.engine.begin() as db:
        insert = "INSERT INTO airspace_member (team, user_name, role) VALUES (:t, :u, 'viewer')"
        db.execute(text(insert), {"t": team, "u": f"m-{team}"})
    base, headers = f"{home.url}/airspace/api/artifacts", {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
        yield Member(team, client)


def test_a_member_looks_at_files_and_whoever_is_in_another_team_is_told_that_there_is_none(scene: Scene) -> None:
    at = scene.put("reports/june.csv", "month,sum\njune,12\n")
    found = scene.owner.ask("preview", at)
    assert found.status_code == 200, found.text
    assert found.json()["rows"] == [["june", "12"]]
    listed = scene.owner.ask("files", "files/reports").json()["entries"]
    assert [(entry["name"], entry["kind"]) for entry in listed] == [("june.csv", "file")]
    saved = scene.owner.ask("download", at)
    assert (saved.content, saved.headers["content-type"]) == (b"month,sum\njune,12\n", "application/octet-stream")
    assert saved.headers["content-disposition"].startswith('attachment; filename="june.csv"')
    for what in ("", "files", "preview", "open", "download", "versions"):
        foreign, missing = scene.other.ask(what, at, team=OWNER), scene.other.ask(what, at, team="no_such")
        assert foreign.status_code == missing.status_code == 404
        assert foreign.text.replace(OWNER, "no_such") == missing.text


def test_a_warm_look_is_quick(scene: Scene, record_property: Callable[[str, object], None]) -> None:
    at = scene.put("reports/june.csv", "month,sum\njune,12\n")
    took = []
    for _ in range(8):
        started = time.monotonic()
        assert scene.owner.ask("preview", at).status_code == 200
        took.append(time.monotonic() - started)
    record_property("warm preview of a CSV, ms: median, worst", [round(1000 * t) for t in (sorted(took)[4], max(took))])
    assert sorted(took)[4] < 1.0


def test_a_consumer_sees_what_is_published_to_it_and_nothing_else(scene: Scene) -> None:
    place, secret = f"published/{OWNER}/{ASSET}", scene.put("secret.txt", "of the owner's")
    for member in (scene.owner, scene.consumer):
        found = member.ask("versions", place)
        assert found.status_code == 200, found.text
        (version,) = found.json()["versions"]
        assert version["files"] == [{"path": "rows.csv", "bytes": 20}]
        assert version["inputs"] == (["x/y/z"] if member is scene.owner else [])
        assert member.ask("preview", f"{place}/v1/rows.csv").json()["rows"] == [["1", "one"], ["2", "two"]]
    shelf = scene.consumer.ask("").json()
    assert scene.other.ask("versions", place).status_code == 404
    assert scene.other.ask("preview", f"{place}/v1/rows.csv").status_code == 404
    assert scene.consumer.ask("preview", f"published/{OWNER}/unshared/v1/a.csv").status_code == 404
    assert scene.consumer.ask("preview", secret).status_code == 404
    assert scene.consumer.ask("preview", secret, team=OWNER).status_code == 404
    assert shelf["own"] == []
    scene.home.grant(OWNER, ASSET, [])
    try:
        assert scene.consumer.ask("preview", f"{place}/v1/rows.csv").status_code == 404
    finally:
        scene.home.grant(OWNER, ASSET, [CONSUMER])


def test_links_lead_nowhere_also_where_the_walls_would_hold(scene: Scene) -> None:
    scene.put("mine.txt", "the other's", team=OTHER)
    folder = scene.folder()
    targets = {"file": scene.folder(OTHER) / "mine.txt", "folder": scene.folder(OTHER), "cfg": Path("/etc/passwd")}
    for name, target in targets.items():
        (folder / f"link-{name}").symlink_to(target)
    os.mkfifo(folder / "pipe.csv")
    for at in ("files/link-file", "files/link-folder/mine.txt", "files/link-cfg"):
        for what in ("preview", "open", "download"):
            answer = scene.owner.ask(what, at)
            assert (answer.status_code, "link" in answer.text) == (422, True), answer.text
    started = time.monotonic()
    assert scene.owner.ask("preview", "files/pipe.csv").status_code == 422
    assert time.monotonic() - started < 3
    for at in (
        "files/../peeks/mine.txt",
        "files/%2e%2e/peeks",
        "published/looks/..",
        "files/a\0",
        "files/" + "a/" * 99,
    ):
        assert scene.owner.ask("preview", at).status_code in (404, 422)


def test_what_unpacks_to_gigabytes_ends_in_its_own_process(scene: Scene) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    at = scene.put("bomb.csv.gz", bomb)
    assert scene.owner.ask("preview", at).json()["kind"] == "none"
    found = scene.owner.ask("preview", scene.put("bomb.parquet", _parquet_bomb())).json()
    assert (found["kind"], "memory" in found["note"]) == ("none", True), found


def _parquet_bomb() -> bytes:
    """Some kilobytes: a hundred rows of one value of 16 MB, which is there once."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    value = pa.array([bytes(1 << 24)], pa.large_binary())
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int32()), value)
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"a": rows}), sink, compression="zstd", store_schema=False, dictionary_pagesize_limit=1 << 26
    )
    assert sink.tell() < 1 << 20
    return bytes(sink.getvalue())


def test_a_file_that_grows_is_as_long_as_it_was(scene: Scene) -> None:
    at, stop = scene.put("grows.log", b"x" * (4 << 20)), threading.Event()

    def grow() -> None:
        with (scene.folder() / "grows.log").open("ab") as file:
            while not stop.is_set():
                file.write(b"y" * 65536)
                time.sleep(0.001)

    with ThreadPoolExecutor(1) as beside:
        growing = beside.submit(grow)
        try:
            saved = scene.owner.ask("download", at)
        finally:
            stop.set()
        growing.result()
    assert len(saved.content) == int(saved.headers["content-length"])


def test_two_looks_of_a_team_at_once_and_another_teams_are_not_held_up(scene: Scene) -> None:
    at = scene.put("large.bin", os.urandom(64 << 20))
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(scene.owner.client.stream("GET", f"/{OWNER}/download", params={"at": at}))
            assert slow.status_code == 200  # and nobody reads it
        refused = scene.owner.ask("download", at)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        scene.put("mine.txt", "the other's", team=OTHER)
        assert scene.other.ask("preview", "files/mine.txt").json()["text"] == "the other's"
        assert scene.owner.ask("preview", scene.put("a.txt", "mine")).json()["text"] == "mine"
    deadline = time.monotonic() + 10
    while scene.owner.ask("download", "files/a.txt").status_code != 200:
        assert time.monotonic() < deadline, "the turns were not given back"
        time.sleep(0.1)


def test_one_that_hangs_is_ended_and_holds_up_nobody_else(scene: Scene) -> None:
    """A team can stop whatever runs as its user, the process that looks among it."""
    at, stopped = scene.put("huge.csv", "a,b\n" + "1,2\n" * 60_000), threading.Event()

    def stop_it() -> None:
        while not stopped.is_set():
            for process in psutil.process_iter(["cmdline"]):
                with contextlib.suppress(psutil.Error):
                    if process.info["cmdline"] == [f"airspace viewing: {OWNER}"]:
                        process.suspend()
            time.sleep(0.001)

    with ThreadPoolExecutor(1) as beside:
        stopping = beside.submit(stop_it)
        try:
            started, answers = time.monotonic(), []
            for _ in range(3):
                answers.append(scene.owner.ask("preview", at))
                if answers[-1].status_code == 422:
                    break
            took = time.monotonic() - started
            assert scene.other.ask("files", "files").status_code == 200
        finally:
            stopped.set()
        stopping.result()
    if answers[-1].status_code == 422:  # it was caught in the act
        assert "longer than 5 seconds" in answers[-1].text
        assert took < 12
    assert scene.owner.ask("preview", at).status_code == 200
    wait_for(lambda: not [title for title in scene.home.titles() if title.startswith("airspace viewing")])


def test_a_page_of_a_teams_is_given_out_so_that_it_can_do_nothing(scene: Scene) -> None:
    at = scene.put("dash/board.html", "<h1>Hi</h1><script>alert(1)</script>")
    page = scene.owner.ask("open", at)
    policy = page.headers["content-security-policy"]
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert "no-store" in page.headers["cache-control"]
    assert page.headers["x-content-type-options"] == "nosniff"
    svg = scene.owner.ask("open", scene.put("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"))
    assert (svg.headers["content-type"], svg.headers["content-security-policy"]) == ("image/svg+xml", policy)
    assert svg.headers["content-disposition"].startswith("attachment")  # images are shown all the same, documents not
    assert scene.owner.ask("open", scene.put("a.js", "alert(1)")).status_code == 422


def test_what_is_published_is_listed_with_what_its_task_told(scene: Scene) -> None:
    with scene.home.engine.begin() as db:
        made = "INSERT INTO asset (name, uri, \"group\", extra, created_at, updated_at) VALUES (:n, :n, 'asset', '{}', now(), now()) RETURNING id"  # noqa: E501
        number = db.execute(text(made), {"n": ASSET}).scalar_one()
        for extra in ('{"rows": 2, "version": "v1", "inputs": ["x/y/z"]}', '{"rows": "\\u0000"}', '{"rows": -1}', "[]"):
            told = "INSERT INTO asset_event (asset_id, extra, timestamp) VALUES (:i, :e, clock_timestamp())"
            db.execute(text(told), {"i": number, "e": extra})
    own, consumed = scene.owner.ask("").json(), scene.consumer.ask("").json()
    (asset,) = own["own"]
    assert (asset["consumers"], asset["tables"]) == ([CONSUMER], ["t"])
    assert [(each["rows"], each["version"]) for each in asset["updates"]] == [(None, None)] * 3 + [(2, "v1")]
    (seen,) = consumed["consumed"]
    assert (seen["name"], seen["owner"], seen["consumers"]) == (ASSET, OWNER, [])
    assert scene.other.ask("").json() == {"team": OTHER, "own": [], "consumed": []}
    lineage = _lineage(scene.consumer)
    assert [node["id"] for node in lineage["nodes"]] == [f"asset:{OWNER}/{ASSET}"]
    assert {"source": f"asset:{OWNER}/{ASSET}", "target": f"team:{CONSUMER}/{CONSUMER}", "how": "shared"} in _lineage(
        scene.owner
    )["edges"]


def _lineage(member: Member) -> Any:
    answer = member.client.get(
        str(member.client.base_url).removesuffix("artifacts/") + "lineage", params={"team": member.team}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()

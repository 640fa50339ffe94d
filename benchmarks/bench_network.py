"""``network``: what the way through the relay costs. The same program on the machine itself and in a sandbox.

A connection with one byte there and back, by address and by name, and a quarter of a gigabyte each way. The server is
on the machine's loopback, so that nothing but the relay is between the two figures.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airspace.model.home import HomeLayout
from airspace.sandbox import bubblewrap, kernel
from airspace.sandbox.relay import wires
from airspace.sandbox.relay.link import RelayLink
from airspace.sandbox.relay.plan import plan
from airspace.sandbox.relay.server import SOCKET
from airspace.sandbox.spec import TeamPlace, sandbox_spec
from benchmarks import machine, summary
from benchmarks.options import Options, say

CONNECTIONS, MEGABYTES = 1500, 256
_TEAM, _NOBODY = "bench", 65534
_PIECE = 1 << 18
_PAUSE = 0.006  # between two connections: a team may make 200 a second


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    document: dict[str, Any] = {"benchmark": "network", "quick": options.quick, "load_before": machine.load()}
    count = 100 if options.quick else CONNECTIONS
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        port = int(server.getsockname()[1])
        document["direct"] = _measured("127.0.0.1", port, count)
        say(f"direct: {document['direct']}")
        name = _own_name()
        with _sandbox((f"127.0.0.1:{port}", f"{name}:{port}")) as inside:
            document["relay"] = inside(lambda: _measured("127.0.0.1", port, count))
            if name:
                document["relay_by_name"] = inside(lambda: _times(name, port, count))
        say(f"relay: {document['relay']}; by name: {document.get('relay_by_name')}")
    return document


def _measured(host: str, port: int, count: int) -> dict[str, Any]:
    found = _times(host, port, count)
    for what, way in (("download", b"d"), ("upload", b"u")):
        found[f"{what}_mb_s"] = round(max(_bulk(host, port, way) for _ in range(3)))
    return found


def _times(host: str, port: int, count: int) -> dict[str, Any]:
    """Of a connection with one byte there and back, in milliseconds."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        with socket.create_connection((host, port), 10) as link:
            link.sendall(b"x")
            link.recv(1)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(_PAUSE)
    return {"median_ms": summary.middle(took), "p95_ms": summary.p95(took)}


def _bulk(host: str, port: int, way: bytes) -> float:
    with socket.create_connection((host, port), 30) as link:
        began = time.perf_counter()
        link.sendall(way)
        if way == b"u":
            piece = bytes(_PIECE)
            for _ in range(MEGABYTES * 4):
                link.sendall(piece)
            link.shutdown(socket.SHUT_WR)
        while link.recv(_PIECE):
            pass
        return MEGABYTES / (time.perf_counter() - began)


def _serve(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            link, _ = server.accept()
            threading.Thread(target=_answer, args=(link,), daemon=True).start()


def _answer(link: socket.socket) -> None:
    with link, suppress(OSError):
        asked = link.recv(1)
        if asked == b"x":
            link.sendall(asked)
        elif asked == b"d":
            piece = bytes(_PIECE)
            for _ in range(MEGABYTES * 4):
                link.sendall(piece)
        else:
            while link.recv(_PIECE):
                pass


def _own_name() -> str:
    """This machine's, if it stands for the loopback, where the server is."""
    with suppress(OSError):
        name = socket.gethostname().lower()
        return name if socket.gethostbyname(name) == "127.0.0.1" else ""
    return ""


@contextmanager
def _sandbox(network: tuple[str, ...]) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """What runs a function in a sandbox with that list."""
    root = Path(tempfile.mkdtemp(prefix="bench-net-", dir="/tmp"))
    layout = HomeLayout(root)
    for folder in (layout.run, layout.bundles / _TEAM, layout.storage / _TEAM / "published"):
        folder.mkdir(parents=True)
    number = _NOBODY if os.getuid() == 0 else None
    entries = tuple(entry for entry in network if not entry.startswith(":"))
    relay = subprocess.Popen([sys.executable, "-m", "airspace.sandbox.relay"], env={"AIRSPACE_RUN": str(layout.run)})
    link = RelayLink(layout.run)
    walls = bubblewrap.build(sandbox_spec(layout, TeamPlace(_TEAM, _TEAM, number, number), (), ()))
    try:
        while not (layout.run / SOCKET).exists():
            time.sleep(0.01)
        link.offer(1, _TEAM, entries, wires.lay(walls.pid, plan(entries), with_user=number is None))
        yield lambda work: _inside(walls.pidfd, number is None, work)
    finally:
        link.close()
        walls.remove()
        relay.terminate()
        relay.wait()
        shutil.rmtree(root, ignore_errors=True)


def _inside(pidfd: int, with_user: bool, work: Callable[[], Any]) -> Any:
    reader, writer = os.pipe()
    if os.fork() == 0:
        kernel.enter_namespaces(pidfd, with_user=with_user)
        os.write(writer, json.dumps(work()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        said = told.read()
    os.wait()
    return json.loads(said)

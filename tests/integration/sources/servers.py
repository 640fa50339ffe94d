"""Real servers on loopback: git over http with its own back-end, and one that takes connections and never answers."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "ada", "GIT_AUTHOR_EMAIL": "a@x",
    "GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "a@x", "PATH": os.defpath + ":/usr/local/bin", "HOME": "/",
}  # fmt: skip


def git(folder: Path, *arguments: str, given: str | bytes | None = None) -> str:
    """One git command in a folder."""
    data = given.encode() if isinstance(given, str) else given
    done = subprocess.run(["git", *arguments], cwd=folder, env=GIT, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@dataclass
class Repository:
    """A working copy, and the bare repository that is served."""

    work: Path
    bare: Path

    @classmethod
    def make(cls, root: Path, name: str, files: Mapping[str, str]) -> Repository:
        work, bare = root / f"{name}-work", root / f"{name}.git"
        work.mkdir(parents=True)
        git(work, "init", "--quiet", "--initial-branch=main")
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        made = cls(work, bare)
        made.push(files)
        return made

    def push(self, files: Mapping[str, str | None]) -> str:
        """Commit these files (None: removed) and push; the commit."""
        for name, text in files.items():
            path = self.work / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--allow-empty", "-m", "change")
        return self.send()

    def send(self) -> str:
        git(self.work, "push", "--quiet", "--force", str(self.bare), "HEAD:refs/heads/main")
        return git(self.work, "rev-parse", "HEAD")


@dataclass
class GitServer:
    """Repositories below a folder, by ``git http-backend``.

    :param logins: repository → ``login:password`` that it asks for
    :param elsewhere: path → where it sends the client
    """

    root: Path
    logins: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def packs(self, name: str) -> int:
        """How often the objects of a repository were asked for (protocol 2 asks for a list by the same address)."""
        return sum(line.startswith(f"fetch /{name}.git/") for line in self.asked)


class _GitHandler(BaseHTTPRequestHandler):
    served: GitServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def log_message(self, *_: object) -> None:
        return

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _serve(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        name = parts.path.split("/")[1].removesuffix(".git")
        what = "fetch" if b"command=fetch" in body else self.command.lower()
        self.served.asked.append(f"{what} {parts.path}")
        if target := self.served.elsewhere.get(name):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        wanted = self.served.logins.get(name)
        given = base64.b64encode((wanted or "").encode()).decode()
        if wanted and self.headers.get("Authorization") != f"Basic {given}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        self._backend(parts.path, parts.query, body)

    def _backend(self, path: str, query: str, body: bytes) -> None:
        environment = GIT | {
            "GIT_PROJECT_ROOT": str(self.served.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_ADDR": "127.0.0.1",
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def git_server(root: Path, context: ssl.SSLContext | None = None) -> Iterator[GitServer]:
    """A server on a free port."""
    server = GitServer(root)
    handler = type("Handler", (_GitHandler,), {"served": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        if context is not None:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        server.url = f"http{'s' * (context is not None)}://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and says nothing, ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


@dataclass
class Store:
    """A running object store; see ``store_server.py``."""

    url: str
    key: str
    secret: str
    process: subprocess.Popen[str]

    def put(self, objects: Mapping[str, str | None]) -> None:
        """Put these objects into the bucket ``dags``; None: removed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(objects) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "{}\n"


@contextmanager
def object_store(log: Path) -> Iterator[Store]:
    """One on a free port, in the environment that ``make setup`` has made for it."""
    here = Path(__file__).parent
    python = here.parents[2] / ".boot" / "store" / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no environment for moto: python3 scripts/bootstrap.py test")
    command = [str(python), "-I", str(here / "store_server.py")]
    with (
        log.open("wb") as said,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            if not first:
                pytest.skip(f"moto cannot be had: {log.read_text()[-300:]}")
            yield Store(**json.loads(first), process=process)
        finally:
            os.killpg(process.pid, signal.SIGTERM)

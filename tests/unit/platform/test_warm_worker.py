"""Admin commands through the API server's private socket."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from airspace.airflow import admin_door
from airspace.airflow.admin_door import AdminDoor
from airspace.model.errors import AirspaceError
from airspace.platform import warm_worker


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    door = AdminDoor(tmp_path)
    door.open()
    yield tmp_path
    door.close()


def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    assert warm_worker.ask(tmp_path, "read-teams", {}, 1.0) is None


def test_a_dead_servers_socket_is_no_answer_and_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / warm_worker.SOCKET))
    assert warm_worker.ask(tmp_path, "read-teams", {}, 1.0) is None
    door = AdminDoor(tmp_path)
    door.open()
    assert warm_worker.ask(tmp_path, "nonsense", {}, 5.0) is not None
    door.close()


def test_a_command_is_done_and_answered(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(admin_door.admin.COMMANDS, "same", "builtins:dict")
    assert warm_worker.ask(run, "same", {"a": 1, "b": [2]}, 5.0) == {"a": 1, "b": [2]}


def test_a_command_that_does_not_exist_is_refused(run: Path) -> None:
    answer = warm_worker.ask(run, "nonsense", {}, 5.0)
    assert answer is not None
    assert "nonsense failed" in answer["error"]["message"]


def test_a_long_question_is_left_to_a_process_of_its_own(run: Path) -> None:
    assert warm_worker.ask(run, "nonsense", {"much": "x" * warm_worker.WARM_BYTES}, 5.0) is None


def test_who_is_cut_off_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / warm_worker.SOCKET))
        server.listen()
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with pytest.raises(AirspaceError, match="cut off"):
            warm_worker.ask(tmp_path, "apply-teams", {}, 5.0)


def test_somebody_elses_socket_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / warm_worker.SOCKET))
        server.listen()

        def listen() -> None:
            with server.accept()[0] as link:
                heard.append(link.recv(100))

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        monkeypatch.setattr(warm_worker, "peer", lambda _link: os.geteuid() + 1)
        with pytest.raises(AirspaceError, match="another user's"):
            warm_worker.ask(tmp_path, "apply-teams", {"secret": "s"}, 5.0)
        listener.join(5)
    assert heard == [b""]
    monkeypatch.undo()


def _said(run: Path, text: bytes) -> bytes:
    """What one gets for it."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(run / warm_worker.SOCKET))
        with suppress(ConnectionError):  # it hung up with something unread
            link.sendall(text)
            link.shutdown(socket.SHUT_WR)
            return link.recv(100)
        return b""


def test_strangers_and_nonsense_get_no_answer(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (b"", b"nonsense", b"[]", b'{"command": "read-teams"'):
        assert _said(run, text) == b""
    question = json.dumps({"command": "nonsense", "payload": {}}).encode()
    assert _said(run, question)
    monkeypatch.setattr(admin_door, "peer", lambda _link: os.geteuid() + 1)
    assert _said(run, question) == b""


def test_only_its_owner_may_connect(run: Path) -> None:
    assert (run / warm_worker.SOCKET).stat().st_mode & 0o777 == 0o600

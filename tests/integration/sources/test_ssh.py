"""A repository over ssh: with the right key on both sides, and not otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from airspace.backends.remotes.__main__ import look
from airspace.backends.remotes.job import Job, Seen
from airspace.model.source_settings import SourceSettings
from tests.integration.sources.servers import Repository


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Job]:
    """A job that succeeds."""
    Repository.make(tmp_path / "served", "all", {"teams/de/dag.py": "de"})
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "keys").write_bytes(key.export_public_key())
    command = [sys.executable, "-m", "tests.integration.sources.ssh_server", str(tmp_path / "served")]
    with subprocess.Popen([*command, str(tmp_path / "keys")], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port, _, host_key = server.stdout.readline().strip().partition(" ")
        (tmp_path / "home").mkdir()
        url = f"ssh://git@127.0.0.1:{port}/all.git"
        place = {"url": url, "ref": "refs/heads/main", "host_key": host_key}
        credential = {"key": key.export_private_key("openssh").decode()}
        settings = SourceSettings(hosts=("127.0.0.1",))
        yield Job("git", place, ("teams/de",), str(tmp_path / "home"), credential, settings)
        server.terminate()


def message(seen: Seen) -> str:
    assert seen.error is not None
    return seen.error[0]


def test_keys_are_checked_on_both_sides(served: Job, tmp_path: Path) -> None:
    seen = look(served)
    assert seen.error is None
    assert (tmp_path / "home" / "trees" / seen.trees["teams/de"] / "dag.py").read_text() == "de"
    secret = served.credential["key"].encode()
    assert not [path for path in tmp_path.rglob("home/**/*") if path.is_file() and secret[60:120] in path.read_bytes()]

    other = asyncssh.generate_private_key("ssh-ed25519")
    wrong = replace(served, credential={"key": other.export_private_key("openssh").decode()})
    assert message(look(wrong)) == "the ssh server refuses this key"
    imposter = dict(served.place) | {"host_key": " ".join(other.export_public_key().decode().split()[:2])}
    assert message(look(replace(served, place=imposter))) == "the ssh server's key is not the known one"
    unknown = {key: value for key, value in served.place.items() if key != "host_key"}
    assert message(look(replace(served, place=unknown))) == "the ssh server's key is not known"
    known = tmp_path / "known_hosts"
    port = str(served.place["url"]).split(":")[2].partition("/")[0]
    known.write_text(f"[127.0.0.1]:{port} {served.place['host_key']}\n")
    assert look(replace(served, place={**unknown, "known_hosts": str(known)})).error is None

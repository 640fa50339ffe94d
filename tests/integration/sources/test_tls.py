"""https: the certificate is the host's, and the address is the one that was judged, whatever the name means later."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from airspace.backends.remotes.__main__ import look
from airspace.backends.remotes.job import Job, Seen
from airspace.model.source_settings import SourceSettings
from tests.integration.certificates import certificate
from tests.integration.sources.servers import GitServer, Repository, git_server

HOST = "git.corp.invalid"  # no name server knows it


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GitServer, Path]]:
    path = certificate(tmp_path / "host.pem", HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    # What the platform's name servers would say, at the one moment when they are asked.
    monkeypatch.setattr("airspace.backends.remotes.addresses._look_up", lambda _host, _port: ["127.0.0.1"])
    (tmp_path / "served").mkdir()
    (tmp_path / "home").mkdir()
    with git_server(tmp_path / "served", context) as server:
        yield server, path


def message(seen: Seen) -> str:
    assert seen.error is not None
    return seen.error[0]


def test_the_address_is_the_judged_one_and_the_certificate_the_hosts(
    served: tuple[GitServer, Path], tmp_path: Path
) -> None:
    server, ca = served
    Repository.make(server.root, "all", {"dag.py": "x"})
    server.logins["all"] = "git:token"
    url = f"https://{HOST}:{server.url.rpartition(':')[2]}/all.git"

    def job(kind: str, place: dict[str, str], settings: SourceSettings) -> Job:
        credential = {"password": "token"} if kind == "git" else {}
        return Job(kind, place, ("",), str(tmp_path / "home"), credential, settings)

    place = {"url": url, "ref": "refs/heads/main"}
    trusted = SourceSettings(hosts=(HOST,), ca=str(ca))
    assert look(job("git", place, trusted)).error is None
    untrusted = SourceSettings(hosts=(HOST,))
    assert "certificate is not trusted" in message(look(job("git", place, untrusted)))
    assert "no Dag source may be there" in message(look(job("git", place, SourceSettings(ca=str(ca)))))
    store = {"url": "s3://bucket/x", "endpoint": url.removesuffix("/all.git"), "region": "us-east-1"}
    assert "answers 404" in message(look(job("object_store", store, trusted)))
    assert "certificate is not trusted" in message(look(job("object_store", store, untrusted)))

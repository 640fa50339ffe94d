"""Whose turn it is, where a source may be, what settings are good."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airspace.backends.remotes.addresses import listed, resolve
from airspace.backends.remotes.job import Job, RemoteError, Seen, plain
from airspace.backends.remotes.states import State
from airspace.model.remote import Remote
from airspace.model.source_settings import BackendSettings, SourceSettings, problems
from airspace.model.team import Team
from airspace.platform.puller import Pulled, _pause, has_room

REMOTE = Remote("a" * 24, "git", {"url": "https://h.example/x.git", "ref": "HEAD"}, "", 30)
WELL, NEW, FAILED = State(version="1"), State(), State(version="1", failures=2)


def pulled(state: State, since: float = 0.0) -> Pulled:
    return Pulled(REMOTE, ("",), frozenset({"team"}), 30, state, since=since)


def test_those_that_are_well_always_find_a_place() -> None:
    now = 1000.0
    waiting = [pulled(FAILED, now - 60)] * 3
    assert not has_room(pulled(FAILED), waiting, now)
    assert has_room(pulled(NEW), waiting, now)
    waiting += [pulled(NEW, now - 60)] * 11
    assert not has_room(pulled(NEW), waiting, now)
    assert has_room(pulled(WELL), waiting, now)
    assert not has_room(pulled(WELL), [pulled(WELL, now)] * 8, now)


def test_failures_make_looks_rare() -> None:
    assert 27 <= _pause(30, 0) <= 33
    assert 54 <= _pause(30, 1) <= 66
    assert 800 <= _pause(30, 50) <= 1000
    assert _pause(86_400, 3) >= 77_000


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "[::ffff:10.0.0.1]",
             "0.1.2.3", "100.64.0.1", "[64:ff9b::7f00:1]", "198.18.0.1", "224.0.0.1", "localhost"],
)  # fmt: skip
def test_no_source_is_where_only_the_platform_may_reach(host: str) -> None:
    with pytest.raises(RemoteError, match=r"no Dag source may be there|not known"):
        resolve(host, 443, SourceSettings())


def test_what_the_owner_lists() -> None:
    said = SourceSettings(hosts=("git.corp.example", "10.0.0.0/8"))
    assert listed("git.corp.example", said)
    assert listed("10.1.2.3", said)
    assert not listed("evil.git.corp.example", said)
    assert not listed("11.1.2.3", said)
    assert resolve("10.1.2.3", 443, said) == "10.1.2.3"


def test_settings_are_judged() -> None:
    good = {"source_hosts": "a.example, 10.0.0.0/8", "source_folders": "/srv/git", "secrets_backend": "a.b.C"}
    assert problems(good | {"secrets_backend_kwargs": "{}", "tasks_per_dag": "5"}) == {}
    bad = {
        "source_hosts": "a_b!", "source_folders": "/", "source_ca": "ca.pem", "age_key_file": "x",
        "secrets_backend": "rm -rf", "secrets_backend_kwargs": "[secret]", "secrets_backend_name": "{team}",
    }  # fmt: skip
    found = problems(bad)
    assert set(found) == set(bad)
    assert "[secret]" not in "".join(found.values())


def test_a_name_in_the_backend_is_the_teams_own() -> None:
    assert BackendSettings("a.B", {}).name("ops", "db") == "ops/db"
    assert BackendSettings("a.B", {}, "{team}-{name}").name("ops", "db") == "ops-db"


def test_jobs_and_answers_survive_the_way() -> None:
    job = Job("git", {"url": "x"}, ("a", "b"), "/h", {"password": "p"}, SourceSettings(("h",), ("/f",), "/ca"))
    assert Job.load(job.dump()) == job
    assert "credential" not in repr(job)
    seen = Seen("1", {"a": "0" * 40 + "-" + "0" * 8}, {"a": {"x": "why"}}, {"b": "fix"}, None)
    assert Seen.load(seen.dump()) == seen
    for wrong in ("", "[]", "{}", '{"version": 1}', seen.dump().replace("0-0", "../")):
        with pytest.raises(ValueError, match=r".*"):
            Seen.load(wrong)
    assert plain("a\x1b[31m\nb" + "c" * 400) == "a?[31m b" + "c" * 292


@given(
    st.sampled_from(["", "https://", "ssh://git@", "file://", "https://h.example/", "s3://", "https://h.example/x"]),
    st.text(max_size=30),
)
@settings(max_examples=30)
def test_whatever_a_url_is_nothing_odd_gets_through(start: str, text: str) -> None:
    """It is refused as a value, or it is a plain URL: no space, no option, nothing that a shell or git would read."""
    for source in ({"git": {"url": start + text, "key": {"env": "K"}}}, {"git": {"url": start + text}}):
        with contextlib.suppress(ValidationError):
            accepted = Team.model_validate({"name": "ops", "dags": source}).dags.git
            assert accepted is not None
            assert re.fullmatch(r"(https?|ssh|file)://[A-Za-z0-9._~/@+=,%:\[\]-]+", accepted.url)
            assert "/-" not in accepted.url.split("//", 1)[1].partition("/")[0]

"""Remote Dag sources and secrets through plan and apply: what is kept where, and who sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from airspace.model.change import Cause, ChangeAction
from airspace.model.home import HomeLayout
from airspace.model.roles import Role
from airspace.teams.authoring import set_member
from airspace.teams.files import InvalidFilesError
from airspace.teams.folders import read_sources
from airspace.teams.service import drift, load
from tests.integration.teams.conftest import Desk, dump

GIT = "name: {team}\ndags:\n  git: {{url: 'https://git.example/all.git', branch: main, folder: {team}, {more}}}\n"


@pytest.fixture
def sources(desk: Desk) -> Desk:
    desk.control.layout.secrets.mkdir(mode=0o700)
    desk.environ |= {"TOKEN": "first-token", "OTHER": "other-token"}
    return desk


def test_what_a_source_is_fetched_with_is_kept_apart_and_compared(sources: Desk) -> None:
    layout = sources.control.layout
    for team in ("alpha", "beta"):
        sources.write(team, GIT.format(team=team, more="password: {env: TOKEN}"))
    sources.write("gamma", GIT.format(team="gamma", more="password: {env: OTHER}"))
    outcome = sources.apply()
    [bundle] = [change for change in outcome.changes if change.team == "alpha" and change.resource == "bundle"]
    assert bundle.after is not None
    assert bundle.after["password"] == "secret set"
    assert (bundle.after["url"], bundle.after["branch"]) == ("https://git.example/all.git", "main")
    found = read_sources(layout)
    ids = {team: source.remote.id for team, source in found.items() if source.remote}
    assert ids["alpha"] == ids["beta"] != ids["gamma"]
    assert not (layout.dags / "alpha").exists()
    kept = json.loads(layout.source_credentials.read_text())["credentials"]
    assert kept == {ids["alpha"]: {"password": "first-token"}, ids["gamma"]: {"password": "other-token"}}
    assert layout.source_credentials.stat().st_mode & 0o777 == 0o600
    said = dump(outcome.as_dict()) + layout.sources.read_text() + dump(sources.admin("read-teams"))
    assert "-token" not in said

    sources.environ["TOKEN"] = "second-token"
    sources.write("alpha", "name: alpha\n")
    changes = {change.team: change for change in sources.apply().changes}
    assert set(changes) == {"alpha", "beta"}
    assert (changes["beta"].action, changes["beta"].after) == (ChangeAction.UPDATE, {"password": "secret changed"})
    assert changes["alpha"].after is not None
    assert (changes["alpha"].after["url"], changes["alpha"].after["password"]) == (None, None)
    assert "first-token" not in layout.source_credentials.read_text()
    assert (layout.dags / "alpha").is_dir()


def test_a_member_is_added_by_somebody_who_cannot_follow_the_references(sources: Desk) -> None:
    layout = sources.control.layout
    sources.write("alpha", GIT.format(team="alpha", more="password: {env: TOKEN}"))
    sources.apply()
    before = layout.sources.read_bytes(), layout.source_credentials.read_bytes()
    written = set_member(sources.control, "alpha", "ada", Role.LEAD)
    assert [change.resource for change in written.outcome.changes] == ["member ada"]
    assert (layout.sources.read_bytes(), layout.source_credentials.read_bytes()) == before
    assert sources.plan().changes == ()


def test_what_somebody_changed_elsewhere_is_told_without_the_source(sources: Desk) -> None:
    sources.write("alpha", GIT.format(team="alpha", more="password: {env: TOKEN}"))
    sources.apply()
    assert drift(sources.control).changes == ()
    sources.environ["TOKEN"] = "second-token"
    [change] = sources.plan().changes
    assert (change.resource, change.cause, change.risks) == ("bundle", Cause.UNCLEAR, ())
    sources.write("alpha", GIT.format(team="alpha", more="password: {env: OTHER}, every: 60"))
    [change] = sources.plan().changes
    assert (change.cause, change.risks) == (Cause.FILE, ())
    sources.write("alpha", "name: alpha\n")
    [change] = sources.plan().changes
    assert change.cause is Cause.FILE
    assert ["not in the new place" in risk for risk in change.risks] == [True]
    with sources.engine.begin() as connection:
        connection.execute(text("UPDATE dag_bundle SET active = false WHERE name = 'alpha'"))
    found = drift(sources.control)
    assert [change.resource for change in found.changes] == ["bundle"]
    assert "-token" not in dump(found.as_dict()) + dump(found.values)


def test_the_secrets_backend_of_the_platform_is_asked_for_the_teams_own(cold_desk: Desk, tmp_path: Path) -> None:
    sources = cold_desk  # a worker that reads its settings anew
    secrets = tmp_path / "vault.json"
    secrets.write_text(json.dumps({"alpha/db": "hidden", "beta/db": "beta's"}))
    config = sources.control.layout.airflow / "airflow.cfg"
    arguments = json.dumps({"variables_file_path": str(secrets)})
    sources.write("alpha", "name: alpha\nvariables:\n  a: {backend: db}\n  b: {backend: nothing}\n")

    def problems() -> list[str]:
        with pytest.raises(InvalidFilesError) as caught:
            load(sources.directory, sources.control.layout, sources.environ, None, sources.control)
        return [f"{found.line}: {found.message}" for found in caught.value.problems]

    none = "the platform has no secrets backend for team files"
    assert problems() == [f"3: {none}", f"4: {none}"]
    path = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    config.write_text(
        config.read_text() + f"[airspace]\nsecrets_backend = {path}\nsecrets_backend_kwargs = {arguments}\n"
    )
    assert problems() == ["4: the secrets backend has no alpha/nothing"]
    sources.write("alpha", "name: alpha\nvariables:\n  a: {backend: db}\n")
    loaded = load(sources.directory, sources.control.layout, sources.environ, None, sources.control)
    assert loaded.teams[0].desired.variables["a"].text == "hidden"


BAD = """
name: {team}
dags:
  git:
    url: {url}
    branch: {branch}
"""


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "--upload-pack=id", "https://u:p@h.example/x.git", "git@h.example:x.git", "ftp://h.example/x",
     "https://h.example/../x", "https://h.example/x y", "ssh://-oProxyCommand=id/x", "file://host/x", "https://h:0/x",
     "https://h.example/x?y", "/srv/x", "https:///x", "ssh://git:pw@h.example/x", "https://h.example/x\\n"],
)  # fmt: skip
def test_urls_that_mean_something_else_are_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "a.yaml").write_text(BAD.format(team="alpha", url=json.dumps(url.replace("\\n", "\n")), branch="main"))
    with pytest.raises(InvalidFilesError) as caught:
        load(tmp_path, HomeLayout(tmp_path / "home"), {})
    assert [(found.line, found.rule) for found in caught.value.problems] == [(5, "bad-url")]


@pytest.mark.parametrize(
    "branch", ["-x", "--upload-pack=id", "a..b", "a b", "x.lock", "@{-1}", "/x", "x/", "a:b", "+x"]
)
def test_branches_that_mean_something_else_are_refused(tmp_path: Path, branch: str) -> None:
    (tmp_path / "a.yaml").write_text(BAD.format(team="alpha", url="https://h.example/x.git", branch=json.dumps(branch)))
    with pytest.raises(InvalidFilesError) as caught:
        load(tmp_path, HomeLayout(tmp_path / "home"), {})
    assert [(found.line, found.rule) for found in caught.value.problems] == [(6, "bad-ref")]


def test_two_teams_do_not_share_what_is_fetched(tmp_path: Path) -> None:
    for team, folder in (("alpha", "teams/a"), ("beta", "teams/a/deeper"), ("gamma", "teams/b")):
        (tmp_path / f"{team}.yaml").write_text(
            GIT.format(team=team, more="every: 60").replace(f"folder: {team}", f"folder: {folder}")
        )
    (tmp_path / "delta.yaml").write_text("name: delta\ndags: {object_store: {url: 's3://bucket/x'}}\n")
    (tmp_path / "epsilon.yaml").write_text("name: epsilon\ndags: {object_store: {url: 's3://bucket/x/y/'}}\n")
    (tmp_path / "zeta.yaml").write_text("name: zeta\ndags: {object_store: {url: 's3://bucket/xy'}}\n")
    with pytest.raises(InvalidFilesError) as caught:
        load(tmp_path, HomeLayout(tmp_path / "home"), {})
    assert [(Path(found.file).stem, found.rule) for found in caught.value.problems] == [
        ("beta", "folder-shared"),
        ("epsilon", "folder-shared"),
    ]


def test_what_does_not_go_together_is_told(tmp_path: Path) -> None:
    wrong = {
        "two_places": "{folder: x, git: {url: 'https://h.example/x.git'}}",
        "two_refs": "{git: {url: 'https://h.example/x.git', branch: a, tag: b}}",
        "plain_one": "{git: {url: 'https://h.example/x.git', password: plain}}",
        "key_https": "{git: {url: 'https://h.example/x.git', key: {env: K}}}",
        "half_login": "{object_store: {url: 's3://bucket/x', key: abc}}",
        "way_out": "{git: {url: 'https://h.example/x.git', folder: ../other}}",
        "typo_key": "{git: {url: 'https://h.example/x.git', brunch: main}}",
    }
    for team, source in wrong.items():
        (tmp_path / f"{team}.yaml").write_text(f"name: {team}\ndags: {source}\n")
    with pytest.raises(InvalidFilesError) as caught:
        load(tmp_path, HomeLayout(tmp_path / "home"), {"K": "k"})
    assert {Path(found.file).stem: found.rule for found in caught.value.problems} == {
        "two_places": "two-sources", "two_refs": "two-sources", "plain_one": "secret-shape", "key_https": "wrong-login",
        "half_login": "wrong-login", "way_out": "bad-folder", "typo_key": "unknown-key",
    }  # fmt: skip
    assert next(found.fix for found in caught.value.problems if found.rule == "unknown-key") == "did you mean branch?"

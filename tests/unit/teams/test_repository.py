"""Team files from a repository: what it is called, what may stand in them, and how mistakes are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.secret import SecretRef
from airspace.sandbox.spec import TeamPlace
from airspace.teams import origins
from airspace.teams.files import InvalidFilesError
from airspace.teams.loading import LoadedTeams
from airspace.teams.references import follow
from airspace.teams.repository import label, load, parse

SOURCE = parse("git+https://git.example/platform.git@main:teams", {})


@dataclass
class Nowhere:
    """A platform that does not run: nothing here asks it for anything."""

    layout: HomeLayout

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        raise AssertionError(arguments)

    def settle(self, places: Sequence[TeamPlace]) -> None:
        raise AssertionError(places)

    def ring(self, bundle: str) -> None:
        raise AssertionError(bundle)


def loaded(folder: Path, variables: Mapping[str, str] = {}, **environ: str) -> LoadedTeams:
    return load(SOURCE, folder, variables, environ, Nowhere(HomeLayout(folder.parent / "home")))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "tree"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("git+https://h.example/a/b.git@main:teams/prod", ("https://h.example/a/b.git", "main", "teams/prod")),
        ("git+https://h.example:8443/b@release/2", ("https://h.example:8443/b", "release/2", None)),
        ("git+https://h.example/b:teams", ("https://h.example/b", None, "teams")),
        ("git+file:///srv/git/b.git@main", ("file:///srv/git/b.git", "main", None)),
    ],
)
def test_a_repository_is_named_as_pip_names_one(text: str, found: tuple[str | None, ...]) -> None:
    source = parse(text, {"every": None})
    assert (source.url, source.branch, source.folder) == found


def test_a_login_in_ssh_is_part_of_the_url() -> None:
    source = parse("git+ssh://git@h.example:2222/b.git@main:teams", {"key": {"env": "KEY"}})
    assert (source.url, label(source)) == (
        "ssh://git@h.example:2222/b.git",
        "git+ssh://git@h.example:2222/b.git@main:teams",
    )


@pytest.mark.parametrize(
    "text",
    ["git+", "git+git@h:x.git", "git+https://u:p@h.example/x.git@main", "git+ext::sh -c id", "git+https://h/x@-x",
     "git+https://h.example/x.git@main:../x", "git+file://host/x", "git+https://h.example/x@a..b",
     "git+--upload-pack=x"],
)  # fmt: skip
def test_what_names_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text, {})
    assert caught.value.fix


def test_everything_wrong_with_it_is_told_at_once() -> None:
    with pytest.raises(InvalidInputError, match=r"branch or tag.*greater than") as caught:
        parse("git+https://h.example/x.git@a..b", {"every": 1})
    assert "write for example main" in (caught.value.fix or "")


def test_problems_are_told_by_the_path_in_the_repository(tree: Path) -> None:
    (tree / "ops.yaml").write_text("name: ops\nslots: many\n")
    (tree / "dev.yaml").write_text("name: ops\n")
    (tree / "far.yaml").write_text("name: far\ndags: {folder: ../dags/far}\n")
    (tree / "own.yaml").write_text("name: own\ndags:\n  folder: /etc\n")
    with pytest.raises(InvalidFilesError) as caught:
        loaded(tree)
    told = [(problem.file, problem.line, problem.rule) for problem in caught.value.problems]
    assert told == [
        ("teams/far.yaml", 2, "folder-in-repository"),
        ("teams/ops.yaml", 1, "duplicate-team"),
        ("teams/ops.yaml", 2, "wrong-type"),
        ("teams/own.yaml", 3, "folder-in-repository"),
    ]
    assert str(tree) not in "".join(map(str, caught.value.problems))
    fix = caught.value.problems[0].fix
    assert fix.startswith("write git: {url: https://git.example/platform.git, branch: main, folder: dags/far} instead")


def test_an_empty_folder_is_told_by_its_name(tree: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        loaded(tree)
    assert caught.value.message == "there is no team file in teams"


def test_who_pushes_reads_nothing_of_the_machine(tree: Path) -> None:
    """References lead into the repository's folder, and to variables that whoever applies has named."""
    (tree.parent / "outside.txt").write_text("hidden")
    (tree / "inside.txt").write_text("shown")
    wanted = ["file: ../outside.txt", "file: /etc/hostname", "env: HOME", "env: SOPS_AGE_KEY", "env: OPEN"]
    lines = "".join(f"  v{number}: {{{entry}}}\n" for number, entry in enumerate(wanted))
    (tree / "ops.yaml").write_text(f"name: ops\nvariables:\n{lines}")
    with pytest.raises(InvalidFilesError) as caught:
        loaded(tree, {"OPEN": "1"}, HOME="/root", SOPS_AGE_KEY="k")
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5, 6]
    assert caught.value.problems[2].fix == "start watch with --env HOME"
    (tree / "ops.yaml").write_text("name: ops\nvariables: {a: {env: OPEN}, b: {file: inside.txt}}\n")
    found = loaded(tree, {"OPEN": "opened"}).teams[0].desired.variables
    assert (found["a"].text, found["b"].text) == ("opened", "shown")


def test_where_it_came_from_is_remembered_by_its_name(tree: Path) -> None:
    """Each commit lies in another folder; what was applied from the branch is known all the same."""
    for name in ("ops", "dev"):
        (tree / f"{name}.yaml").write_text(f"name: {name}\n")
    found = loaded(tree)
    assert found.platform.place == "git+https://git.example/platform.git@main:teams"
    origin = found.origins()["ops"]
    assert (origin.file, origin.pushed) == ("git+https://git.example/platform.git@main:teams/ops.yaml", True)
    layout = HomeLayout(tree.parent / "home")
    layout.teams.mkdir(parents=True)
    for name in ("ops", "dev"):
        (layout.teams / f"{name}.yaml").write_text(f"name: {name}\n")
    origins.remember(layout, found.origins())
    assert origins.gone(layout, found.platform.place, {"ops"}) == ["dev"]


def test_what_a_branch_is_fetched_with_is_looked_for_anew(tmp_path: Path) -> None:
    """On the command line of whoever applies, so wherever that person may read."""
    (tmp_path / "token").write_text("one\n")
    reference = SecretRef(file="token")
    assert follow(reference, tmp_path, {}) == "one"
    (tmp_path / "token").write_text("two\n")
    assert follow(reference, tmp_path, {}) == "two"
    assert follow(SecretRef(env="TOKEN"), tmp_path, {"TOKEN": "three"}) == "three"
    for nowhere in (SecretRef(env="TOKEN"), SecretRef(file="none"), SecretRef(age="token")):
        with pytest.raises(InvalidInputError) as caught:
            follow(nowhere, tmp_path, {})
        assert caught.value.fix

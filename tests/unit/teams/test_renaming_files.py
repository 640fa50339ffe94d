"""Team files that say a team's old name: changed as a person would, or named, and harmless until then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.teams import folders, former, origins, renaming_files, service
from airspace.teams.files import InvalidFilesError, Pushed
from airspace.teams.origins import Origin

OLD = "# whose it is\nname: research # for short\nmembers: {ada: lead}\nassets:\n  churn: {consumers: [growth]}\n"
GROWTH = "name: growth\nassets:\n  sales:  # of each day\n    consumers: [other, research]\n"


class Home:
    def __init__(self, root: Path) -> None:
        self.layout = HomeLayout(root / "home")
        self.files = root / "files"
        for folder in (self.layout.teams, self.layout.dags, self.files):
            folder.mkdir(parents=True)

    def apply(self, team: str, text: str, file: str = "") -> Path:
        path = self.files / (file or f"{team}.yaml")
        path.write_text(text)
        folders.keep_copy(self.layout, team, text.encode())
        origins.remember(self.layout, {team: Origin(str(path))})
        return path

    def rename(self) -> renaming_files.Files:
        return renaming_files.rename(self.layout, "research", "insight", ["growth"])

    def problems(self, pushed: Pushed | None = None) -> list[str]:
        try:
            service.load(self.files, self.layout, {}, pushed=pushed)
        except InvalidFilesError as error:
            return [f"{problem.key}: {problem.message}" for problem in error.problems]
        return []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.apply("other", "name: other\n")
    return made


def test_its_own_file_and_those_of_who_shares_with_it_say_the_new_name_and_nothing_else_changes(home: Home) -> None:
    old, growth = home.apply("research", OLD), home.apply("growth", GROWTH)
    old.chmod(0o640)
    found, problems = renaming_files.look(home.layout, "research", "insight", ["growth"])
    assert (found.changed, found.by_hand, problems) == ([str(old), str(growth)], {}, [])
    new = home.files / "insight.yaml"
    assert home.rename().changed == [str(growth), str(new)]
    assert not old.exists()
    assert new.read_text() == OLD.replace("name: research", "name: insight")
    assert new.stat().st_mode & 0o777 == 0o640
    assert growth.read_text() == GROWTH.replace("research", "insight")
    assert folders.kept_teams(home.layout) == {"growth", "insight", "other"}
    assert folders.kept_copy(home.layout, "insight").read_text() == new.read_text()
    assert folders.kept_copy(home.layout, "growth").read_text() == growth.read_text()
    assert origins.read(home.layout)["insight"].file == str(new)
    assert home.problems() == []
    # Once more is fine, and so is whatever was cut off on the way.
    os.link(new, old)
    folders.keep_copy(home.layout, "research", OLD.encode())
    origins.remember(home.layout, {"research": Origin(str(old))})
    home.rename()
    assert sorted(path.name for path in home.files.iterdir()) == ["growth.yaml", "insight.yaml", "other.yaml"]
    assert home.rename().by_hand == {}


def test_what_was_edited_and_not_applied_stays_so(home: Home) -> None:
    path = home.apply("research", OLD, "teams-of-us.yaml")
    path.write_text(OLD + "slots: 3\n")
    home.apply("growth", GROWTH)
    assert str(path) in home.rename().changed
    assert path.read_text() == OLD.replace("name: research", "name: insight") + "slots: 3\n"
    assert "slots" not in folders.kept_copy(home.layout, "insight").read_text()


def test_a_file_that_cannot_be_changed_is_named_and_does_no_harm(home: Home) -> None:
    home.apply("research", OLD)
    growth = home.apply("growth", "name: growth\nassets:\n  sales: &same {consumers: [research]}\n  costs: *same\n")
    place = "git+https://git.example/teams@main"
    origins.remember(home.layout, {team: Origin(f"{place}/{team}.yaml") for team in ("research", "growth")})
    done = home.rename()
    assert "in a repository" in done.by_hand["insight"][1]
    assert done.by_hand["growth"][0] == f"{place}/growth.yaml"
    assert home.problems() == [
        "assets.sales.consumers.0: team research is called insight now",
        "assets.costs.consumers.0: team research is called insight now",
        f"name: team research is called insight now, and is still called research in"
        f" {place}/growth.yaml (team growth), {place}/research.yaml (team insight)",
    ]
    # Whose file was applied since says it no more; the name is free when none does.
    former.applied(home.layout, ["growth"])
    growth.write_text("name: growth\n")
    assert len(home.problems()) == 1
    former.applied(home.layout, ["insight"])
    assert "as it was" in home.problems()[0]
    (home.files / "research.yaml").write_text("name: research\n")
    assert home.problems() == []
    former.applied(home.layout, ["research"])
    assert former.read(home.layout) == {}


def test_names_that_a_team_had_lead_to_the_one_that_it_has(home: Home) -> None:
    def rename(team: str, name: str) -> None:
        renaming_files.rename(home.layout, team, name, [])

    home.apply("research", OLD)
    rename("research", "insight")
    rename("insight", "growth")
    assert {name: each.now for name, each in former.read(home.layout).items()} == {
        "research": "growth", "insight": "growth"}  # fmt: skip
    rename("growth", "research")
    assert {name: each.now for name, each in former.read(home.layout).items()} == {
        "insight": "research", "growth": "research"}  # fmt: skip
    former.forget(home.layout, "research")
    assert former.read(home.layout) == {}


@pytest.mark.parametrize("text", ["name: somebody\n", "[", "name: research\nname: research\n"])
def test_a_file_that_is_another_one_by_now_is_left_alone(home: Home, text: str) -> None:
    path = home.apply("research", OLD)
    path.write_text(text)
    home.apply("growth", GROWTH)
    assert home.rename().by_hand["insight"][0] == str(path)
    assert path.read_text() == text


def test_a_file_of_the_new_name_is_not_overwritten(home: Home) -> None:
    home.apply("research", OLD)
    home.apply("growth", GROWTH)
    (home.files / "insight.yaml").write_text("name: another\n")
    _, problems = renaming_files.look(home.layout, "research", "insight", [])
    assert "is there already" in problems[0][0]
    home.rename()
    assert (home.files / "insight.yaml").read_text() == "name: another\n"
    assert "name: insight" in (home.files / "research.yaml").read_text()


def test_a_link_in_the_place_of_a_file_is_not_followed(home: Home, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(OLD)
    path = home.apply("research", OLD)
    path.unlink()
    path.symlink_to(secret)
    home.apply("growth", GROWTH)
    assert "link" in home.rename().by_hand["insight"][1]
    assert secret.read_text() == OLD


def test_a_damaged_list_of_names_is_told(home: Home) -> None:
    home.layout.renamed.write_text("[]")
    with pytest.raises(HomeError, match="cannot be read"):
        former.read(home.layout)

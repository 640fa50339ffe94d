"""Rocket's team files are valid, and consent to exactly what the Dags consume."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airspace.model.roles import Role
from airspace.model.team import Team

TEAMS = ("data_engineering", "data_science", "data_analytics")


@pytest.fixture(scope="module")
def teams(rocket: Path) -> dict[str, Team]:
    yaml = YAML(typ="safe", pure=True)
    return {name: Team.model_validate(yaml.load(rocket / f"{name}.yaml")) for name in TEAMS}


def test_the_files_are_valid_and_their_folders_exist(teams: dict[str, Team], rocket: Path) -> None:
    for name, team in teams.items():
        assert team.name == name
        assert team.dags.folder is not None
        assert list((rocket / team.dags.folder).glob("*.py"))
        assert "warehouse" in team.connections


def test_the_same_short_name_means_another_warehouse_in_each_team(teams: dict[str, Team]) -> None:
    assert len({str(team.connections["warehouse"].login) for team in teams.values()}) == 3


def test_each_team_has_a_lead_and_nobody_is_in_two(teams: dict[str, Team]) -> None:
    people = [user for team in teams.values() for user in team.members]
    assert len(people) == len(set(people)) == 7
    assert all(Role.LEAD in team.members.values() for team in teams.values())
    assert "nemo" not in people


def test_consent_is_given_for_what_is_consumed_and_nothing_more(teams: dict[str, Team], rocket: Path) -> None:
    given = {
        (asset, consumer)
        for team in teams.values()
        for asset, grant in team.assets.items()
        for consumer in grant.consumers
    }
    assert given == {(asset, team) for team in TEAMS for asset in scheduled_on(rocket / "dags" / team)}


def scheduled_on(folder: Path) -> set[str]:
    """Names of the assets in `schedule=…`, read from the source: constants of the file are looked up."""
    found: set[str] = set()
    for file in folder.glob("*.py"):
        tree = ast.parse(file.read_text())
        named = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        schedules = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "schedule"]
        for part in (part for schedule in schedules for part in ast.walk(schedule)):
            call = named.get(part.id) if isinstance(part, ast.Name) else part
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                found.add(str(call.args[0].value))
    return found

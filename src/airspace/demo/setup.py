"""Before the story: Rocket's files, teams and people."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from airspace.backends.airflow_rest import Airflow
from airspace.demo.people import Person
from airspace.demo.probes import put
from airspace.demo.workspace import copy_rocket, examples_source
from airspace.model.roles import Role
from airspace.model.team import Team
from airspace.platform.service import Platform
from airspace.teams.files import read_files
from airspace.teams.ports import WORKER
from airspace.teams.service import apply, load, read


@dataclass(frozen=True)
class Rocket:
    """Rocket as applied."""

    folders: Mapping[str, Path]
    members: Mapping[str, Mapping[str, Role]]
    consents: Mapping[tuple[str, str], frozenset[str]]
    edited: tuple[str, ...] = ()


def prepare(platform: Platform) -> Rocket:
    """Copy Rocket's files into the home and make its teams so."""
    target = platform.layout.rocket
    edited = copy_rocket(examples_source(), target)
    loaded = load(target, platform.layout, os.environ)
    files = [team.file.team for team in loaded.teams]
    folders = {team.desired.name: Path(team.desired.folder) for team in loaded.teams}
    put(folders)
    apply(loaded, platform)
    return Rocket(
        folders=folders,
        members={team.name: dict(team.members) for team in [*files, *_other_teams(platform, folders)]},
        consents={
            (team.name, asset): frozenset(grant.consumers) for team in files for asset, grant in team.assets.items()
        },
        edited=tuple(edited),
    )


def _other_teams(platform: Platform, rocket: Collection[str]) -> list[Team]:
    """Teams that were applied beside Rocket: its people may be members there too."""
    kept, _ = read_files(platform.layout.teams)
    others = [file.team for file in kept if file.team.name not in rocket]
    if any(user.startswith("@") for team in others for user in team.members):
        # A group is known by the file beside the original only; the platform knows who is in it.
        real = {team["name"]: {item["user"]: Role(item["role"]) for item in team["members"]} for team in read(platform)}
        others = [team.model_copy(update={"members": real.get(team.name, {})}) for team in others]
    return others


def ensure_users(platform: Platform, people: Mapping[str, Person]) -> None:
    """Every person with the password and the platform role of the demo; nothing to do when all can sign in."""
    if not _all_sign_in(platform.url, people):
        platform.run_control(WORKER, ["ensure-users"], {"users": [_wanted(person) for person in people.values()]})


def _wanted(person: Person) -> dict[str, str | None]:
    role = person.platform_role.value if person.platform_role else None
    return {"name": person.name, "password": person.password, "platform_role": role}


def _all_sign_in(url: str, people: Mapping[str, Person]) -> bool:
    with Airflow(url) as airflow:
        tokens = {
            name: airflow.send("POST", "/auth/token", json={"username": name, "password": person.password})
            for name, person in people.items()
        }
    return all(answer.ok for answer in tokens.values())

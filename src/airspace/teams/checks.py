"""What only shows when all team files are seen together, or when one is held against the machine."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from airspace.model import names
from airspace.model.problem import Problem
from airspace.model.team import OPEN
from airspace.teams.files import Surroundings, TeamFile

_NAMED = ("members", "connections", "variables", "pools", "assets")


def check(files: Sequence[TeamFile], directory: Path, around: Surroundings) -> Iterator[Problem]:
    """Every problem between files, and between a file and its surroundings. Secrets are checked elsewhere."""
    yield from _one_file_a_team(files)
    known = {file.team.name for file in files} | around.known_teams
    misplaced = set()
    for file in files:
        yield from _case(file)
        yield from _consumers(file, known)
        for problem in _folder(file, directory, around):
            misplaced.add(file.team.name)
            yield problem
    yield from _shared_folders([file for file in files if file.team.name not in misplaced], around)


def warnings(files: Sequence[TeamFile]) -> Iterator[Problem]:
    """What is allowed and yet worth a word."""
    for file in files:
        if file.path.stem != file.team.name:
            fix = f"rename it to {file.team.name}{file.path.suffix}"
            yield file.problem(("name",), "file-name", "the file is not named like its team", fix)
        for path in file.team.plain_secrets():
            yield file.problem(
                path, "plain-secret", "a secret stands in this file", "write {env: NAME} or {file: PATH}"
            )
        if OPEN in file.team.reachable:
            yield file.problem(
                ("network",),
                "open-network",
                "open: this team's code may reach every public host on the usual ports",
                "list host:port instead, where they are known",
            )
        folder = source_folder(file)
        if folder is not None and not folder.exists():
            fix = f"mkdir -p {folder}"
            yield file.problem(("dags", "folder"), "no-folder", "the Dag folder does not exist yet", fix)


def source_folder(file: TeamFile) -> Path | None:
    """Where the file says that the team's Dags are, links resolved; None when the platform makes the folder."""
    named = file.team.dags.folder
    return None if named is None else Path(os.path.realpath(file.path.parent / named))


def check_uri(file: TeamFile, name: str, uri: str) -> Iterator[Problem]:
    """Whether a connection's URI can be taken apart. The URI is a secret: nothing of it is quoted."""
    try:
        parts = urlsplit(uri)
        good = bool(parts.scheme) and "://" in uri and uri.count("://") <= 2
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        yield file.problem(
            ("connections", name, "uri"),
            "bad-uri",
            "this is no connection URI",
            "write type://login:password@host:port/db",
        )


def _one_file_a_team(files: Sequence[TeamFile]) -> Iterator[Problem]:
    by_name: dict[str, list[TeamFile]] = defaultdict(list)
    for file in files:
        if isinstance(file.document.value, dict) and file.document.value.get("name") == file.team.name:
            by_name[file.team.name].append(file)
    for name, same in by_name.items():
        for later in same[1:]:
            message = f"the team {name} already has the file {same[0].shown}"
            yield later.problem(("name",), "duplicate-team", message, "merge the two files, or rename one of the teams")


def _case(file: TeamFile) -> Iterator[Problem]:
    for section in _NAMED:
        for group in names.case_collisions(getattr(file.team, section)):
            message = f"{' and '.join(group)} differ only in case"
            yield file.problem((section, group[-1]), "case-collision", message, "rename or remove one", on_key=True)


def _consumers(file: TeamFile, known: set[str]) -> Iterator[Problem]:
    for asset, grant in file.team.assets.items():
        for index, consumer in enumerate(grant.consumers):
            path = ("assets", asset, "consumers", index)
            if consumer in grant.consumers[:index]:
                yield file.problem(path, "duplicate", f"{consumer} is named twice", "remove one")
            elif consumer not in known:
                near = names.did_you_mean(consumer, known)
                fix = f"did you mean {near}?" if near else f"add a file for the team {consumer}, or remove it here"
                yield file.problem(path, "unknown-team", f"there is no team {consumer}", fix)


def _folder(file: TeamFile, directory: Path, around: Surroundings) -> Iterator[Problem]:
    folder = source_folder(file)
    if folder is None:
        return
    root = Path(os.path.realpath(around.root or directory))
    path = ("dags", "folder")
    if not folder.is_relative_to(root) or folder == root:
        message = f"the Dag folder is not inside {root}" if folder != root else f"the Dag folder is {root} itself"
        yield file.problem(path, "folder-outside", message, "move it inside, or apply with --root FOLDER")
    elif any(folder.is_relative_to(place) or place.is_relative_to(folder) for place in around.forbidden):
        yield file.problem(path, "folder-outside", "the Dag folder overlaps the platform's own", "use another folder")
    elif folder.exists() and not folder.is_dir():
        yield file.problem(path, "folder-outside", "this is not a folder", "name a folder")


def _shared_folders(files: Sequence[TeamFile], around: Surroundings) -> Iterator[Problem]:
    by_team = {file.team.name: file for file in files}
    folders = {team: folder for team, folder in around.folders.items() if team not in by_team}
    for name, file in by_team.items():
        if folder := source_folder(file) or (around.defaults and around.defaults / name):
            folders[name] = folder
    owners: dict[Path, list[str]] = defaultdict(list)
    for team, folder in folders.items():
        owners[folder].append(team)
    for team, folder in folders.items():
        for place in (folder, *folder.parents):
            for other in owners.get(place, ()):
                # Two with the same folder meet twice: report it once, at the later of them.
                if other == team or (place == folder and other > team):
                    continue
                at = team if team in by_team and by_team[team].team.dags.folder else other
                if at in by_team:
                    partner = other if at == team else team
                    message = f"this Dag folder {'is also' if place == folder else 'overlaps'} the one of {partner}"
                    fix = "give each team a folder of its own"
                    yield by_team[at].problem(("dags", "folder"), "folder-shared", message, fix)

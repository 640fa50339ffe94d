"""What only shows when all team files are seen together, or when one is held against the machine."""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from airspace.model import names
from airspace.model.problem import Problem
from airspace.model.team import OPEN
from airspace.teams import former, remotes
from airspace.teams.files import Machine, Pushed, Surroundings, TeamFile

MOST_GUESSES = 20
"""Unknown consumers of a file for which a likely one is looked for: among many teams that takes a while."""

_NAMED = ("members", "connections", "variables", "pools", "assets")


def check(files: Sequence[TeamFile], directory: Path, around: Surroundings) -> Iterator[Problem]:
    """Every problem between files, and between a file and its surroundings. Secrets are checked elsewhere."""
    yield from _one_file_a_team(files)
    yield from _look_alikes(files, around)
    yield from _one_owner(files)
    yield from _one_spelling(files)
    known = {file.team.name for file in files} | around.known_teams
    misplaced = set()
    for file in files:
        for problem in _former(file, around):
            known.discard(file.team.name)
            yield problem
    for file in files:
        yield from _case(file)
        yield from _beyond(file, around.machine)
        yield from _consumers(file, known, around)
        for problem in _folder(file, directory, around):
            misplaced.add(file.team.name)
            yield problem
    yield from remotes.check(files, around.remotes)
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


def _look_alikes(files: Sequence[TeamFile], around: Surroundings) -> Iterator[Problem]:
    """A new team whose name one could take for another's: consent and connections would be given to the wrong one."""
    shown = {file.team.name: f" ({file.shown})" for file in files}
    seen: dict[str, str] = {}
    for name in sorted(around.known_teams):
        seen |= dict.fromkeys(names.skeletons(name), name)
    for file in files:
        if file.team.name in around.known_teams:
            continue
        shapes = names.skeletons(file.team.name)
        twin = next((seen[shape] for shape in shapes if seen.get(shape, file.team.name) != file.team.name), None)
        for shape in shapes:
            seen.setdefault(shape, file.team.name)
        if twin:
            message = f"{file.team.name} looks like the team {twin}{shown.get(twin, '')}"
            yield file.problem(("name",), "look-alike", message, "choose a name that nobody takes for the other")


def _one_spelling(files: Sequence[TeamFile]) -> Iterator[Problem]:
    """Users of different teams who differ only in case: one of the two is a slip, or somebody passes for the other."""
    seen: dict[str, tuple[str, TeamFile]] = {}
    told: set[str] = set()
    for file in files:
        for user in file.team.members:
            first, other = seen.setdefault(user.casefold(), (user, file))
            if first != user and other is not file and user not in told:
                told.add(user)
                message = f"{user} and {first} of the team {other.team.name} differ only in case: {other.shown}"
                yield file.problem(("members", user), "case-collision", message, "write one as the other", on_key=True)


def _beyond(file: TeamFile, machine: Machine | None) -> Iterator[Problem]:
    """Limits that are none, because the machine has less than that."""
    if machine is None:
        return
    limits, disk = file.team.limits, f"{machine.disk >> 20}M"
    for path, asked, most, shown in (
        (("limits", "memory"), limits.memory, machine.memory, f"{machine.memory >> 20}M"),
        (("limits", "cpu"), limits.cpu, machine.cpu, str(machine.cpu)),
        (("limits", "processes"), limits.processes, machine.processes, str(machine.processes)),
        (("limits", "scratch"), limits.scratch, machine.disk, disk),
        (("warehouse", "size"), file.team.warehouse.size, machine.disk, disk),
    ):
        if most and (asked or 0) > most:
            message = f"{path[-1]} is more than this machine has"
            yield file.problem(path, "beyond-machine", message, f"write at most {shown}, or leave it out")


def _case(file: TeamFile) -> Iterator[Problem]:
    for section in _NAMED:
        for group in names.case_collisions(getattr(file.team, section)):
            message = f"{' and '.join(group)} differ only in case"
            yield file.problem((section, group[-1]), "case-collision", message, "rename or remove one", on_key=True)


def _former(file: TeamFile, around: Surroundings) -> Iterator[Problem]:
    """A file that says the name that a team had before: it would make that team anew, empty, and share with it."""
    name = file.team.name
    if name not in around.known_teams and (found := former.objection(around.former, name, file.data)):
        yield file.problem(("name",), "renamed-team", *found)


def _consumers(file: TeamFile, known: set[str], around: Surroundings) -> Iterator[Problem]:
    unknown = 0
    for asset, grant in file.team.assets.items():
        seen: set[str] = set()
        for index, consumer in _listed(file, asset, grant.consumers):
            path = ("assets", asset, "consumers", index)
            if consumer in seen:
                yield file.problem(path, "duplicate", f"{consumer} is named twice", "remove one")
            elif consumer not in known and (now := around.former.get(consumer)):
                message = f"team {consumer} is called {now.now} now"
                yield file.problem(path, "renamed-team", message, f"write {now.now}")
            elif consumer not in known | around.unread:
                unknown += 1
                near = names.did_you_mean(consumer, known) if unknown <= MOST_GUESSES else None
                fix = f"did you mean {near}?" if near else f"add a file for the team {consumer}, or remove it here"
                yield file.problem(path, "unknown-team", f"there is no team {consumer}", fix)
            seen.add(consumer)


def _listed(file: TeamFile, asset: str, consumers: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The consumers of an asset with their places in the file, where unusable ones may stand between them."""
    written, usable = file.document.value["assets"][asset]["consumers"] if consumers else (), set(consumers)
    return ((index, name) for index, name in enumerate(written) if isinstance(name, str) and name in usable)


def _one_owner(files: Sequence[TeamFile]) -> Iterator[Problem]:
    """An asset is one team's. What the files of other folders name is known only where they are applied."""
    owners: dict[str, tuple[str, TeamFile]] = {}
    for file in files:
        for asset in file.team.assets:
            first, owner = owners.setdefault(asset.casefold(), (asset, file))
            if owner.team.name == file.team.name:
                continue
            path = ("assets", asset)
            place = f"{owner.shown}:{owner.document.place(('assets', first), key=True)[0]}"
            if first == asset:
                message = f"the asset {asset} is named by the team {owner.team.name} too: {place}"
                yield file.problem(path, "duplicate", message, "leave it to the team that makes it", on_key=True)
            else:
                message = f"{asset} and {first} of the team {owner.team.name} differ only in case: {place}"
                yield file.problem(path, "case-collision", message, "rename or remove one", on_key=True)


def _folder(file: TeamFile, directory: Path, around: Surroundings) -> Iterator[Problem]:
    folder = source_folder(file)
    if folder is None:
        return
    if around.pushed is not None:
        yield _in_repository(file, around.pushed)
        return
    root = Path(os.path.realpath(around.root or directory))
    path = ("dags", "folder")
    if folder == around.folders.get(file.team.name):
        return  # whoever applies has let this team have it before
    if not folder.is_relative_to(root) or folder == root:
        message = f"the Dag folder is not inside {root}" if folder != root else f"the Dag folder is {root} itself"
        yield file.problem(path, "folder-outside", message, "move it inside, or apply with --root FOLDER")
    elif any(folder.is_relative_to(place) or place.is_relative_to(folder) for place in around.forbidden):
        yield file.problem(path, "folder-outside", "the Dag folder overlaps the platform's own", "use another folder")
    elif folder.exists() and not folder.is_dir():
        yield file.problem(path, "folder-outside", "this is not a folder", "name a folder")


def _in_repository(file: TeamFile, pushed: Pushed) -> Problem:
    """The folder is not on this machine: the next commit would pull it from under the team."""
    folder = posixpath.normpath(posixpath.join(pushed.git.get("folder", ""), file.team.dags.folder or ""))
    named = ", ".join(f"{key}: {value}" for key, value in {**pushed.git, "folder": folder}.items())
    fix = f"write git: {{{named}}} instead, with its credentials" if folder[:1] not in "./" else "name a git source"
    message = "a folder beside team files that come from a repository is no Dag folder"
    return file.problem(("dags", "folder"), "folder-in-repository", message, fix)


def _shared_folders(files: Sequence[TeamFile], around: Surroundings) -> Iterator[Problem]:
    by_team = {file.team.name: file for file in files}
    folders = {team: folder for team, folder in around.folders.items() if team not in by_team}
    for name, file in by_team.items():
        if file.team.dags.remote is not None:
            continue
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

"""Team files completed by the ``platform.yaml`` beside them: defaults below each file's own keys, groups resolved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from airspace.model import names
from airspace.model.home import HomeLayout
from airspace.model.platform_file import PlatformFile
from airspace.model.problem import Problem
from airspace.teams import folders
from airspace.teams.document import Document
from airspace.teams.files import TeamFile, read_platform
from airspace.teams.journal import digest
from airspace.teams.validation import validate_platform


@dataclass(frozen=True)
class Beside:
    """The ``platform.yaml`` of a folder, or that there is none.

    :param label: what the folder is called, when it is another one each time: it came from a repository
    """

    folder: Path
    content: PlatformFile = field(default_factory=PlatformFile)
    digest: str | None = None
    label: str | None = None

    @property
    def place(self) -> str:
        """What is remembered of where team files came from."""
        return self.label or str(self.folder.resolve())


def beside(directory: Path) -> tuple[Beside, list[Problem]]:
    """The ``platform.yaml`` of a folder and what is wrong with it by itself."""
    found = read_platform(directory)
    if found is None:
        return Beside(directory), []
    path, data, document = found
    content, problems = validate_platform(document, str(path))
    problems.extend(_wrong(content, document, str(path)))
    return Beside(directory, content, digest(data)), problems


def complete(files: Sequence[TeamFile], platform: Beside) -> tuple[list[TeamFile], list[Problem]]:
    """The files with everything that they mean written out."""
    problems: list[Problem] = []
    completed = []
    for file in files:
        members, wrong = platform.content.expanded(platform.content.defaults.members | file.team.members)
        # What the defaults got wrong is told once, at platform.yaml.
        for key, reason in ((key, reason) for key, reason in wrong if key in file.team.members):
            problems.append(_about_group(file, key, reason, platform.content))
        team = platform.content.completed(file.team).model_copy(update={"members": members})
        completed.append(replace(file, team=team))
    return completed, problems


def _about_group(file: TeamFile, key: str, reason: str, content: PlatformFile) -> Problem:
    if key[1:] in content.groups:
        return file.problem(("members", key), "two-roles", reason, "name that user beside the groups", on_key=True)
    near = names.did_you_mean(key, [f"@{group}" for group in content.groups])
    fix = f"did you mean {near}?" if near else "add it to groups in platform.yaml, or name the users"
    return file.problem(("members", key), "unknown-group", reason, fix, on_key=True)


def tell_everybody(layout: HomeLayout, platform: Beside) -> None:
    """Write what ``platform.yaml`` says to everybody; what another folder's said stays until that one changes it."""
    told: dict[str, str] = {}
    with suppress(OSError, ValueError):
        found = json.loads(layout.platform.read_text(encoding="utf-8"))
        told = {key: found[key] for key in ("contact", "from") if isinstance(found.get(key), str)}
    here = platform.place
    after = {"contact": platform.content.contact, "from": here} if platform.content.contact else {}
    if told == after or (not after and told.get("from") != here):
        return
    folders.write_public(layout.platform, json.dumps(after, indent=2).encode() + b"\n")


def _wrong(content: PlatformFile, document: Document, shown: str) -> Iterator[Problem]:
    """What only shows when the groups are seen together."""
    _, unknown = content.expanded(content.defaults.members)
    for key, reason in unknown:
        place = document.place(("defaults", "members", key), key=True)
        rule, fix = "unknown-group", "add it to groups, or name the users"
        if key[1:] in content.groups:
            rule, fix = "two-roles", "name that user beside the groups"
        yield Problem(shown, *place, f"defaults.members.{key}", rule, reason, fix)
    for group, users in content.groups.items():
        place = document.place(("groups", group), key=True)
        for same in names.case_collisions(users):
            twice = len(set(same)) < len(same)
            rule, what = ("duplicate", "is named twice") if twice else ("case-collision", "differ only in case")
            message = f"{same[0] if twice else ' and '.join(same)} {what}"
            yield Problem(shown, *place, f"groups.{group}", rule, message, "rename or remove one")

"""Team files written for those who do not want to: a team is added, a member comes or goes, drift is adopted.

The file stays the truth: each of these changes the team's file in its place and applies that one file. What cuts this
off between the two is carried on with by the same call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airspace.model.change import Change, ChangeAction
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.names import did_you_mean
from airspace.model.roles import Role
from airspace.model.team import Team
from airspace.teams import completing, editing, folders, journal, origins, service
from airspace.teams.document import MAX_BYTES
from airspace.teams.files import read_document, read_regular
from airspace.teams.loading import LoadedTeams
from airspace.teams.ports import ControlPlane, Tell
from airspace.teams.service import Outcome


@dataclass(frozen=True)
class Written:
    """A team file that was written and applied."""

    team: str
    file: str
    outcome: Outcome

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"team": self.team, "file": self.file, **self.outcome.as_dict()}


@dataclass(frozen=True)
class Adopted:
    """What was changed elsewhere and now stands in the files; and what does not, with the reason."""

    files: tuple[Written, ...] = ()
    adopted: tuple[Change, ...] = ()
    left: tuple[tuple[Change, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "files": [written.file for written in self.files],
            "adopted": [change.as_dict() for change in self.adopted],
            "left": [{**change.as_dict(), "reason": reason} for change, reason in self.left],
        }


@dataclass(frozen=True)
class AsApplied:
    """A team's file as it was last applied, and the ``--root`` of then."""

    path: Path
    data: bytes = field(repr=False)
    root: Path | None


@dataclass
class _Applying:
    """How far an apply has come: until the database has changed, the file can be put back."""

    tell: Tell
    step: str = field(default="", init=False)

    def __call__(self, step: str) -> None:
        self.step = step
        self.tell(step)

    @property
    def may_be_undone(self) -> bool:
        return self.step in ("", "begin", "database")


def _quietly(_step: str) -> None:
    """Tells nobody."""


def add_team(
    team: Team,
    control: ControlPlane,
    environ: Mapping[str, str],
    directory: Path | None = None,
    root: Path | None = None,
    tell: Tell = _quietly,
) -> Written:
    """Write a new team's file and apply it. The same again changes nothing.

    :param directory: where the file goes; by default into the home
    :raises InvalidInputError: there is such a team already, or another file in its place
    """
    layout = control.layout
    with folders.apply_lock(layout):
        path = (directory or folders.make_team_files(layout)).resolve() / f"{team.name}.yaml"
        origin = origins.read(layout).get(team.name)
        if team.name in folders.kept_teams(layout) and (origin is None or origin.file != str(path)):
            where = f" its file is {origin.file}" if origin else ""
            raise InvalidInputError(
                f"there is already a team {team.name};{where}", fix=f"airspace team show {team.name}"
            )
        data = text_of(team)
        loaded = service.load_one(path, data, layout, environ, root, control)
        try:
            folders.create_file(path, data, mode=0o600)
        except FileExistsError:
            if written_as(path) != data:
                raise InvalidInputError(
                    f"there is already a file {path}", fix=f"airspace apply {path.parent}"
                ) from None
        return _apply(loaded, control, tell, lambda: path.unlink(missing_ok=True))


def text_of(team: Team) -> bytes:
    """The file that :func:`add_team` writes."""
    content = team.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return editing.written(content, "Written by `airspace team add`. Edit it as you like, then: airspace apply")


def set_member(control: ControlPlane, team: str, user: str, role: Role | None, tell: Tell = _quietly) -> Written:
    """Give a user a role in a team, or take it, in the team's file; then apply that file.

    :param role: None: the user is no member any more
    :raises InvalidInputError: there is no such team or member, or the file is not what was applied
    """
    layout = control.layout
    with folders.apply_lock(layout):
        file = as_applied(layout, team)
        if role is None:
            _check_named(file, user)
        edit = editing.drop_member(user) if role is None else editing.set_member(user, role.value)
        return _write(file, editing.edited(file.data, edit), control, tell)


def adopt(control: ControlPlane, names: frozenset[str] | None = None, tell: Tell = _quietly) -> Adopted:
    """Write into the team files what somebody changed elsewhere. Secrets never: they stay references.

    :param names: the teams; None: all
    :raises InvalidInputError: a team's file is not what was applied
    """
    found = service.drift(control, names)
    done = Adopted()
    for team in sorted({change.team for change in found.changes}):
        changes = [change for change in found.changes if change.team == team]
        with folders.apply_lock(control.layout):
            done = _adopt(control, team, changes, found.values.get(team, {}), done, tell)
    return done


def _adopt(
    control: ControlPlane,
    team: str,
    changes: list[Change],
    values: Mapping[str, Mapping[str, Any]],
    done: Adopted,
    tell: Tell,
) -> Adopted:
    left, taken = list(done.left), list(done.adopted)
    try:
        file = as_applied(control.layout, team)
    except InvalidInputError as error:
        return replace(done, left=(*left, *((change, error.message) for change in changes)))
    after = file.data
    for change in changes:
        fields = values.get(change.resource)
        try:
            if fields is None:
                raise InvalidInputError("no file can say it, or it may be a secret", fix="")
            _check_droppable(after, change)
            after = editing.edited(after, editing.adopted(change.resource, fields))
        except InvalidInputError as error:
            left.append((change, error.message))
            continue
        taken.append(change)
        if secret := sorted(set(change.after or {}) - set(fields)) if change.action == ChangeAction.UPDATE else []:
            left.append((change, f"{', '.join(secret)} may be secret: change it where the file's reference leads"))
    files = list(done.files)
    if after != file.data:
        stay = [change.resource for change, _ in left if change.team == team and change.action == ChangeAction.UPDATE]
        files.append(_write(file, after, control, tell, stay))
    return Adopted(tuple(files), tuple(taken), tuple(left))


def _check_droppable(data: bytes, change: Change) -> None:
    """What is to go from the file must stand there, not come from ``platform.yaml``."""
    if change.action != ChangeAction.CREATE:
        return
    kind, _, name = change.resource.partition(" ")
    if name not in (content_of(data).get(f"{kind}s") or {}):
        raise InvalidInputError("it comes from platform.yaml, not from the team's file", fix="")


def _check_named(file: AsApplied, user: str) -> None:
    named = content_of(file.data).get("members") or {}
    if user in named:
        return
    platform, _ = completing.beside(file.path.parent)
    groups = [key for key in (*named, *platform.content.defaults.members) if key.startswith("@")]
    via = [group for group in groups if user in platform.content.groups.get(group[1:], ())]
    if via or user in platform.content.defaults.members:
        through = f"by the group {via[0]}" if via else "by the defaults"
        raise InvalidInputError(
            f"{user} is a member {through}", fix=f"change platform.yaml in {file.path.parent}, then apply"
        )
    near = did_you_mean(user, named)
    raise InvalidInputError(f"{user} is no member", fix=f"did you mean {near}?" if near else "airspace team show TEAM")


def _write(file: AsApplied, after: bytes, control: ControlPlane, tell: Tell, stay: Collection[str] = ()) -> Written:
    """
    :param stay: resources that are left as they are, whatever the file says
    """
    loaded = service.load_one(file.path, after, control.layout, None, file.root)
    teams = (
        replace(team, desired=replace(team.desired, kept=tuple({*team.desired.kept, *stay}))) for team in loaded.teams
    )
    loaded = replace(loaded, teams=tuple(teams))
    if after != file.data and not folders.exchange_file(file.path, file.data, after):
        raise InvalidInputError(f"{file.path} was changed a moment ago", fix="try again")
    return _apply(loaded, control, tell, lambda: folders.exchange_file(file.path, after, file.data))


def _apply(loaded: LoadedTeams, control: ControlPlane, tell: Tell, undo: Callable[[], object]) -> Written:
    """Apply what was just written; a refusal puts the file back as it was."""
    applying = _Applying(tell)
    [team] = loaded.teams
    before = journal.unfinished(control.layout)
    try:
        outcome = service.apply_held(loaded, control, applying)
    except AirspaceError:
        if applying.may_be_undone:
            undo()
            journal.end(control.layout, loaded.names - set(before))
        raise
    return Written(team.desired.name, str(team.file.path), outcome)


def as_applied(layout: HomeLayout, team: str) -> AsApplied:
    """
    :raises InvalidInputError: there is none, or it says something that was never applied
    """
    known = folders.kept_teams(layout)
    if team not in known:
        near = did_you_mean(team, known)
        fix = f"did you mean {near}?" if near else "airspace team list shows all"
        raise InvalidInputError(f"there is no team {team}", fix=fix)
    origin = origins.read(layout).get(team)
    if origin is None:
        raise InvalidInputError(
            f"it is not known where the file of {team} is", fix="apply it once more from its folder: airspace apply DIR"
        )
    if origin.pushed:
        raise InvalidInputError(
            f"the file of {team} is in a repository: {origin.file}", fix="edit it there and push; watch applies it"
        )
    path, again = Path(origin.file), f"airspace plan {origin.folder}, then: airspace apply {origin.folder}"
    data = written_as(path)
    if data is None:
        fix = "apply it from where it is now: airspace apply DIR"
        raise InvalidInputError(f"{path} cannot be read, or is a link", fix=fix)
    begun = journal.unfinished(layout).get(team)
    if data != written_as(folders.kept_copy(layout, team)) and begun != journal.digest(data):
        raise InvalidInputError(f"{path} was edited and not applied", fix=again)
    platform, _ = completing.beside(path.parent)
    if platform.digest != origin.platform:
        raise InvalidInputError(f"platform.yaml in {path.parent} was edited and not applied", fix=again)
    return AsApplied(path, data, Path(origin.root) if origin.root else None)


def written_as(path: Path) -> bytes | None:
    """What stands in a team file; None where there is none that could be read."""
    try:
        return read_regular(path, MAX_BYTES + 1)
    except OSError:
        return None


def content_of(data: bytes) -> dict[str, Any]:
    """What a team file says."""
    document = read_document("", data, [])
    content: dict[str, Any] = document.value if document and isinstance(document.value, dict) else {}
    return content

"""The team files that say a team's name: its own, and those of who shares something with it.

What is in a file and was not applied yet stays in it, and not applied. A file that no program can or may change is left
as it is and named; :mod:`airspace.teams.former` keeps it from doing harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.teams import editing, folders, former, journal, origins
from airspace.teams.document import MAX_BYTES
from airspace.teams.editing import Edit
from airspace.teams.files import read_document, read_regular
from airspace.teams.former import Former
from airspace.teams.origins import Origin

_CHANGED = "it was changed a moment ago"


@dataclass
class Files:
    """What becomes, or became, of them.

    :param changed: files that say the new name
    :param by_hand: team → its file, which somebody has to change, and why
    """

    changed: list[str] = field(default_factory=list)
    by_hand: dict[str, tuple[str, str]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        by_hand = {team: {"file": file, "reason": why} for team, (file, why) in self.by_hand.items()}
        return {"changed": self.changed, "by_hand": by_hand}


def look(layout: HomeLayout, team: str, name: str, others: Iterable[str]) -> tuple[Files, list[tuple[str, str]]]:
    """What would be changed, and what is in the way: (message, fix). Touches nothing."""
    found, problems, known = Files(), [], origins.read(layout)
    for each in (team, *others):
        path, why = _place(known.get(each))
        if path is not None and not why:
            why = _why_not_own(path, team, name) if each == team else _edited(path, _consumed(team, name))[0]
        if path is None or why:
            found.by_hand[each] = (str(path or _shown(known.get(each))), why)
        else:
            found.changed.append(str(path))
    own = known.get(team)
    if own is not None and not own.pushed:
        target = _target(Path(own.file), team, name)
        if target != Path(own.file) and os.path.lexists(target):
            problems.append((f"{target} is there already", "look at it, then move it away"))
    if team in journal.unfinished(layout):
        problems.append((f"an apply of {team} was cut off", "apply its file once more: airspace apply DIR"))
    return found, problems


def rename(layout: HomeLayout, team: str, name: str, others: Iterable[str]) -> Files:
    """Have the files say it, those that are kept in the home too. The caller holds the apply lock. Twice is once."""
    done, known, digest = Files(), origins.read(layout), ""
    for each in others:
        _other(layout, each, _consumed(team, name), known.get(each), done)
    if (kept := _read(folders.kept_copy(layout, team))) is not None:
        digest = journal.digest(kept)
        origin = known.get(team)
        file = _own(origin, team, name, done)
        folders.keep_copy(layout, name, _kept(kept, _called(name)))
        # Before the old copy is gone: by it whoever comes after a crash knows that this was not finished.
        _remember(layout, team, name, Former(name, digest, {each: at for each, (at, _) in done.by_hand.items()}))
        origins.rename(layout, team, name, file)
        folders.kept_copy(layout, team).unlink(missing_ok=True)
    return done


def names_folder(layout: HomeLayout, team: str) -> bool:
    """Whether a team's file says where its Dags are."""
    document = read_document("", _read(folders.kept_copy(layout, team)) or b"", [])
    said = document.value.get("dags") if document and isinstance(document.value, dict) else None
    return isinstance(said, dict) and said.get("folder") is not None


def _remember(layout: HomeLayout, team: str, name: str, now: Former) -> None:
    before = former.read(layout).get(team)
    files = {**(before.files if before and before.now == name else {}), **now.files}
    former.remember(layout, team, Former(name, now.digest, files))


def _other(layout: HomeLayout, team: str, edit: Edit, origin: Origin | None, done: Files) -> None:
    """The file of a team that shares something with it, and what is kept of that file."""
    path, why = _place(origin)
    if path is not None and not why:
        why = _change(path, edit)
    if path is None or why:
        done.by_hand[team] = (str(path or _shown(origin)), why)
    else:
        done.changed.append(str(path))
        kept = _read(folders.kept_copy(layout, team))
        if kept is not None:
            folders.keep_copy(layout, team, _kept(kept, edit))


def _own(origin: Origin | None, team: str, name: str, done: Files) -> str | None:
    """The team's own file; where it is now, if it is called otherwise."""
    path, why = _place(origin)
    if path is None:
        done.by_hand[name] = (_shown(origin), why)
        return None
    target = _target(path, team, name)
    if not os.path.lexists(path) and os.path.lexists(target):
        done.changed.append(str(target))
        return str(target)
    if why := why or _why_not_own(path, team, name) or _change(path, _called(name)):
        done.by_hand[name] = (str(path), why)
        return None
    done.changed.append(str(target if _move(path, target) else path))
    return done.changed[-1]


def _target(path: Path, team: str, name: str) -> Path:
    return path.with_name(f"{name}{path.suffix}") if path.stem == team else path


def _move(path: Path, target: Path) -> bool:
    """Never over another file: then it keeps its name, which is only a name."""
    if path == target:
        return True
    with suppress(FileExistsError):
        os.link(path, target, follow_symlinks=False)
    with suppress(OSError):
        if os.path.samestat(path.lstat(), target.lstat()):
            path.unlink()
            return True
    return False


def _place(origin: Origin | None) -> tuple[Path | None, str]:
    """Where a file is, if the platform may change it; else why not."""
    if origin is None:
        return None, "it is not known where it is"
    if origin.pushed:
        return None, "it is in a repository: edit it there and push"
    path = Path(origin.file)
    return path, "" if _read(path) is not None else "it cannot be read, or is a link"


def _shown(origin: Origin | None) -> str:
    return origin.file if origin is not None else "its file"


def _edited(path: Path, edit: Edit) -> tuple[str, bytes]:
    """Why it cannot be changed, or what it would be."""
    data = _read(path)
    if data is None:
        return "it cannot be read, or is a link", b""
    try:
        return "", editing.edited(data, edit)
    except InvalidInputError as error:
        return error.message, b""


def _why_not_own(path: Path, team: str, name: str) -> str:
    document = read_document("", _read(path) or b"", [])
    said = document.value.get("name") if document and isinstance(document.value, dict) else None
    return _edited(path, _called(name))[0] if said in (team, name) else f"it is not the file of {team} any more"


def _kept(data: bytes, edit: Edit) -> bytes:
    """What is kept of a file that a program cannot change is as it was: whoever changes it has it applied again."""
    with suppress(InvalidInputError):
        return editing.edited(data, edit)
    return data


def _change(path: Path, edit: Edit) -> str:
    """Change a file in its place; why not, if not."""
    for _ in range(3):  # somebody may be editing it
        data = _read(path) or b""
        why, after = _edited(path, edit)
        if why:
            return why
        if after == data or folders.exchange_file(path, data, after):
            return ""
    return _CHANGED


def _called(name: str) -> Edit:
    return Edit(lambda content: content.update({"name": name}))


def _consumed(team: str, name: str) -> Edit:
    def change(content: MutableMapping[str, Any]) -> None:
        for grant in (content.get("assets") or {}).values():
            consumers: Any = (grant.get("consumers") if isinstance(grant, MutableMapping) else None) or []
            for place, each in enumerate(consumers):
                if each == team:
                    consumers[place] = name

    return Edit(change)


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path, MAX_BYTES + 1)
    except OSError:
        return None

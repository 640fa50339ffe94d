"""Rocket's files in the user's hands: copied once, theirs to edit, brought up to date where they did not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

from airspace.model.errors import AirspaceError

ORIGIN = ".origin.json"
_SKIPPED = {"__pycache__", ".ruff_cache", ".mypy_cache"}


def examples_source() -> Path:
    """Rocket as shipped: inside the wheel, or beside the sources of an editable installation."""
    shipped = files("airspace") / "_examples" / "rocket"
    with as_file(shipped) as path:
        if path.is_dir():
            return path
    checkout = Path(__file__).resolve().parents[3] / "examples" / "rocket"
    if checkout.is_dir():
        return checkout
    raise AirspaceError("this installation has no examples in it", fix="install airspace again")


def copy_rocket(source: Path, target: Path) -> list[str]:
    """Copy Rocket to ``target``. A file that its user has edited stays as it is.

    :returns: the edited files, as paths below ``target``
    """
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    known = _origin(target)
    edited, now = [], {}
    for name in _names(source):
        content = (source / name).read_bytes()
        place = target / name
        mine = _digest(place.read_bytes()) if place.is_file() else None
        now[name] = _digest(content)
        if mine is not None and mine not in (known.get(name), now[name]):
            edited.append(name)
            continue
        if mine != now[name]:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    for gone in known.keys() - now.keys():
        place = target / gone
        if place.is_file() and _digest(place.read_bytes()) == known[gone]:
            place.unlink()
    (target / ORIGIN).write_text(json.dumps(now, indent=1) + "\n")
    return edited


def _names(source: Path) -> Iterator[str]:
    for path in sorted(source.rglob("*")):
        if path.is_file() and not _SKIPPED & set(path.relative_to(source).parts):
            yield path.relative_to(source).as_posix()


def _origin(target: Path) -> dict[str, str]:
    """What was copied the last time; a file that cannot be read means that everything counts as edited."""
    try:
        known = json.loads((target / ORIGIN).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in known.items()} if isinstance(known, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

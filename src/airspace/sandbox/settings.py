"""What the spawner is started with, and what of the machine team code is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airspace.model.home import HomeLayout
from airspace.sandbox.memory import Budget

KEEP_IDLE = 15.0  # a sandbox without work; a new one takes a twentieth of a second
TEMPLATE = (sys.executable, "-m", "airspace.airflow.sandboxed")
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "MALLOC_ARENA_MAX",
    "AIRSPACE_PLATFORM",
)


@dataclass(frozen=True)
class Settings:
    """What the spawner is started with.

    :param walls: False: without sandboxes, which somebody chose by name
    :param clients: Unix users that may ask
    :param code: folders and files that team code reads: interpreter, packages, settings
    :param control: user and group that work runs as without walls, when root
    """

    layout: HomeLayout
    run: Path
    name: str
    walls: bool
    clients: frozenset[int]
    code: tuple[Path, ...]
    control: tuple[int, int] | None
    template: tuple[str, ...] = TEMPLATE
    keep_idle: float = KEEP_IDLE
    budget: Budget = field(default_factory=Budget.of)


def code_folders(layout: HomeLayout) -> tuple[Path, ...]:
    """What team code is shown of the interpreter, the packages and their settings: each folder once."""
    found = [Path(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    found += [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent, layout.team_airflow]
    kept: list[Path] = []
    for path in sorted({*found, *(path.resolve() for path in found)} - {Path("/")}):
        if not any(above == path or above in path.parents for above in kept):
            kept.append(path)
    return tuple(kept)


def team_environment(layout: HomeLayout, base: Mapping[str, str]) -> dict[str, str]:
    """What the template is started with: nothing that a team may not know."""
    kept = {key: base[key] for key in _KEPT if key in base}
    # Airflow opens a database when it is imported; in a child it is taken away again before any code of a team's runs.
    return {**kept, "AIRFLOW_HOME": str(layout.team_airflow), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://"}

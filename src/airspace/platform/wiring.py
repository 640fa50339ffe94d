"""The one place that puts a platform together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airspace.model.home import HomeLayout, home_root
from airspace.platform.running import RunningPlatform

if TYPE_CHECKING:
    from airspace.platform.service import Platform


def open_platform(root: Path | None = None) -> Platform:
    """The platform of a home.

    :param root: the home; ``$AIRSPACE_HOME`` or its default when None. Nothing is made or read yet.
    """
    from airspace.platform.service import Platform

    return Platform(_layout(root))


def open_running(root: Path | None = None) -> RunningPlatform:
    """The same for who only changes teams; it takes a fraction of the time."""
    return RunningPlatform(_layout(root))


def _layout(root: Path | None) -> HomeLayout:
    return HomeLayout(root.expanduser().absolute() if root else home_root())

"""The one place that puts a platform together."""

from __future__ import annotations

from pathlib import Path

from airspace.model.home import HomeLayout, home_root
from airspace.platform.service import Platform


def open_platform(root: Path | None = None) -> Platform:
    """The platform of a home.

    :param root: the home; ``$AIRSPACE_HOME`` or its default when None. Nothing is made or read yet.
    """
    return Platform(HomeLayout(root.expanduser().absolute() if root else home_root()))

"""What apply needs from the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from airspace.model.home import HomeLayout
from airspace.sandbox.spec import TeamPlace


class ControlPlane(Protocol):
    """A running platform, as :func:`airspace.platform.wiring.open_platform` gives it."""

    @property
    def layout(self) -> HomeLayout:
        """Where it lives."""

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        """Run a module as the control user: JSON in, JSON out.

        :raises NotRunningError: the platform is not running
        :raises AirspaceError: the module refused or failed
        """

    def settle(self, places: Sequence[TeamPlace]) -> None:
        """Make the teams' places on this machine: Unix users, storage, what their sandboxes are made of.

        :param places: without their users, which are the platform's to choose
        """

    def ring(self, bundle: str) -> None:
        """Tell the Dag processor that a bundle changed; a lost ring only delays."""

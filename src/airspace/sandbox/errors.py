"""What can go wrong with a sandbox, for whoever asked for one."""

from __future__ import annotations

from airspace.model.errors import AirspaceError


class SandboxError(AirspaceError):
    """A sandbox could not be built or entered."""


class BusyError(SandboxError):
    """A team's sandbox does not take work now; it may later."""


class NotBegunError(SandboxError):
    """Something ended between the order and the beginning. With other streams it can be tried again."""

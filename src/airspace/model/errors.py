"""The one family of errors that a user may see."""

from __future__ import annotations


class AirspaceError(Exception):
    """Something was refused or failed, and the user can do something about it.

    ``message`` says what happened; ``fix`` is the command or the edit that mends it. Neither ever holds a secret.
    """

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class NotRunningError(AirspaceError):
    """The platform is not running: start it with ``airspace up``."""


class HomeError(AirspaceError):
    """The home folder cannot be used as it is."""


class InvalidInputError(AirspaceError):
    """What the user handed in is wrong; nothing was changed."""

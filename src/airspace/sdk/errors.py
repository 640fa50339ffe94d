"""What can go wrong in team code that reads or publishes data. Each message ends with what to do about it."""

from __future__ import annotations


class SdkError(Exception):
    """Base of this package's errors: ``message`` says what happened, ``fix`` what to do."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}"


class OutsidePlatformError(SdkError):
    """The code does not know which team it runs for: it was not started by the platform."""


class NameRefusedError(SdkError):
    """A team, asset or version name is not a plain name."""


class PublishError(SdkError):
    """What was written cannot be published; the version published before stays current."""


class NotPublishedError(SdkError):
    """There is nothing to read (yet, or not for this team)."""

"""What is wrong with an input, where, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one place. ``line`` and ``column`` count from 1; 0 means the file as a whole.

    ``message`` and ``fix`` never quote a value, only keys and names: a value may be a secret.
    """

    file: str
    line: int
    column: int
    key: str
    rule: str
    message: str
    fix: str

    def as_dict(self) -> dict[str, str | int]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        place = self.file + (f":{self.line}:{self.column}" if self.line else "")
        return f"{place}: {self.message} [{self.rule}]\n    fix: {self.fix}"

"""Which file, folder or table somebody asks for: pure, and strict, because the address is a stranger's."""

from __future__ import annotations

from dataclasses import dataclass

from airspace.sdk.errors import NameRefusedError
from airspace.sdk.layout import PUBLISHED, asset_name, team_name, version_name

FILES, TABLES = "files", "tables"
_LONGEST, _DEEPEST, _LONGEST_NAME, _LONGEST_TABLE = 4000, 60, 255, 63


class PlaceError(ValueError):
    """This is no place; the message says which part of it is wrong."""


@dataclass(frozen=True)
class Place:
    """Something in a team's own storage, or in a version that somebody published.

    ``files/reports/june.csv`` is the team's own; ``published/<owner>/<asset>/<version>/part-0.parquet`` was published.

    :param owner: and asset: of what was published; None: the team's own files
    :param parts: below the team's folder, or below the asset's
    """

    owner: str | None
    asset: str | None
    parts: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Place:
        """The place in ``text``.

        :raises PlaceError: it is none
        """
        if len(text) > _LONGEST:
            raise PlaceError(f"a place has up to {_LONGEST} characters")
        kind, *parts = text.split("/")
        if len(parts) > _DEEPEST:
            raise PlaceError(f"a place is up to {_DEEPEST} folders deep")
        for part in parts:
            _check(part)
        if kind == FILES:
            return cls(None, None, tuple(parts))
        if kind != PUBLISHED or len(parts) < 2:
            raise PlaceError("a place begins with 'files' or with 'published/<team>/<asset>'")
        try:
            owner, asset = team_name(parts[0]), asset_name(parts[1])
            for version in parts[2:3]:
                version_name(version)
        except NameRefusedError as error:
            raise PlaceError(error.message) from None
        return cls(owner, asset, tuple(parts[2:]))

    def inside(self, team: str) -> tuple[str, ...]:
        """Where it is below the storage root, for somebody of this team."""
        if self.owner is None or self.asset is None:
            return (team, *self.parts)
        return (self.owner, PUBLISHED, self.asset, *self.parts)

    @property
    def name(self) -> str:
        """The last part, as a name to save it under."""
        return self.parts[-1] if self.parts else (self.asset or FILES)


@dataclass(frozen=True)
class TablePlace:
    """A table of the warehouse: ``tables/<owner>/<name>``. A name may hold whatever PostgreSQL takes, also slashes."""

    owner: str
    name: str

    @classmethod
    def read(cls, text: str) -> TablePlace:
        """The place in ``text``.

        :raises PlaceError: it is none
        """
        kind, _, rest = text.partition("/")
        owner, _, name = rest.partition("/")
        if kind != TABLES or not name or "\0" in name:
            raise PlaceError("a table is at 'tables/<team>/<name>'")
        # PostgreSQL cuts a longer one, and would read another table.
        if _bytes(name) > _LONGEST_TABLE:
            raise PlaceError(f"a table's name has up to {_LONGEST_TABLE} bytes")
        try:
            return cls(team_name(owner), name)
        except NameRefusedError as error:
            raise PlaceError(error.message) from None


def _check(part: str) -> None:
    if part in ("", ".", "..") or "\0" in part:
        raise PlaceError(f"{part!r} is no name of a file")
    if _bytes(part) > _LONGEST_NAME:
        raise PlaceError(f"a name has up to {_LONGEST_NAME} bytes")


def _bytes(name: str) -> int:
    try:
        return len(name.encode())
    except UnicodeEncodeError:
        raise PlaceError("a name has to be text") from None

"""Local users and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from airspace.backends.tables.schema import members, users
from airspace.model.errors import InvalidInputError
from airspace.model.roles import PlatformRole, Principal, Role


@dataclass(frozen=True)
class UserRow:
    """A local user. ``password_hash`` stays out of the representation, so that no log can hold it."""

    name: str
    password_hash: str | None
    platform_role: PlatformRole | None
    support_role: Role
    disabled: bool

    def __repr__(self) -> str:
        return f"UserRow({self.name!r}, platform_role={self.platform_role}, disabled={self.disabled})"


class UserStore:
    """Users and memberships over one engine. A user without a row, or disabled, is nobody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def principal(self, name: str) -> Principal | None:
        """The user with every role held now; None when unknown or disabled."""
        # One query: this is asked on every request.
        ask = select(users, members.c.team, members.c.role).outerjoin(members, members.c.user_name == users.c.name)
        with self._engine.connect() as connection:
            rows = connection.execute(ask.where(users.c.name == name)).all()
        if not rows or rows[0].disabled:
            return None
        row = _user(rows[0]._asdict())
        teams = {held.team: Role(held.role) for held in rows if held.team is not None}
        return Principal(row.name, row.platform_role, row.support_role, teams)

    def password_hash(self, name: str) -> str | None:
        """The stored hash; None when unknown, disabled or without a password."""
        row = self.user(name)
        return None if row is None or row.disabled else row.password_hash

    def user(self, name: str) -> UserRow | None:
        """One user's row."""
        with self._engine.connect() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
        return None if row is None else _user(row._asdict())

    def users(self) -> list[UserRow]:
        """All users, by name."""
        with self._engine.connect() as connection:
            return [_user(row._asdict()) for row in connection.execute(select(users).order_by(users.c.name))]

    def members(self, team: str | None = None) -> dict[str, dict[str, Role]]:
        """Team → user → role, of one team or of all; also members who have no user row yet."""
        ask = select(members) if team is None else select(members).where(members.c.team == team)
        found: dict[str, dict[str, Role]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(ask.order_by(members.c.team, members.c.user_name)):
                found.setdefault(row.team, {})[row.user_name] = Role(row.role)
        return found

    def add(
        self,
        name: str,
        password_hash: str | None,
        platform_role: PlatformRole | None = None,
        support_role: Role | None = None,
    ) -> None:
        """Add a user.

        :raises InvalidInputError: the name is taken
        """
        row = {
            "name": name,
            "password_hash": password_hash,
            "platform_role": platform_role.value if platform_role else None,
            "support_role": support_role.value if support_role else None,
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(users).values(**row))
        except IntegrityError:
            raise InvalidInputError(
                f"there is already a user {name}", fix=f"airspace user passwd {name} gives a new password"
            ) from None

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the stored hash."""
        self._update(name, password_hash=password_hash)

    def set_platform_role(self, name: str, role: PlatformRole | None, support_role: Role | None = None) -> None:
        """Replace what the user holds across teams."""
        self._update(
            name,
            platform_role=role.value if role else None,
            support_role=support_role.value if support_role else None,
        )

    def set_disabled(self, name: str, disabled: bool) -> None:
        """Shut a user out, or let them in again."""
        self._update(name, disabled=disabled)

    def remove(self, name: str) -> None:
        """Delete the user; memberships stay in the team files and mean nothing without the user."""
        with self._engine.begin() as connection:
            connection.execute(delete(users).where(users.c.name == name))

    def _update(self, name: str, **values: object) -> None:
        with self._engine.begin() as connection:
            done = connection.execute(update(users).where(users.c.name == name).values(**values))
        if done.rowcount == 0:
            raise InvalidInputError(f"there is no user {name}", fix=f"airspace user add {name}")


def _user(field: Mapping[str, Any]) -> UserRow:
    return UserRow(
        name=field["name"],
        password_hash=field["password_hash"],
        platform_role=PlatformRole(field["platform_role"]) if field["platform_role"] else None,
        support_role=Role(field["support_role"]) if field["support_role"] else Role.OPERATOR,
        disabled=field["disabled"],
    )

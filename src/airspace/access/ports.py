"""What sign-in and the doors need from whoever keeps the users."""

from __future__ import annotations

from typing import Protocol

from airspace.model.errors import InvalidInputError
from airspace.model.roles import PlatformRole, Principal, Role


class UserStore(Protocol):
    """Local users with what they hold. The real one is :class:`airspace.backends.tables.UserStore`."""

    def principal(self, name: str) -> Principal | None:
        """The user with every role held at this moment; None when unknown or disabled."""

    def password_hash(self, name: str) -> str | None:
        """The stored hash; None when unknown, disabled or without a password."""

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the stored hash.

        :raises InvalidInputError: there is no such user
        """


class InMemoryUserStore:
    """For tests: forgets everything when the process ends. Held to the same contract as the real one."""

    def __init__(self) -> None:
        self._principals: dict[str, Principal] = {}
        self._hashes: dict[str, str | None] = {}
        self._disabled: set[str] = set()

    def add(
        self,
        name: str,
        password_hash: str | None,
        platform_role: PlatformRole | None = None,
        support_role: Role | None = None,
    ) -> None:
        """Add a user without memberships."""
        self._principals[name] = Principal(name, platform_role, support_role or Role.OPERATOR)
        self._hashes[name] = password_hash

    def set_disabled(self, name: str, disabled: bool) -> None:
        """Shut a user out, or let them in again."""
        (self._disabled.add if disabled else self._disabled.discard)(name)

    def join(self, name: str, team: str, role: Role) -> None:
        """Make the user a member."""
        old = self._principals[name]
        self._principals[name] = Principal(name, old.platform_role, old.support_role, {**old.teams, team: role})

    def principal(self, name: str) -> Principal | None:
        """See :meth:`UserStore.principal`."""
        return None if name in self._disabled else self._principals.get(name)

    def password_hash(self, name: str) -> str | None:
        """See :meth:`UserStore.password_hash`."""
        return None if name in self._disabled else self._hashes.get(name)

    def set_password(self, name: str, password_hash: str) -> None:
        """See :meth:`UserStore.set_password`."""
        if name not in self._principals:
            raise InvalidInputError(f"there is no user {name}", fix=f"airspace user add {name}")
        self._hashes[name] = password_hash

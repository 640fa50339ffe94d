"""The people of Rocket. Their teams and roles stand in Rocket's team files; here is what a team file cannot say."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airspace.model.errors import HomeError
from airspace.model.roles import PlatformRole, Role

PASSWORD_BYTES = 12


@dataclass(frozen=True)
class Person:
    """One person of the demo and what is expected of them."""

    name: str
    platform_role: PlatformRole | None = None
    teams: Mapping[str, Role] = field(default_factory=dict)
    password: str = field(default="", repr=False)

    @property
    def role(self) -> str:
        """One word for the table: the platform role if there is one, else the role in the team, else ``none``."""
        if self.platform_role:
            return self.platform_role.value
        return next((role.value for role in self.teams.values()), "none")


PLATFORM_ROLES: Mapping[str, PlatformRole | None] = {
    "dora": PlatformRole.SUPPORT,
    "emil": PlatformRole.SUPPORT,
    "ana": None,
    "ben": None,
    "ada": None,
    "grace": None,
    "olga": None,
    "nemo": None,
    "iris": PlatformRole.AUDITOR,
    "admin": PlatformRole.ADMIN,
}


def cast(members: Mapping[str, Mapping[str, Role]], passwords: Mapping[str, str]) -> dict[str, Person]:
    """Everybody by name.

    :param members: team → member → role, as Rocket's team files say
    """
    return {
        name: Person(
            name,
            platform_role,
            {team: roles[name] for team, roles in members.items() if name in roles},
            passwords.get(name, ""),
        )
        for name, platform_role in PLATFORM_ROLES.items()
    }


def load_passwords(file: Path) -> dict[str, str]:
    """The demo users' passwords: kept from the last demo, or random ones (mode 0600) the first time."""
    try:
        known = json.loads(file.read_text())
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as error:
        raise HomeError(
            f"{file} cannot be read: {type(error).__name__}", fix=f"rm {file}, then airspace demo"
        ) from error
    passwords = {name: str(known.get(name) or secrets.token_urlsafe(PASSWORD_BYTES)) for name in PLATFORM_ROLES}
    if passwords != known:
        _write_private(file, json.dumps(passwords, indent=2) + "\n")
    return passwords


def _write_private(file: Path, text: str) -> None:
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(file)

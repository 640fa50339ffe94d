"""The home's secrets: random, one file each (0600, the control user's), made once and never shown."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from airspace.model.errors import HomeError
from airspace.platform.home import write_atomically


@dataclass(frozen=True, repr=False)
class Secrets:
    """What the platform's own parts know each other by."""

    fernet_key: str
    jwt_secret: str
    api_secret_key: str
    database_password: str


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _token() -> str:
    return secrets.token_urlsafe(48)


_MAKERS = {
    "fernet_key": _fernet_key,
    "jwt_secret": _token,
    "api_secret_key": _token,
    "database_password": _token,
}


@dataclass(frozen=True)
class Vault:
    """The folder of secret files."""

    folder: Path
    owner: tuple[int, int] | None

    def open(self, *, may_create: bool) -> Secrets:
        """All of them.

        :param may_create: only while a home is being initialised: later, a lost key is a loss to be told, because a
            new one would make every stored connection unreadable
        """
        missing = [name for name in _MAKERS if self.read(name) is None]
        if missing and not may_create:
            raise HomeError(
                f"secrets of this home are missing: {', '.join(missing)}",
                fix=f"restore {self.folder} from a backup",
            )
        for name in missing:
            self.write(name, _MAKERS[name]())
        return Secrets(**{name: self.read(name) or "" for name in _MAKERS})

    def read(self, name: str) -> str | None:
        """One secret, or None."""
        try:
            # The folder is the control user's: do not let it lead root to another file.
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HomeError(f"cannot read {self.folder / name}: {error.strerror}", fix="airspace doctor") from None
        with os.fdopen(descriptor, encoding="utf-8") as file:
            return file.read().strip() or None

    def keep(self, name: str) -> str:
        """One secret that may be made anew at any time: what depends on it is put right at the next start."""
        if (found := self.read(name)) is not None:
            return found
        self.write(name, made := _token())
        return made

    def write(self, name: str, value: str) -> None:
        """Keep one secret."""
        write_atomically(self.folder / name, value + "\n", mode=0o600, owner=self.owner)

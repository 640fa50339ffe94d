"""Secrets that lie encrypted beside the team files: ``age`` and ``sops``. The keys are those of whoever applies.

Only age keys open anything. A file of sops can also name a cloud's or a vault's key service, address included: sops
would ask it, with the credentials of whoever applies. A team file must not be able to choose that.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage

from airspace.teams.document import parse

KEY_FILE, KEY = "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY"
_SECONDS = 20
_MOST_BYTES = 1 << 20
_SERVICES = ("kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp", "key_groups")
_TYPES = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


class SealedError(Exception):
    """It cannot be opened: message and fix. Neither quotes what is inside."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


@dataclass
class Keyring:
    """What opens encrypted secrets: the age keys that sops itself would take, or those of the platform's settings.

    :param environ: of whoever applies
    :param key_file: ``[airspace] age_key_file``
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_file: str | None = None
    _opened: dict[bytes, Any] = field(default_factory=dict, init=False, repr=False)

    def age(self, data: bytes) -> str:
        """What a file of age holds.

        :raises SealedError: none of the keys opens it
        """
        try:
            keys = [pyrage.x25519.Identity.from_str(line) for line in self._keys()]
            text: str = pyrage.decrypt(data, keys).decode()
            return text
        except pyrage.IdentityError:
            raise SealedError("the age key at hand is damaged", f"set {KEY_FILE} to a file of age-keygen") from None
        except pyrage.DecryptError:
            raise SealedError("no age key at hand opens it", f"encrypt it for your key, or set {KEY_FILE}") from None
        except UnicodeDecodeError:
            raise SealedError("what is inside is not UTF-8 text", "encode it, for example as base64") from None

    def sops(self, data: bytes, suffix: str, key: str) -> str:
        """One value of a file of sops.

        :param key: its path, parts joined by dots
        :raises SealedError: the file, or that value, cannot be had
        """
        if data not in self._opened:
            self._opened[data] = self._open(data, _TYPES.get(suffix))
        here = self._opened[data]
        for part in key.split("."):
            if isinstance(here, list) and part.isdecimal() and int(part) < len(here):
                here = here[int(part)]
            elif isinstance(here, dict) and part in here:
                here = here[part]
            else:
                raise SealedError(f"it has no key {key}", "correct key, or add it: sops edit FILE")
        if isinstance(here, (dict, list)) or here is None:
            raise SealedError(f"{key} is no single value", "name one value below it")
        return here if isinstance(here, str) else json.dumps(here)

    def _open(self, data: bytes, kind: str | None) -> Any:
        if kind is None:
            raise SealedError("only files of YAML and JSON are read", "name it .yaml, .yml or .json")
        _check_age_only(data)
        program = shutil.which("sops", path=self.environ.get("PATH"))
        if program is None:
            raise SealedError("sops is not installed", "put sops (3.9 or newer) into PATH, or use (age: PATH)")
        keys = "\n".join(self._keys())
        with tempfile.TemporaryDirectory(prefix="airspace-") as home:
            # Nothing of the caller's environment: no key service could be asked with anything.
            environment = {"PATH": "/usr/bin:/bin", "HOME": home, "XDG_CONFIG_HOME": home, KEY: keys}
            command = [program, "decrypt", "--input-type", kind, "--output-type", "json", "/dev/stdin"]
            try:
                done = subprocess.run(
                    command, input=data, env=environment, capture_output=True, check=False, timeout=_SECONDS, cwd=home
                )
                if done.returncode == 0:
                    return json.loads(done.stdout[:_MOST_BYTES])
            except (subprocess.TimeoutExpired, ValueError, OSError):
                pass
        raise SealedError("sops cannot open it with the age keys at hand", f"sops updatekeys FILE, or set {KEY_FILE}")

    def _keys(self) -> list[str]:
        """Secret keys of age, one a line."""
        text = self.environ.get(KEY) or ""
        named = self.environ.get(KEY_FILE) or (None if text else self.key_file)
        if named:
            try:
                with Path(named).open(encoding="utf-8") as file:
                    text += "\n" + file.read(_MOST_BYTES)
            except (OSError, ValueError):
                raise SealedError("the file of age keys cannot be read", f"set {KEY_FILE} to one") from None
        found = [line.strip() for line in text.splitlines() if line.strip().startswith("AGE-SECRET-KEY-1")]
        if not found:
            raise SealedError("there is no age key", f"age-keygen -o FILE, and set {KEY_FILE} to it")
        return found


def _check_age_only(data: bytes) -> None:
    """Before sops sees the file: no key service is named in it."""
    wrong: list[object] = []
    document = parse(data, lambda *problem: wrong.append(problem))
    about = document.value.get("sops") if document is not None and isinstance(document.value, dict) else None
    if wrong or not isinstance(about, dict) or not about.get("age"):
        raise SealedError("sops did not encrypt it for age keys", "sops encrypt --age RECIPIENT --in-place FILE")
    named = [service for service in _SERVICES if about.get(service)]
    if named:
        raise SealedError(f"it names another key service ({named[0]})", "encrypt it for age keys only")

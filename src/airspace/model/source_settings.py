"""What the platform's owner says of Dag sources and of secrets by reference: ``[airspace]`` of the settings."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.model.limits import SECTION

DEFAULT_BACKEND_NAME = "{team}/{name}"
_CLASS = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")

Get = Callable[[str, str], str | None]


@dataclass(frozen=True)
class SourceSettings:
    """Where Dag sources may be, beside the public hosts of the internet.

    :param hosts: names and networks that are not public and may be asked all the same, also without TLS
    :param folders: ``file://`` repositories may lie below these
    :param ca: certificates to trust beside none: a PEM file in place of the system's list
    """

    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    ca: str | None = None

    @classmethod
    def read(cls, get: Get) -> SourceSettings:
        """As configured; what is wrong was told by :func:`problems`."""
        return cls(
            _list(get(SECTION, "source_hosts")), _list(get(SECTION, "source_folders")), get(SECTION, "source_ca")
        )


@dataclass(frozen=True)
class BackendSettings:
    """The secrets backend that ``{backend: NAME}`` asks: its class, how it is made, and what a name becomes."""

    path: str
    arguments: dict[str, Any]
    template: str = DEFAULT_BACKEND_NAME

    def name(self, team: str, name: str) -> str:
        """What the backend is asked for: by default a team's secrets have its name in front."""
        return self.template.replace("{team}", team).replace("{name}", name)

    @classmethod
    def read(cls, get: Get) -> BackendSettings | None:
        """As configured; None where there is none."""
        path = get(SECTION, "secrets_backend")
        if not path:
            return None
        arguments = json.loads(get(SECTION, "secrets_backend_kwargs") or "{}")
        return cls(path, arguments, get(SECTION, "secrets_backend_name") or DEFAULT_BACKEND_NAME)


def problems(given: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with these settings, by key. Values are not quoted: a backend's may be secret."""
    found = {}
    for key in _CHECKS:
        value = given.get(key)
        fix = _CHECKS[key](value) if value is not None else None
        if fix is not None:
            found[key] = f"[{SECTION}] {key}: {fix}"
    return found


def is_host(entry: str) -> bool:
    """Whether an entry of ``source_hosts`` is a name or a network."""
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return _HOST.fullmatch(entry) is not None
    return True


def _list(value: str | None) -> tuple[str, ...]:
    return tuple(entry for entry in re.split(r"[,\s]+", value or "") if entry)


def _hosts(value: str) -> str | None:
    wrong = [entry for entry in _list(value) if not is_host(entry)]
    return f"write host names and networks: {wrong[0]} is neither" if wrong else None


def _folders(value: str) -> str | None:
    wrong = [entry for entry in _list(value) if not Path(entry).is_absolute() or entry == "/"]
    return "write absolute folders, not / itself" if wrong else None


def _file(value: str) -> str | None:
    return None if Path(value).is_absolute() else "write an absolute path"


def _class(value: str) -> str | None:
    return None if _CLASS.fullmatch(value) else "write the path of a class: package.module.Class"


def _arguments(value: str) -> str | None:
    try:
        good = isinstance(json.loads(value), dict)
    except ValueError:
        good = False
    return None if good else "write a JSON object"


def _template(value: str) -> str | None:
    return None if "{name}" in value else "write where the name goes: {team}/{name}"


_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "source_hosts": _hosts,
    "source_folders": _folders,
    "source_ca": _file,
    "age_key_file": _file,
    "secrets_backend": _class,
    "secrets_backend_kwargs": _arguments,
    "secrets_backend_name": _template,
}

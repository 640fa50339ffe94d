"""The address that people use, ``[api] base_url``: behind a proxy it may lie below a path, ``https://host/airflow``."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from urllib.parse import urlsplit

_PART = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
_VIEWS = frozenset({"as", "t"})
_OWN = _VIEWS.union(
    ["airspace", "api", "assets", "auth", "dags", "docs", "execution", "plugin", "pluginsv2", "static", "ui"]
)
"""What addresses of the server itself begin with. Where a proxy takes the path away, they cannot be told apart."""


def problem(url: str) -> str | None:
    """What is wrong with such an address; None: nothing."""
    try:
        found = urlsplit(url)
    except ValueError as error:
        return f"{url!r} is no address: {error}"
    if found.scheme not in ("http", "https") or not found.netloc or found.query or found.fragment:
        return f"{url!r} is no address: write https://host or https://host/path"
    parts = found.path.strip("/").split("/") if found.path.strip("/") else []
    if not all(_PART.fullmatch(part) for part in parts):
        return f"the path {found.path!r} holds more than letters, digits and ._~-"
    if parts and parts[0] in _OWN:
        return f"addresses of the platform itself begin with /{parts[0]}: choose another path, for instance /airflow"
    if taken := _VIEWS.intersection(parts):
        return f"/{min(taken)}/ in an address begins a view: choose another path, for instance /airflow"
    return None


def path_in(overrides: Path) -> str:
    """The path below which a user's settings put the server, without a slash at its end: ``""``, ``/airflow``."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(overrides, encoding="utf-8")
        url = parser.get("api", "base_url", fallback="")
        return urlsplit(url).path.rstrip("/")
    except (configparser.Error, OSError, ValueError):
        return ""  # whoever starts the platform is told

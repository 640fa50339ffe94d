"""One connection of another Airflow as a team file says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from airspace.importing.deployment import OldConnection
from airspace.importing.records import MASKED
from airspace.importing.secrecy import Secrets, is_secret_extra, looks_secret


def drafted(team: str, short: str, old: OldConnection, secrets: Secrets) -> dict[str, Any]:
    """The entry under ``connections``; its secrets go to ``secrets``."""
    extra = _object(old.extra)
    if _needs_uri(old, extra):
        known = None if old.hidden or _is_masked(extra) else as_uri(old)
        return {
            "uri": secrets.reference(team, [short, "uri"], known, f"all of {short} of {team}, as a URI")
        } | _described(old)
    entry: dict[str, Any] = {"type": old.type}
    for key in ("host", "port", "login", "schema"):
        if (value := getattr(old, key)) is not None:
            entry[key] = value
    if old.password is not None or "password" in old.hidden:
        about = f"the password of {short} of {team}"
        if "password" in old.hidden:
            about += f" (no password there? then take the line out of {team}.yaml)"
        entry["password"] = secrets.reference(team, [short, "password"], old.password, about)
    kept = {key: _extra(team, short, key, value, secrets) for key, value in (extra or {}).items()}
    return entry | ({"extra": kept} if kept else {}) | _described(old)


def as_uri(old: OldConnection) -> str:
    """All of a connection as one URI that Airflow takes apart again, the whole ``extra`` in ``__extra__``."""
    host, protocol = old.host or "", ""
    if "://" in host:
        protocol, _, host = host.partition("://")
        protocol += "://"
    user = quote(old.login or "", safe="") + (f":{quote(old.password, safe='')}" if old.password else "")
    user += "@" if user else ""
    place = quote(host, safe="") + (f":{old.port}" if old.port else "")
    query = "?" + urlencode({"__extra__": old.extra}) if old.extra else ""
    path = f"/{quote(old.schema, safe='')}" if old.schema else "/" if query else ""
    return f"{old.type.replace('_', '-')}://{protocol}{user}{place}{path}{query}"


def is_readable_extra(old: OldConnection) -> bool:
    """Whether ``extra`` is a JSON object, as a team file's is."""
    return old.extra is None or _object(old.extra) is not None


def _object(extra: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(extra) if extra else None
        json.dumps(found, ensure_ascii=False).encode()  # half a character, written as an escape, is in no file
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _needs_uri(old: OldConnection, extra: Mapping[str, Any] | None) -> bool:
    """What has no place for a reference: text in inner lists and mappings, a secret in an address."""
    if any(looks_secret(text) for text in (old.host, old.schema, old.login) if text):
        return True
    return any(isinstance(value, (dict, list)) and value for value in (extra or {}).values())


def _is_masked(value: Any) -> bool:
    """Whether something in it was shown as asterisks."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if here == MASKED:
            return True
        if isinstance(here, dict):
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
    return False


def _extra(team: str, short: str, key: str, value: Any, secrets: Secrets) -> Any:
    if isinstance(value, str) and value and is_secret_extra(key, value):
        known = None if value == MASKED else value
        return secrets.reference(team, [short, key], known, f"{key!a} in the extra of {short} of {team}")
    return value


def _described(old: OldConnection) -> dict[str, Any]:
    return {"description": old.description} if old.description else {}

"""What a published version says about itself: ``manifest.json``, written by the producer, never trusted by a reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class PublishedFile:
    """One file of a version; ``path`` is relative to the version's folder."""

    path: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """``sequence`` counts an asset's versions; ``inputs`` names the versions that this one was made from (lineage)."""

    team: str
    asset: str
    version: str
    sequence: int
    created: str
    rows: int | None
    bytes: int
    files: tuple[PublishedFile, ...]
    schema: Mapping[str, str]
    inputs: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def from_json(text: str | bytes) -> Manifest:
    """The manifest in ``text``; ValueError, naming the key, when it is not one."""
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"not a manifest of format {FORMAT}")
    files = tuple(_file(entry) for entry in _value(data, "files", list))
    inputs = tuple(_typed(entry, "inputs", str) for entry in _value(data, "inputs", list))
    schema = {name: _typed(kind, "schema", str) for name, kind in _value(data, "schema", dict).items()}
    return Manifest(
        team=_value(data, "team", str),
        asset=_value(data, "asset", str),
        version=_value(data, "version", str),
        sequence=_count(data, "sequence"),
        created=_value(data, "created", str),
        rows=None if data.get("rows") is None else _count(data, "rows"),
        bytes=_count(data, "bytes"),
        files=files,
        schema=schema,
        inputs=inputs,
    )


def _typed(value: Any, key: str, kind: Callable[..., Any]) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{key}: not of type {getattr(kind, '__name__', kind)}")
    return value


def _value(data: dict[str, Any], key: str, kind: Callable[..., Any]) -> Any:
    return _typed(data.get(key), key, kind)


def _count(data: dict[str, Any], key: str) -> int:
    value: int = _value(data, key, int)
    if value < 0:
        raise ValueError(f"{key}: negative")
    return value


def _file(entry: Any) -> PublishedFile:
    data: dict[str, Any] = _typed(entry, "files", dict)
    return PublishedFile(path=_value(data, "path", str), bytes=_count(data, "bytes"))

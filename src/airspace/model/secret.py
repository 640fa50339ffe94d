"""Secrets in team files: by reference, so that the file itself can be shared and reviewed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
REFERENCE_KEYS = frozenset({"env", "file", "age", "backend"})
"""Kinds that stand alone; ``sops`` goes with ``key``."""

_HOW = "write {env: NAME}, {file: PATH}, {sops: PATH, key: a.b}, {age: PATH} or {backend: NAME}"
_KEY = re.compile(r"[^\s.][^.\0]{0,199}(?:\.[^.\0]{1,200}){0,15}")
_BACKEND_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,149}")


class SecretRef(BaseModel):
    """Where a secret comes from: one of the kinds; ``key`` says where in a file of sops."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: str | None = None
    sops: str | None = None
    key: str | None = None
    age: str | None = None
    backend: str | None = None

    def as_dict(self) -> dict[str, str]:
        """As in the team file."""
        found: dict[str, str] = self.model_dump(exclude_none=True)
        return found

    def __str__(self) -> str:
        return " ".join(f"{kind} {target}" for kind, target in self.as_dict().items())


def is_reference(value: object) -> bool:
    """Whether a mapping has the shape of a reference."""
    if not isinstance(value, dict):
        return False
    if set(value) == {"sops", "key"}:
        return True
    kind, target = next(iter(value.items()), (None, None))
    # Older files may hold such a mapping as the value of a variable: {age: 30} stays what it was.
    return len(value) == 1 and (kind in ("env", "file") or (kind in REFERENCE_KEYS and isinstance(target, str)))


def parse_reference(value: object) -> SecretRef:
    """A reference from what stands in the file.

    :raises PydanticCustomError: it is none
    """
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, dict) or not is_reference(value):
        raise PydanticCustomError("secret-shape", "this is no secret reference", {"fix": _HOW})
    for kind, target in value.items():
        if not isinstance(target, str) or not target.strip() or "\0" in target:
            raise PydanticCustomError("secret-shape", f"{kind} must name something", {"fix": _HOW})
        if kind == "env" and not ENVIRONMENT_NAME.fullmatch(target):
            raise PydanticCustomError("secret-shape", "this is no name of an environment variable", {"fix": _HOW})
        if kind == "key" and not _KEY.fullmatch(target):
            raise PydanticCustomError("secret-shape", "this is no path of keys", {"fix": "write key: one.two.three"})
        if kind == "backend" and not _BACKEND_NAME.fullmatch(target):
            fix = "a name is letters, digits, _ and -; what stands before it is set by the platform's owner"
            raise PydanticCustomError("secret-shape", "this is no name of a secret in the backend", {"fix": fix})
    return SecretRef(**value)


def _secret(value: object) -> SecretRef | str:
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, (dict, SecretRef)):
        return parse_reference(value)
    raise PydanticCustomError(
        "wrong-type", "expected text or a secret reference", {"fix": f"{_HOW}, or quote the text"}
    )


def _dump(value: SecretRef | str) -> Any:
    return value.as_dict() if isinstance(value, SecretRef) else value


def _schema(description: str, *kinds: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {kind: {"type": "string", "minLength": 1} for kind in kinds},
        "required": list(kinds),
        "additionalProperties": False,
        "description": description,
    }


REFERENCE_SCHEMA = {
    "oneOf": [
        _schema("the value of an environment variable of whoever applies", "env"),
        _schema("the content of a file, without a final line break; a relative path starts at the team file", "file"),
        _schema("a value in a YAML or JSON file that sops encrypted for age keys", "sops", "key"),
        _schema("the content of a file that age encrypted, without a final line break", "age"),
        _schema("a secret of the secrets backend that the platform's owner named", "backend"),
    ]
}

Secret = Annotated[
    Union[str, SecretRef],  # noqa: UP007 - evaluated by pydantic on Python 3.10 too
    PlainValidator(_secret),
    PlainSerializer(_dump),
    WithJsonSchema({"anyOf": [{"type": "string"}, REFERENCE_SCHEMA]}),
]

SecretOnly = Annotated[
    SecretRef, PlainValidator(parse_reference), PlainSerializer(_dump), WithJsonSchema(REFERENCE_SCHEMA)
]
"""A secret that may not stand in the file itself."""

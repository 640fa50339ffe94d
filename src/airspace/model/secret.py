"""Secrets in team files: by reference, so that the file itself can be shared and reviewed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
REFERENCE_KEYS = frozenset({"env", "file"})

_HOW = "write {env: NAME} or {file: PATH}"


class SecretRef(BaseModel):
    """Where a secret comes from: an environment variable of whoever applies, or a file on their machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: str | None = None

    def as_dict(self) -> dict[str, str]:
        """As in the team file."""
        return {"env": self.env} if self.env is not None else {"file": str(self.file)}

    def __str__(self) -> str:
        return f"env {self.env}" if self.env is not None else f"file {self.file}"


def is_reference(value: object) -> bool:
    """Whether a mapping has the shape of a reference: the one key ``env`` or ``file``."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in REFERENCE_KEYS


def parse_reference(value: object) -> SecretRef:
    """A reference from what stands in the file.

    :raises PydanticCustomError: it is none
    """
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, dict) or not is_reference(value):
        raise PydanticCustomError("secret-shape", "a secret reference has one key, env or file", {"fix": _HOW})
    [(kind, target)] = value.items()
    if not isinstance(target, str) or not target.strip() or "\0" in target:
        raise PydanticCustomError("secret-shape", f"{kind} must name something", {"fix": _HOW})
    if kind == "env" and not ENVIRONMENT_NAME.fullmatch(target):
        raise PydanticCustomError("secret-shape", "this is no name of an environment variable", {"fix": _HOW})
    return SecretRef(**{kind: target})


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


REFERENCE_SCHEMA = {
    "oneOf": [
        {
            "type": "object",
            "properties": {kind: {"type": "string", "minLength": 1}},
            "required": [kind],
            "additionalProperties": False,
            "description": description,
        }
        for kind, description in (
            ("env", "the value of an environment variable of whoever applies"),
            ("file", "the content of a file, without a final line break; a relative path starts at the team file"),
        )
    ]
}

Secret = Annotated[
    Union[str, SecretRef],  # noqa: UP007 - evaluated by pydantic on Python 3.10 too
    PlainValidator(_secret),
    PlainSerializer(_dump),
    WithJsonSchema({"anyOf": [{"type": "string"}, REFERENCE_SCHEMA]}),
]

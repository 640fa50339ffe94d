"""What the models of files are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """A mapping in a file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def refuse(rule: str, message: str, fix: str) -> PydanticCustomError:
    """A validator's refusal, as a problem will tell it. Neither text may quote a value."""
    # Braces are the template's placeholders to pydantic: a name may hold none, a fix may.
    return PydanticCustomError(rule, message.replace("{", "(").replace("}", ")"), {"fix": fix})

"""What the models of files are made of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

SALVAGE = "salvage"
"""The context in which keys need not go together: what is left of a part without its broken keys is looked at."""


class Part(BaseModel):
    """A mapping in a file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class JoinedPart(Part):
    """One whose keys have to go together."""

    @classmethod
    @abstractmethod
    def crossed(cls, given: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        """What is wrong with these keys together. Their values are the file's own, and may be anything."""

    @model_validator(mode="after")
    def _goes_together(self, info: ValidationInfo) -> JoinedPart:
        if info.context != SALVAGE:
            for wrong in self.crossed({name: getattr(self, name) for name in self.model_fields_set}):
                raise wrong
        return self


def refuse(rule: str, message: str, fix: str) -> PydanticCustomError:
    """A validator's refusal, as a problem will tell it. Neither text may quote a value."""
    # Braces are the template's placeholders to pydantic: a name may hold none, a fix may.
    return PydanticCustomError(rule, message.replace("{", "(").replace("}", ")"), {"fix": fix})


def refuse_each(wrong: Iterable[tuple[tuple[int | str, ...], PydanticCustomError]]) -> ValidationError:
    """Several refusals at once, each with its place inside the value."""
    details = [InitErrorDetails(type=refusal, loc=place, input=None) for place, refusal in wrong]
    return ValidationError.from_exception_data("value", details, hide_input=True)

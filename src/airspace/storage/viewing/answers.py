"""What a reader may answer. It comes from a team's sandbox, so it is taken as a stranger's: by these shapes, or not.

The pages' API gives the same shapes on.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from airspace.storage.viewing.pictures import SHOWN

MOST_BYTES = 640 * 1024
"""Of an answer, but for the bytes of a file."""

_Count = Annotated[int, Field(ge=0, le=2**62)]
_Word = Annotated[str, Field(max_length=400)]
_Moment = Annotated[float, Field(ge=0, le=2e10, allow_inf_nan=False)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Entry(_Answer):
    """One name in a folder. Only folders and files can be asked for."""

    name: Annotated[str, Field(min_length=1, max_length=1100)]
    kind: Literal["folder", "file", "link", "other", "gone"]
    bytes: _Count
    modified: _Moment


class Folder(_Answer):
    """A page of a folder.

    :param next: asks for the page behind it
    :param complete: False: there are so many names that not all were looked at
    """

    entries: Annotated[list[Entry], Field(max_length=200)]
    next: Annotated[str, Field(max_length=1100, pattern=r"^[0-9a-f]*$")] | None
    complete: bool


class Column(_Answer):
    """A column, and what it holds."""

    name: _Word
    type: _Word


class Grid(_Answer):
    """The beginning of something with rows and columns.

    :param total_rows: all there are, where that is known
    :param more: this is not all of it
    :param note: what else there is to say, for instance why there are no rows
    """

    columns: Annotated[list[Column], Field(max_length=60)] = []
    rows: Annotated[list[list[Annotated[str, Field(max_length=400)] | None]], Field(max_length=100)] = []
    columns_left_out: _Count = 0
    total_rows: _Count | None = None
    more: bool = False
    note: _Word = ""


class Preview(Grid):
    """What is shown of a file.

    :param kind: ``none``: nothing can be shown, ``note`` says why; ``image`` and ``page`` are opened by themselves
    """

    kind: Literal["table", "text", "image", "page", "none"]
    bytes: _Count
    modified: _Moment
    text: Annotated[str, Field(max_length=400_000)] = ""


_TableKind = Literal["table", "partitioned table", "view", "materialized view", "foreign table"]


class Table(Grid):
    """What is shown of a table of the warehouse.

    :param kind: None: it could not be looked at, ``note`` says why
    :param about_rows: as the server last counted them
    """

    kind: _TableKind | None
    about_rows: _Count | None = None


class TableName(_Answer):
    """One table of a team's."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    kind: _TableKind
    about_rows: _Count | None


class Tables(_Answer):
    """What a team has in the warehouse, by name.

    :param more: this is not all of it
    """

    tables: Annotated[list[TableName], Field(max_length=500)]
    more: bool
    note: _Word = ""


class File(_Answer):
    """One file of a version."""

    path: Annotated[str, Field(max_length=1100)]
    bytes: _Count


class Version(_Answer):
    """One version of what was published, as its manifest describes it."""

    version: Annotated[str, Field(max_length=150)]
    created: Annotated[str, Field(max_length=40)]
    rows: _Count | None
    bytes: _Count
    files: Annotated[list[File], Field(max_length=200)]
    files_left_out: _Count
    columns: Annotated[list[Column], Field(max_length=300)]
    inputs: Annotated[list[_Word], Field(max_length=50)]


class Versions(_Answer):
    """What lies there of an asset, the current version first."""

    current: Annotated[str, Field(max_length=150)] | None
    versions: Annotated[list[Version], Field(max_length=20)]


class Opened(_Answer):
    """The bytes of a file follow.

    :param type: as what a browser may take it; None: to be saved, whatever it is
    """

    type: Literal[SHOWN] | None  # type: ignore[valid-type]
    bytes: _Count


class Failed(_Answer):
    """It could not be read."""

    failed: Literal["missing", "link", "no file", "no folder", "refused", "too large", "not shown", "memory", "broken"]


class StrangeAnswerError(Exception):
    """What came is no answer."""


A = TypeVar("A", Folder, Preview, Versions, Opened, Table, Tables)


def judged(body: bytes, wanted: type[A]) -> A | Failed:
    """The answer to a question, or why there is none.

    :param wanted: the shape that was asked for
    :raises StrangeAnswerError: it is neither
    """
    try:
        return cast("A | Failed", _adapter(wanted).validate_json(body))
    except (ValidationError, RecursionError):
        raise StrangeAnswerError("what came back is no answer") from None


@cache
def _adapter(wanted: type[_Answer]) -> TypeAdapter[Any]:
    either: Any = wanted | Failed
    return TypeAdapter(either)

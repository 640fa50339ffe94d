"""The first rows of a table, as plain text in cells, with what each column holds."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

ROWS, COLUMNS, CELL = 100, 60, 300
_INTEGER, _NUMBER = re.compile(r"[+-]?\d{1,18}"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_TYPES = (("integer", _INTEGER), ("number", _NUMBER), ("time", _MOMENT))
_SEPARATORS = ",;\t|"

Table = dict[str, Any]


def separated(text: str, more: bool, *, tabs: bool = False) -> Table:
    """CSV and the like. The last line of a part of a file may be half a line, and is left out."""
    if more and "\n" in text:
        text = text[: text.rindex("\n")]
    first = text.partition("\n")[0]
    separator = "\t" if tabs else max(_SEPARATORS, key=first.count)
    csv.field_size_limit(len(text) + 1)
    rows = []
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        rows.append(row)
        if len(rows) > ROWS + 1:
            break
    names, body = (rows[0], rows[1 : ROWS + 1]) if rows else ([], [])
    cells = [[value if value != "" else None for value in row] for row in body]
    return shaped(names, cells, more=more or len(rows) > ROWS + 1)


def records(values: Iterable[Any], more: bool) -> Table | None:
    """Objects as rows, their keys as columns; None: they are no objects."""
    found: list[dict[str, Any]] = []
    for value in values:
        if not isinstance(value, dict):
            return None
        if len(found) == ROWS:
            more = True
            break
        found.append(value)
    if not found:
        return None
    names = list(dict.fromkeys(key for record in found for key in record))
    shown = names[:COLUMNS]
    return shaped(names, [[_written(record.get(name)) for name in shown] for record in found], more=more)


def lines(text: str, more: bool) -> Table | None:
    """A JSON value on each line; None: that is not what it is."""
    told = text.splitlines()
    if more and told:
        told.pop()
    try:
        return records((json.loads(line) for line in told if line.strip()), more)
    except (ValueError, RecursionError):
        return None


def shaped(
    names: Sequence[Any], rows: Sequence[Sequence[str | None]], *, more: bool, types: Sequence[str] | None = None
) -> Table:
    """A table within its bounds; types that nobody told are guessed from what is shown."""
    width = min(COLUMNS, max([len(names), *map(len, rows)], default=0))
    cut = [[_cut(row[at]) if at < len(row) else None for at in range(width)] for row in rows]
    columns = [
        {
            "name": _cut(str(names[at])) if at < len(names) else "",
            "type": types[at][:CELL] if types is not None and at < len(types) else _type([row[at] for row in cut]),
        }
        for at in range(width)
    ]
    left_out = max(0, max([len(names), *map(len, rows)], default=0) - width)
    return {"kind": "table", "columns": columns, "rows": cut, "more": more, "columns_left_out": left_out}


def _type(values: Iterable[str | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "empty"
    return next((name for name, shape in _TYPES if all(shape.fullmatch(value) for value in there)), "text")


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, bool)) else str(value)


def _cut(value: str | None) -> str | None:
    return value if value is None or len(value) <= CELL else value[: CELL - 1] + "…"

"""The first rows of a Parquet file, with whichever of the team's packages reads it.

The file's own words about sizes are a stranger's. The reader's process has bounds of memory and time; what pyarrow
can be told on top of them, it is told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from airspace.storage.viewing.tables import COLUMNS, ROWS, Table, shaped

MOST_FOOTER = 16 << 20
_NO_READER = "None of the team's packages reads Parquet: install pyarrow or polars."


class UnreadableError(Exception):
    """It cannot be shown; the message says why, in words for a person."""


def parquet(handle: int, size: int) -> Table:
    """Its first rows, and how many there are.

    :raises UnreadableError: it is none, or takes more than a preview may
    """
    _check_footer(handle, size)
    with os.fdopen(os.dup(handle), "rb") as file:
        file.seek(0)
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            return _by_polars(file)
        return _by_pyarrow(file)


def _check_footer(handle: int, size: int) -> None:
    """The last eight bytes say how long the footer is: a whole file may be one."""
    tail = os.pread(handle, 8, max(0, size - 8))
    if tail[4:] not in (b"PAR1", b"PARE"):
        raise UnreadableError("It does not end as a Parquet file does.")
    if int.from_bytes(tail[:4], "little") > min(MOST_FOOTER, size):
        raise UnreadableError(f"Its footer is larger than {MOST_FOOTER >> 20} MB.")


def _by_pyarrow(file: Any) -> Table:
    import pyarrow as pa
    from pyarrow import parquet as pq

    pa.set_memory_pool(pa.system_memory_pool())  # the others set aside gigabytes of addresses, which are bounded here
    pa.set_cpu_count(1)
    try:
        found = pq.ParquetFile(
            file, pre_buffer=False, thrift_string_size_limit=MOST_FOOTER, thrift_container_size_limit=1 << 20
        )
        fields = [found.schema_arrow.field(at) for at in range(min(COLUMNS, len(found.schema_arrow.names)))]
        batches = found.iter_batches(batch_size=ROWS, columns=[field.name for field in fields], use_threads=False)
        batch = next(iter(batches), None)
        columns = [] if batch is None else [_cells(batch.column(at)) for at in range(batch.num_columns)]
    except MemoryError:
        raise UnreadableError("It takes more memory than a preview may have.") from None
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise UnreadableError(f"It cannot be read: {str(error)[:300]}") from None
    names = found.schema_arrow.names
    table = _shaped(names, [str(field.type) for field in fields], columns, found.metadata.num_rows)
    table["columns_left_out"] = max(0, len(names) - COLUMNS)
    return table


def _by_polars(file: Any) -> Table:
    try:
        import polars
    except ImportError:
        raise UnreadableError(_NO_READER) from None
    try:
        frame = polars.read_parquet(file, n_rows=ROWS + 1, use_pyarrow=False)
    except Exception as error:  # noqa: BLE001 - whatever another's library makes of a stranger's file
        raise UnreadableError(f"It cannot be read: {str(error)[:300]}") from None
    columns = [_cells(frame.to_series(at)) for at in range(min(COLUMNS, frame.width))]
    table = _shaped(frame.columns, [str(kind) for kind in frame.dtypes], columns, None)
    table["more"] = frame.height > ROWS
    return table


def _shaped(names: Sequence[str], types: Sequence[str], columns: Sequence[Sequence[Any]], total: int | None) -> Table:
    rows = [list(row) for row in zip(*columns, strict=True)][:ROWS]
    table = shaped(list(names)[: len(columns)] or names, rows, more=len(rows) < (total or 0), types=types or None)
    return {**table, "total_rows": total}


def _cells(column: Any) -> list[str | None]:
    """Values as text; one value may be a whole book, so it is cut before it is kept."""
    values = column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    return [None if value is None else str(value)[:400] for value in values]

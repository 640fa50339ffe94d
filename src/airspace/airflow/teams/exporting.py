"""What the database holds of a team, written to files: one line of JSON a row, one file a table.

The rows go from PostgreSQL to the file without being held or taken apart here, so that neither many nor large ones cost
memory. What could be a secret is not asked for: of connections only names, of variables only keys.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import airflow
from airflow import settings
from sqlalchemy import JSON, LargeBinary, PickleType, String, Table, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

import airspace
from airspace.airflow.teams import belongings
from airspace.airflow.teams.belongings import Whose
from airspace.airflow.teams.holds import bundle_of, dags_of
from airspace.backends import tables as own
from airspace.model.errors import InvalidInputError

EXPORTED = frozenset(
    {
        "asset_event",
        "asset_partition_dag_run",
        "asset_state_store",
        "backfill",
        "backfill_dag_run",
        "dag",
        "dag_code",
        "dag_run",
        "dag_run_note",
        "dag_schedule_asset_alias_reference",
        "dag_schedule_asset_name_reference",
        "dag_schedule_asset_reference",
        "dag_schedule_asset_uri_reference",
        "dag_tag",
        "dag_version",
        "dag_warning",
        "dagrun_asset_event",
        "deadline",
        "hitl_detail",
        "hitl_detail_history",
        "import_error",
        "log",
        "rendered_task_instance_fields",
        "serialized_dag",
        "slot_pool",
        "task_inlet_asset_reference",
        "task_instance",
        "task_instance_history",
        "task_instance_note",
        "task_map",
        "task_outlet_asset_reference",
        "task_reschedule",
        "task_state_store",
        "xcom",
    }
)
LEFT_OUT = {
    "asset_alias_asset_event": "which alias an event came by",
    "asset_dag_run_queue": "what waited for a run",
    "asset_watcher": "hangs on triggers",
    "callback": "what waited to be called",
    "connection": "holds secrets; names are in connections.jsonl",
    "connection_test_request": "holds secrets",
    "dag_bundle": "one row, in the manifest",
    "dag_bundle_team": "one row, in the manifest",
    "dag_favorite": "a user's own",
    "dag_owner_attributes": "links, in the Dags' source",
    "dag_priority_parsing_request": "of a moment",
    "deadline_alert": "in serialized_dag",
    "job": "the platform's own",
    "partitioned_asset_key_log": "what waited for a run",
    "team": "one row, in the manifest",
    "trigger": "holds secrets, and is of a moment",
    "variable": "holds secrets; keys are in variables.jsonl",
}
"""Tables with rows of teams that are not exported, and why."""

_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
LARGE = 64 * 2**20  # bytes of one value; what is larger goes to a file of its own, in pieces
_PIECE = 4 * 2**20  # characters
_MOST_LARGE = 10_000
# Outside of strings a break is as good as a space, and within them there is none.
_LINE = "translate(row_to_json(r)::text, E'\\n\\r\\x01\\x02', '    ')"
_COPY = "COPY (SELECT {line} FROM ({rows}) r) TO STDOUT WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"

Payload = Mapping[str, Any]


def export_team(payload: Payload) -> dict[str, Any]:
    """Write everything to a folder of the control user's, made anew; how many rows of each table, and versions."""
    team, folder = payload["team"], _folder(payload["team"])
    with settings.get_session()() as session:
        bundle = session.scalar(bundle_of(team).select())
        whose = Whose(team, bundle, dags_of(team))
        counts = {}
        for table in belongings.tables():
            condition = belongings.theirs(table, whose) if table.name in EXPORTED else None
            if condition is not None:
                counts[table.name] = _copy(session, _rows(table, condition), folder / f"{table.name}.jsonl")
        for name, rows in _safe_parts(team).items():
            counts[name] = _copy(session, rows, folder / f"{name}.jsonl")
        large = _write_large(session, whose, folder)
        spec = session.scalar(own.teams.select().with_only_columns(own.teams.c.spec).where(own.teams.c.name == team))
    versions = {"airspace": airspace.__version__, "airflow": airflow.__version__}
    return {"folder": str(folder), "rows": counts, "large": large, "versions": versions, "spec": spec}


def _path(team: str) -> Path:
    if not team.replace("_", "").isalnum():
        raise InvalidInputError("that is no team", fix="use the airspace command")
    return Path(os.environ["AIRFLOW_HOME"]) / f"export-{team}"


def _folder(team: str) -> Path:
    folder = _path(team)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def _safe_parts(team: str) -> dict[str, str]:
    """Of what holds secrets, the rest."""
    return {
        "connections": f"SELECT conn_id, conn_type, description FROM connection WHERE team_name = '{team}'",  # noqa: S608
        "variables": f"SELECT key, description FROM variable WHERE team_name = '{team}'",  # noqa: S608
        "members": f"SELECT user_name, role FROM airspace_member WHERE team = '{team}'",  # noqa: S608
        "assets": f"SELECT asset, consumer FROM airspace_asset_grant WHERE team = '{team}'",  # noqa: S608
    }


def _rows(table: Table, condition: Any) -> str:
    chosen = _sql(table.select().where(condition))
    columns = ", ".join(_column(column) for column in table.columns if not _is_opaque(column.type))
    return f"SELECT {columns} FROM ({chosen}) t"  # noqa: S608  # names of Airflow's own columns


def _column(column: Any) -> str:
    name = f't."{column.name}"'
    if not _may_be_large(column.type):
        return name
    size = f"octet_length({name}::text)"
    left = f"json_build_object('left_out_bytes', {size})"
    return f'CASE WHEN {size} > {LARGE} THEN {left} ELSE to_json({name}) END AS "{column.name}"'


def _is_opaque(kind: Any) -> bool:
    """Pickles, and compressed copies of what is there in the clear."""
    return isinstance(kind, (LargeBinary, PickleType))


def _may_be_large(kind: Any) -> bool:
    inner = getattr(kind, "impl", kind)
    return isinstance(kind, (JSON, Text)) or isinstance(inner, (JSON, Text)) or (
        isinstance(kind, String) and kind.length is None
    )  # fmt: skip


def _sql(statement: Any) -> str:
    """As text. All values in it are names of teams and bundles, which hold nothing that would have to be quoted."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


class _Counting:
    """Counts the lines that go through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.lines = file, 0

    def write(self, data: bytes) -> int:
        self.lines += data.count(b"\n")
        return self._file.write(data)


def _copy(session: Session, rows: str, path: Path) -> int:
    with path.open("xb") as file:
        counting = _Counting(file)
        connection: Any = session.connection().connection.driver_connection
        with connection.cursor() as cursor:
            cursor.copy_expert(_COPY.format(line=_LINE, rows=rows), counting)
    if not counting.lines:
        path.unlink()
    return counting.lines


def _write_large(session: Session, whose: Whose, folder: Path) -> list[dict[str, Any]]:
    """The XComs that were left out above, piece by piece."""
    xcom = next(table for table in belongings.tables() if table.name == "xcom")
    keys = ("dag_run_id", "dag_id", "run_id", "task_id", "map_index", "key")
    names = ", ".join(f't."{key}"' for key in keys)
    mine: Any = belongings.theirs(xcom, whose)
    chosen = _sql(xcom.select().where(mine))
    ask = f"SELECT {names} FROM ({chosen}) t WHERE octet_length(t.value::text) > {LARGE} LIMIT {_MOST_LARGE}"  # noqa: S608
    found = []
    for number, row in enumerate(session.connection().exec_driver_sql(ask).mappings().all()):
        path = folder / f"xcom-large-{number}.json"
        with path.open("xb") as file:
            for piece in _pieces(session, dict(row)):
                file.write(piece.encode())
        found.append({**{key: row[key] for key in keys}, "file": path.name, "bytes": path.stat().st_size})
    return found


def _pieces(session: Session, row: dict[str, Any]) -> Iterator[str]:
    where = "dag_run_id = :dag_run_id AND task_id = :task_id AND map_index = :map_index AND key = :key"
    ask = text(f"SELECT substring(CAST(value AS text) FROM :at FOR {_PIECE}) FROM xcom WHERE {where}")  # noqa: S608
    keys = {key: row[key] for key in ("dag_run_id", "task_id", "map_index", "key")}
    at = 1
    while piece := session.scalar(ask, {**keys, "at": at}):
        yield piece
        at += len(piece)

"""Another Airflow's metadata database, read and never written. Its tables are found as they are: Airflow is not asked.

Airflow 2.9 to 3.x keep what we need in the same tables; a column that one version lacks is taken as empty.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from airspace.backends.old_airflow.bounded import SourceError
from airspace.importing import records
from airspace.importing.deployment import Deployment, OldConnection, OldDag, OldUser, OldVariable, Permission
from airspace.model.errors import InvalidInputError

MOST_ROWS, MOST_TEXT = 200_000, 512 << 20
SECONDS = 60
_LONG = frozenset({"source_code", "val", "extra", "password", "description"})


def read_database(url: str, fernet_keys: str | None, *, tell: Callable[[str], None] = lambda _: None) -> Deployment:
    """Everything that the database tells.

    :param fernet_keys: the deployment's ``[core] fernet_key``, several joined by commas; without it secrets stay unread
    :raises SourceError: it cannot be read, or is no Airflow's
    """
    keys = _keys(fernet_keys)
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
                connection.execute(sa.text(f"SET statement_timeout = {SECONDS * 1000}"))
                connection.commit()
            # Rows come as they are asked for: a table may be larger than this machine.
            streaming = connection.execution_options(stream_results=True, max_row_buffer=100)
            return _Reader(streaming, keys, tell).read()
    except SQLAlchemyError as error:
        # Its text may quote the URL and what stands in rows.
        raise SourceError(
            f"the database cannot be read ({type(error).__name__})", fix="check the URL, the rights and the network"
        ) from None
    finally:
        engine.dispose()


def _keys(given: str | None) -> MultiFernet | None:
    if not given:
        return None
    try:
        return MultiFernet([Fernet(key.strip()) for key in given.split(",") if key.strip()])
    except ValueError:
        raise InvalidInputError(
            "AIRSPACE_IMPORT_FERNET_KEY is no Fernet key", fix="copy [core] fernet_key of the other deployment"
        ) from None


def _engine(url: str) -> sa.Engine:
    scheme = urlsplit(url).scheme
    try:
        if scheme.startswith("sqlite"):
            path = sa.make_url(url).database or ""
            # Opened by SQLite's own read-only mode: it makes no file where there is none.
            return sa.create_engine(f"sqlite:///file:{quote(path)}?mode=ro&uri=true", poolclass=NullPool)
        if scheme.partition("+")[0] in ("postgres", "postgresql"):
            made = sa.make_url(url).set(drivername="postgresql+psycopg2")
            return sa.create_engine(made, poolclass=NullPool, connect_args={"connect_timeout": 10})
        return sa.create_engine(url, poolclass=NullPool)
    except (ArgumentError, ValueError, ImportError) as error:
        fix = "for example postgresql://user@host/airflow; for MySQL, install its driver (mysqlclient) beside Airspace"
        raise SourceError(f"no database can be opened by this URL ({type(error).__name__})", fix=fix) from None


@dataclass
class _Reader:
    connection: sa.Connection
    keys: MultiFernet | None
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self._columns: dict[str, set[str]] = {}
        self._tables = set(sa.inspect(self.connection).get_table_names())
        self._undecrypted = 0
        self._read = 0

    def read(self) -> Deployment:
        if not {"dag", "connection", "variable", "slot_pool"} <= self._tables:
            raise SourceError("this is no Airflow's database", fix="give the URL of [database] sql_alchemy_conn")
        dags = self._dags()
        self.tell("read connections, variables and pools")
        connections = self._made("connection", self._connection)
        variables = self._made("variable", self._variable)
        pools = self._made("slot_pool", records.pool)
        self.tell("read users and roles")
        users, roles = self._people()
        if self._undecrypted:
            why = "without AIRSPACE_IMPORT_FERNET_KEY" if self.keys is None else "by the key that was given"
            self.notes.append(f"{self._undecrypted} secrets could not be decrypted {why}; fill them in in .env.")
        return Deployment(self._version(), dags, connections, variables, pools, users, roles, tuple(self.notes))

    # --- rows --------------------------------------------------------------------------------------------------------

    def _rows(self, table: str, *columns: str) -> Iterator[dict[str, Any]]:
        """The rows of a table, as far as it has these columns (all of them, if none is named)."""
        if table not in self._columns:
            self._columns[table] = {column["name"] for column in sa.inspect(self.connection).get_columns(table)}
        wanted = [name for name in columns if name in self._columns[table]] if columns else self._columns[table]
        source = sa.table(table, *(sa.column(name) for name in sorted(wanted)))
        cells = [
            sa.func.substr(column, 1, records.SOURCE).label(column.name) if column.name in _LONG else column
            for column in source.columns
        ]
        for count, row in enumerate(self.connection.execute(sa.select(*cells).limit(MOST_ROWS + 1))):
            if count >= MOST_ROWS:
                self.notes.append(f"The table {table} has more than {MOST_ROWS} rows; the rest was left out.")
                return
            self._read += sum(len(cell) for cell in row if isinstance(cell, str))
            if self._read > MOST_TEXT:
                raise SourceError(
                    f"more than {MOST_TEXT >> 20} MB of text up to the table {table}", fix="import from its REST API"
                )
            yield dict(row._mapping)

    def _made(self, table: str, make: Callable[[Mapping[str, Any]], Any]) -> tuple[Any, ...]:
        made, bad = records.each((_decoded(row) for row in self._rows(table)), make)
        if bad:
            self.notes.append(f"{bad} rows of {table} were none and are left out.")
        return tuple(made)

    def _version(self) -> str:
        """The newest revision of Airflow's tables: which version made them is nowhere said."""
        found = next(self._rows("alembic_version"), {}) if "alembic_version" in self._tables else {}
        return f"(tables {found.get('version_num')})" if found else ""

    # --- Dags --------------------------------------------------------------------------------------------------------

    def _dags(self) -> tuple[OldDag, ...]:
        self.tell("read Dags")
        tags: dict[str, list[str]] = defaultdict(list)
        for row in self._rows("dag_tag", "name", "dag_id") if "dag_tag" in self._tables else ():
            tags[str(row["dag_id"])].append(str(row["name"]))
        teams = self._bundle_teams()
        sources = self._sources()
        kept = []
        columns = (
            "dag_id fileloc relative_fileloc processor_subdir bundle_name owners is_paused is_active is_stale is_subdag"
        )
        for row in self._rows("dag", *columns.split()):
            if (
                _is(row.get("is_active"), otherwise=True)
                and not _is(row.get("is_stale"))
                and not _is(row.get("is_subdag"))
            ):
                kept.append(_dag_row(row, tags, teams))
        made, bad = records.each(kept, records.dag)
        if bad:
            self.notes.append(f"{bad} rows of dag were none and are left out.")
        return tuple(replace(dag, source=sources.get(dag.dag_id) or sources.get(dag.file)) for dag in made)

    def _bundle_teams(self) -> dict[str, str]:
        table = "dag_bundle_team"
        rows = self._rows(table, "dag_bundle_name", "team_name") if table in self._tables else ()
        return {str(row["dag_bundle_name"]): str(row["team_name"]) for row in rows if "team_name" in row}

    def _sources(self) -> dict[str, str]:
        """The text of Dag files, by file and (Airflow 3, where the last version counts) by Dag."""
        found: dict[str, str] = {}
        if "dag_code" not in self._tables:
            return found
        written: dict[str, str] = {}
        for row in self._rows("dag_code", "fileloc", "dag_id", "source_code", "last_updated"):
            when, text = str(row.get("last_updated")), row.get("source_code")
            for key in (row.get("fileloc"), row.get("dag_id")):
                if isinstance(text, str) and key and when >= written.get(str(key), ""):
                    found[str(key)], written[str(key)] = text, when
        return found

    # --- connections and variables -----------------------------------------------------------------------------------

    def _connection(self, row: Mapping[str, Any]) -> OldConnection:
        values, hidden = dict(row), set()
        for key, flag in (("password", "is_encrypted"), ("extra", "is_extra_encrypted")):
            if values.get(key) and _is(row.get(flag)):
                values[key] = self._plain(values[key])
                if values[key] is None:
                    hidden.add(key)
        return records.connection(values, hidden=hidden)

    def _variable(self, row: Mapping[str, Any]) -> OldVariable:
        if not _is(row.get("is_encrypted")) or not row.get("val"):
            return records.variable(row)
        return records.variable({**row, "val": self._plain(row["val"])})

    def _plain(self, token: Any) -> str | None:
        try:
            if self.keys is None or not isinstance(token, str):
                raise InvalidToken
            return self.keys.decrypt(token.encode()).decode()
        except (InvalidToken, UnicodeError):
            self._undecrypted += 1
            return None

    # --- users and roles ---------------------------------------------------------------------------------------------

    def _people(self) -> tuple[tuple[OldUser, ...], dict[str, frozenset[Permission]]]:
        if not {"ab_user", "ab_role", "ab_user_role", "ab_permission_view_role"} <= self._tables:
            self.notes.append("There are no users and roles of FAB in this database. Write members by hand.")
            return (), {}
        roles = {row["id"]: str(row["name"]) for row in self._rows("ab_role", "id", "name")}
        actions = {row["id"]: str(row["name"]) for row in self._rows("ab_permission", "id", "name")}
        resources = {row["id"]: str(row["name"]) for row in self._rows("ab_view_menu", "id", "name")}
        pairs: dict[Any, Permission] = {}
        for row in self._rows("ab_permission_view", "id", "permission_id", "view_menu_id"):
            if row["permission_id"] in actions and row["view_menu_id"] in resources:
                pairs[row["id"]] = (actions[row["permission_id"]], resources[row["view_menu_id"]])
        may: dict[str, set[Permission]] = {name: set() for name in roles.values()}
        for row in self._rows("ab_permission_view_role", "permission_view_id", "role_id"):
            if row["role_id"] in roles and row["permission_view_id"] in pairs:
                may[roles[row["role_id"]]].add(pairs[row["permission_view_id"]])
        held: dict[Any, list[str]] = defaultdict(list)
        for row in self._rows("ab_user_role", "user_id", "role_id"):
            if row["role_id"] in roles:
                held[row["user_id"]].append(roles[row["role_id"]])
        users = [
            {"username": row["username"], "roles": held[row["id"]], "active": _is(row.get("active"), otherwise=True)}
            for row in self._rows("ab_user", "id", "username", "active")
        ]
        made, _ = records.each(users, records.user)
        return tuple(made), {name: frozenset(found) for name, found in may.items()}


def _dag_row(row: Mapping[str, Any], tags: Mapping[str, list[str]], teams: Mapping[str, str]) -> dict[str, Any]:
    """A row of ``dag`` as REST would tell it."""
    file, folder = row.get("fileloc"), row.get("processor_subdir")
    path = row.get("relative_fileloc")
    if not path and isinstance(file, str) and isinstance(folder, str) and file.startswith(folder.rstrip("/") + "/"):
        path = file[len(folder.rstrip("/")) + 1 :]
    return {
        **row,
        "is_paused": _is(row.get("is_paused"), otherwise=True),
        "relative_fileloc": path,
        "tags": tags.get(str(row.get("dag_id")), []),
        "team_name": teams.get(str(row.get("bundle_name"))),
    }


def _is(value: Any, *, otherwise: bool = False) -> bool:
    """A flag, which is a number where a database knows no booleans."""
    return otherwise if value is None else bool(value)


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON columns hold, as the text that it was."""
    return {key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in row.items()}

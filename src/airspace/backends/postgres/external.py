"""A PostgreSQL that the company runs: is it there, new enough, and may we make tables in it?"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg2

from airspace.backends.postgres.cluster import PostgresError

OLDEST = 130000  # server_version_num of PostgreSQL 13, the oldest that Airflow 3.3 supports
_CONNECT_SECONDS = 10
_EXAMPLE = "airspace up --database postgresql://user:password@host:5432/database"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def normalise(url: str) -> str:
    """The URL as SQLAlchemy with psycopg2 wants it; refuses what is not PostgreSQL or names no database."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise PostgresError("this is not a database URL", fix=_EXAMPLE) from None
    scheme, _, driver = parts.scheme.partition("+")
    if scheme not in ("postgresql", "postgres") or driver not in ("", "psycopg2"):
        raise PostgresError(
            f"the metadata database must be PostgreSQL, not {parts.scheme or 'a URL without a scheme'}", fix=_EXAMPLE
        )
    if not parts.path.strip("/"):
        raise PostgresError("the database URL names no database", fix=_EXAMPLE)
    # Airflow expands $NAME in its settings.
    return urlunsplit(parts._replace(scheme="postgresql+psycopg2")).replace("$", "%24")


def asynchronous(url: str) -> str:
    """The same database for asyncpg, which knows libpq's ``sslmode`` by another name and few of its other options."""
    parts = urlsplit(url)
    options = []
    for key, value in parse_qsl(parts.query):
        if key == "sslmode" and value in _SSL_MODES:
            options.append(("ssl", value))
        elif key in ("host", "port", "ssl"):
            options.append((key, value))
    query = urlencode(options, quote_via=quote)
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg", query=query))


def certificates(url: str | None) -> dict[str, str]:
    """What asyncpg has to be told by its environment: SQLAlchemy hands it no certificates."""
    options = dict(parse_qsl(urlsplit(url).query)) if url else {}
    names = {"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
    return {variable: options[name] for name, variable in names.items() if options.get(name)}


def redacted(url: str) -> str:
    """The URL without its password and options, for messages."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return f"postgresql://{user}{parts.hostname or ''}{port}{parts.path}"


def check(url: str) -> None:
    """Raise :class:`PostgresError`, naming the fix, unless this database can hold Airflow's tables."""
    name = redacted(url)
    parts = urlsplit(url)
    try:
        connection = psycopg2.connect(urlunsplit(parts._replace(scheme="postgresql")), connect_timeout=_CONNECT_SECONDS)
    except psycopg2.Error as error:
        reason = str(error).strip().replace(parts.password or "\0", "***")
        raise PostgresError(
            f"cannot connect to {name}: {reason}", fix="check host, user, password and pg_hba.conf of that server"
        ) from None
    try:
        with connection, connection.cursor() as cursor:
            version = connection.server_version
            cursor.execute("SELECT has_schema_privilege(current_schema(), 'CREATE'), current_user")
            row = cursor.fetchone()
    finally:
        connection.close()
    if version < OLDEST:
        raise PostgresError(f"{name} is PostgreSQL {version // 10000}; 13 is the oldest that works", fix="upgrade it")
    if row is None or not row[0]:
        user = row[1] if row else "the user"
        raise PostgresError(
            f"{user} may not create tables in {name}",
            fix=f'GRANT CREATE, USAGE ON SCHEMA public TO "{user}"',
        )


def powers(url: str) -> tuple[bool, int]:
    """Whether the URL's user may do everything on that server, and its version: what the warehouse asks for."""
    connection = psycopg2.connect(
        urlunsplit(urlsplit(url)._replace(scheme="postgresql")), connect_timeout=_CONNECT_SECONDS
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('is_superuser') = 'on'")
            row = cursor.fetchone()
            version = connection.server_version
    finally:
        connection.close()
    return bool(row and row[0]), version

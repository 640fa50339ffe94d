"""Where it runs: a database of the company's, an interpreter in a closed folder."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

import airspace
from airspace.backends.postgres import Cluster, PostgresError, binaries
from airspace.model.errors import AirspaceError
from airspace.platform import ports
from airspace.platform.service import Platform

pytestmark = pytest.mark.integration
New = Callable[..., Platform]
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def company_server() -> Iterator[str]:
    """A PostgreSQL on loopback TCP, as a company's would be; gives its URL without a database."""
    root = Path(tempfile.mkdtemp(prefix="asp-co-", dir="/tmp"))
    owner, prefix = None, ()
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        owner = (nobody.pw_uid, nobody.pw_gid)
        prefix = ("setpriv", f"--reuid={owner[0]}", f"--regid={owner[1]}", "--clear-groups")
        os.chown(root, *owner)
    cluster = Cluster(data=root / "data", socket_dir=root, prefix=prefix, owner=owner)
    password = secrets.token_urlsafe(8) + "@/%$:"
    cluster.initialise(password)
    with ports.reserved(None, None) as port:
        command = [*cluster.command(), "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        server = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        # It listens before it takes anybody: a port that answers is not enough.
        while subprocess.run([binaries() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"postgresql://airspace:{quote(password, safe='')}@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(root, ignore_errors=True)


def test_a_companys_database_takes_the_place_of_ours(new_platform: New, company_server: str) -> None:
    admin = psycopg2.connect(company_server + "/postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("CREATE DATABASE airflow")
        cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'r'")
    admin.close()
    platform = new_platform()
    for url, told in (
        (company_server.replace("airspace:", "reader:wrong") + "/airflow", "cannot connect"),
        (f"postgresql://reader:r@{company_server.rpartition('@')[2]}/airflow", "may not create tables"),
        ("mysql://h/db", "must be PostgreSQL"),
        ("postgresql://u:p@127.0.0.1:1/db", "cannot connect"),
    ):
        with pytest.raises(AirspaceError, match=told) as refused:
            platform.up(database_url=url)
        assert refused.value.fix
    platform.up(database_url=company_server + "/airflow")
    status = platform.status()
    assert status.ready
    assert "postgres" not in [part.name for part in status.components]
    assert not platform.layout.postgres_data.exists()
    platform.down()
    platform.up()  # the URL is kept
    assert platform.status().ready
    password = company_server.split(":")[2].split("@")[0]
    assert not [p for p in platform.layout.logs.glob("*.log") if password in p.read_text(errors="replace")]


def test_a_home_keeps_the_database_it_began_with(new_platform: New) -> None:
    platform = new_platform()
    platform.up()
    with pytest.raises(AirspaceError, match="has its own database"):
        platform.up(database_url="postgresql://u:p@127.0.0.1:1/db")


def test_an_interpreter_in_a_closed_folder_runs_without_opening_the_folder(new_platform: New, folder: Path) -> None:
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "all.pth").write_text("\n".join([*packages, str(Path(airspace.__file__).parents[1]), str(CHECKOUT)]))
    code = (
        "import sys; from pathlib import Path; from airspace.model.home import HomeLayout;"
        "from airspace.platform.service import Platform; from tests.integration.platform.conftest import small;"
        "Platform(HomeLayout(Path(sys.argv[1])), small()).up()"
    )
    platform = new_platform()
    subprocess.run([venv / "bin" / "python", "-c", code, platform.layout.root], check=True)
    assert platform.status().ready
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_data_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").touch()
    with pytest.raises(PostgresError, match="not a PostgreSQL data folder"):
        Cluster(tmp_path / "data", tmp_path).initialise("x")

"""Fixtures for all levels. A real PostgreSQL is started once per session; each test that asks gets its own database."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from airspace.backends.postgres import Cluster, binaries

# The same examples each time, however long one takes here: what fails is the change that is tested. To look for more:
# pytest --hypothesis-profile=default
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

PASSWORD = secrets.token_urlsafe(16)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A running private PostgreSQL. As root it runs as ``nobody``, because PostgreSQL refuses root."""
    root = Path(tempfile.mkdtemp(prefix="asp-pg-", dir="/tmp"))
    drop: list[str] = []
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
        drop = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    cluster = Cluster(data=root / "data", socket_dir=root)
    pwfile = root / "pw"
    pwfile.write_text(PASSWORD)
    pwfile.chmod(0o644)
    initdb = [str(binaries() / "initdb"), "-D", str(cluster.data), "-U", "airspace", "-A", "scram-sha-256", "-E"]
    initdb += ["UTF8", "--locale=C.UTF-8", "--no-sync", f"--pwfile={pwfile}"]
    subprocess.run([*drop, *initdb], check=True, capture_output=True, cwd="/")
    tuned = ["-c", "fsync=off", "-c", "listen_addresses=", "-c", "max_connections=200"]
    server = subprocess.Popen(
        [*drop, *cluster.command(), *tuned], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while not cluster.ready():
            assert server.poll() is None, "postgres ended"
            assert time.monotonic() < deadline, "postgres did not become ready"
            time.sleep(0.05)
        yield cluster
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def new_database(postgres: Cluster) -> Callable[[], str]:
    """Returns a function that makes an empty database and gives its psycopg2 SQLAlchemy URL."""

    def make() -> str:
        name = f"t_{secrets.token_hex(6)}"
        postgres.create_database(PASSWORD, name)
        return postgres.url(PASSWORD, name)

    return make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With ``--durations``: where the time goes, file by file, with what each of them had to start."""
    if config.getoption("durations") is None:
        return
    spent: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                spent[report.nodeid.partition("::")[0]] += report.duration
    terminalreporter.section("seconds by file")
    for file, seconds in sorted(spent.items(), key=lambda each: -each[1])[:40]:
        terminalreporter.write_line(f"{seconds:7.1f}  {file}")

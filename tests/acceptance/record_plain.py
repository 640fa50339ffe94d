"""Record how Airflow's own example Dags end on plain Airflow: LocalExecutor, one team-less deployment, same PostgreSQL.

    python -m tests.acceptance.record_plain              (a few minutes; rewrites data/plain_airflow_examples.json)
    python -m tests.acceptance.record_plain conformance  (our own Dag of everything; rewrites data/conformance.json)

Plain means without us: it runs in a throw-away virtual environment that sees every installed package except this one,
because ours would otherwise be loaded through its entry points. The Dags are run twice; what does not end the same way
both times is left out and named, so that the reference holds nothing that is a matter of chance.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from airspace.backends.airflow_rest import Airflow, RestError, Session
from airspace.backends.postgres import Cluster
from tests.acceptance.airflow_examples import (
    CONFORMANCE,
    EXCLUDED,
    REFERENCE,
    Outcome,
    conformance_outcome,
    copy_conformance,
    copy_examples,
    run_all,
    wait_for_dags,
)

COMPONENTS = ("scheduler", "dag-processor", "triggerer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _plain_python(home: Path) -> Path:
    """A virtual environment with links to all installed packages but ours."""
    venv.create(home / "venv", with_pip=False, symlinks=True)
    python = home / "venv" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    target = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "airspace" not in entry.name.lower():
            (target / entry.name).symlink_to(entry)
    return python


@contextmanager
def _postgres(home: Path) -> Iterator[str]:
    """A running private PostgreSQL with one empty database: its URL."""
    root, password, drop = home / "pg", secrets.token_urlsafe(16), []
    root.mkdir(mode=0o700)
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        home.chmod(0o755)
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
        drop = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    cluster = Cluster(data=root / "data", socket_dir=root)
    pwfile = home / "pw"
    pwfile.write_text(password)
    pwfile.chmod(0o644)
    initdb = [cluster.command()[0].replace("/postgres", "/initdb"), "-D", str(cluster.data), "-U", "airspace"]
    initdb += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", f"--pwfile={pwfile}"]
    subprocess.run([*drop, *initdb], check=True, capture_output=True, cwd="/")
    server = subprocess.Popen([*drop, *cluster.command(), "-c", "listen_addresses="], cwd="/")
    try:
        while not cluster.ready():
            time.sleep(0.1)
        cluster.create_database(password, "airflow")
        yield cluster.url(password, "airflow")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def _environment(home: Path, database: str, port: int) -> dict[str, str]:
    settings = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "8",
        "CORE__DAGS_FOLDER": str(home / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__FERNET_KEY": "",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets.token_hex(16),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "AIRFLOW_HOME": str(home / "airflow")} | {
        f"AIRFLOW__{key}": value for key, value in settings.items()
    }


@contextmanager
def _plain_airflow(home: Path, database: str) -> Iterator[str]:
    """Plain Airflow's four components; the URL of its API."""
    port = _free_port()
    python, environ = _plain_python(home), _environment(home, database, port)
    airflow = [str(python), "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environ, check=True, stdout=subprocess.DEVNULL)
    with ExitStack() as stack:
        for component in ("api-server", *COMPONENTS):
            log = stack.enter_context((home / f"{component}.log").open("wb"))
            skip = ["--skip-serve-logs"] if component in ("scheduler", "triggerer") else []
            process = subprocess.Popen(
                [*airflow, component, *skip], env=environ, stdout=log, stderr=log, start_new_session=True
            )
            stack.callback(_stop, process)
        yield f"http://127.0.0.1:{port}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _sign_in(url: str) -> Session:
    airflow = Airflow(url)
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = airflow.send("GET", "/auth/token")
            if answer.ok:
                return Session(airflow, "anonymous", str(answer.body["access_token"]))
        except RestError:
            if time.monotonic() > deadline:
                raise
        time.sleep(1)


def _agreed(first: Outcome, second: Outcome) -> tuple[Outcome, list[str]]:
    chance = sorted(dag_id for dag_id in first if first[dag_id] != second.get(dag_id))
    return {dag_id: ended for dag_id, ended in sorted(first.items()) if dag_id not in chance}, chance


def record_conformance() -> None:
    """The same for our own Dag of everything."""
    home = Path(tempfile.mkdtemp(prefix="plain-", dir="/tmp"))
    copy_conformance(home / "dags")
    with _postgres(home) as database, _plain_airflow(home, database) as url:
        session = _sign_in(url)
        wait_for_dags(session, {"conformance"}, seconds=240)
        conformance_outcome(session)  # the first one meets components that are still warming up
        outcome = conformance_outcome(session)
        again = conformance_outcome(session)
        chance = {
            key: (value, again["tasks"][key]) for key, value in outcome["tasks"].items() if value != again["tasks"][key]
        }
        if outcome != again:
            raise SystemExit(f"it did not end the same way twice: {chance}; see {home}")
    CONFORMANCE.write_text(json.dumps({"airflow": version("apache-airflow"), "outcome": outcome}, indent=1) + "\n")
    shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    """Run, compare, write."""
    if sys.argv[1:] == ["conformance"]:
        record_conformance()
        return
    home = Path(tempfile.mkdtemp(prefix="plain-", dir="/tmp"))
    copy_examples(home / "dags")
    try:
        with _postgres(home) as database, _plain_airflow(home, database) as url:
            session = _sign_in(url)
            dag_ids = wait_for_dags(session, 40, seconds=240)
            begun = time.monotonic()
            first = run_all(session, dag_ids, mark="first")
            sys.stderr.write(f"first pass: {time.monotonic() - begun:.0f} s\n")
            dags, chance = _agreed(first, run_all(session, dag_ids, mark="second"))
        REFERENCE.parent.mkdir(exist_ok=True)
        document = {"airflow": version("apache-airflow"), "excluded": EXCLUDED, "not_repeatable": chance, "dags": dags}
        REFERENCE.write_text(json.dumps(document, indent=1) + "\n")
        sys.stderr.write(f"{len(dags)} Dags recorded, {len(chance)} not repeatable: {chance}\n")
        shutil.rmtree(home, ignore_errors=True)
    except BaseException:
        sys.stderr.write(f"logs are kept in {home}\n")
        raise


if __name__ == "__main__":
    main()

"""Programs that teams use, none of which knows of a relay, against servers as they would meet them elsewhere."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.integration.certificates import certificate
from tests.integration.network.servers import Database, Echo, Files, Sealed
from tests.integration.network.town import Town
from tests.integration.sandbox.house import repository
from tests.integration.sources.servers import Repository, object_store

STORE = repository() / ".boot" / "store"
"""An environment with boto3 and a server that stands in for S3."""


def missing(case: str) -> str | None:
    """Why a case cannot be tried on this machine."""
    if case == boto3_works_unchanged.__name__ and not (STORE / "bin" / "python").exists():
        return "not set up: python3 scripts/bootstrap.py test"
    if case == git_over_ssh_works_unchanged.__name__ and shutil.which("ssh") is None:
        return "there is no ssh on this machine"
    return None


def known_clients_work_unchanged(town: Town) -> None:
    """requests and git over http and TLS; libpq by psycopg 2 and by psycopg 3, which also looks up names itself."""
    Repository.make(town.root / "www", "repo", {"dag.py": "pass"})
    folder = town.root / "www"
    (folder / "hello.txt").write_text("hello from outside")
    subprocess.run(["git", "-C", str(folder / "repo.git"), "update-server-info"], check=True)
    own = certificate(town.root / "files.pem", "files.test")
    trusted = town.layout.bundles / "reds" / "ca.pem"
    trusted.write_bytes(own.with_suffix(".ca").read_bytes())
    web = Echo(functools.partial(Files, directory=str(folder)))  # type: ignore[arg-type]
    town.know({"files.test": ["127.0.0.1"], "db.test": ["127.0.0.1"]})
    with Database(town.root) as database, closing(Sealed(web.port, own)) as front:
        _let(town, f"files.test:{web.port}", f"files.test:{front.port}", f"db.test:{database.port}")
        said = town.python(
            "reds",
            f"""
import asyncio, os, subprocess, psycopg, psycopg2, requests
os.environ["REQUESTS_CA_BUNDLE"] = os.environ["GIT_SSL_CAINFO"] = "{trusted}"
for url in ("http://files.test:{web.port}", "https://files.test:{front.port}"):
    print(requests.get(url + "/hello.txt", timeout=30).text)
    told = subprocess.run(["git", "ls-remote", url + "/repo.git", "main"], capture_output=True, text=True)
    print(told.stdout.split()[1:], told.stderr)
place = dict(host="db.test", port={database.port}, user="airspace", dbname="postgres")
with psycopg2.connect(**place) as link, link.cursor() as cursor:
    cursor.execute("SELECT 6 * 7")
    print(cursor.fetchone()[0])
with psycopg.connect(**place) as link:
    print(link.execute("SELECT 6 * %s", [8]).fetchone()[0])
async def later():
    async with await psycopg.AsyncConnection.connect(**place) as link:
        print((await (await link.execute("SELECT 6 * %s", [9])).fetchone())[0])
asyncio.run(later())
""",
        )
    fetched = ["hello from outside", "['refs/heads/main'] "]
    assert [line.rstrip() for line in said.splitlines()] == [*map(str.rstrip, fetched * 2), "42", "48", "54"], said


def git_over_ssh_works_unchanged(town: Town) -> None:
    """With a key and a known host in the program's home."""
    Repository.make(town.root / "served", "repo", {"dag.py": "pass"})
    key = town.root / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    town.know({"git.test": ["127.0.0.1"]})
    with _ssh_server(town.root / "served", key.with_suffix(".pub")) as (port, host_key):
        _let(town, f"git.test:{port}")
        said = town.python(
            "reds",
            f"""
import os, pathlib, subprocess
folder = pathlib.Path.home() / ".ssh"
folder.mkdir(mode=0o700)
os.umask(0o077)
(folder / "id_ed25519").write_text({key.read_text()!r})
(folder / "known_hosts").write_text("[git.test]:{port} {host_key}\\n")
url = "ssh://git@git.test:{port}/repo.git"
told = subprocess.run(["git", "clone", "-q", url, "got"], cwd=folder, capture_output=True, text=True)
print((folder / "got" / "dag.py").read_text() if told.returncode == 0 else told.stderr)
""",
        )
    assert said == "pass", said


@contextmanager
def _ssh_server(root: Path, keys: Path) -> Iterator[tuple[int, str]]:
    """Its port and its key."""
    command = [sys.executable, "-m", "tests.integration.sources.ssh_server", str(root), str(keys)]
    with subprocess.Popen(command, cwd=repository(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port, _, host_key = server.stdout.readline().strip().partition(" ")
            yield int(port), host_key
        finally:
            server.kill()


def boto3_works_unchanged(town: Town) -> None:
    """Objects there and back, over http and TLS, each bucket at a name below the store's, as with AWS."""
    own = certificate(town.root / "store.pem", "dags.s3.test")
    trusted = town.layout.bundles / "reds" / "store-ca.pem"
    trusted.write_bytes(own.with_suffix(".ca").read_bytes())
    town.know({"dags.s3.test": ["127.0.0.1"]})
    with object_store(town.root / "store.log") as store:
        port = int(store.url.rpartition(":")[2])
        with closing(Sealed(port, own)) as front:
            _let(town, f"*.s3.test:{port}", f"*.s3.test:{front.port}")
            path = town.layout.bundles / "reds" / "s3.py"
            path.write_text(
                f"""
import boto3, os
from botocore.config import Config
for url in ("http://s3.test:{port}", "https://s3.test:{front.port}"):
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="{store.key}", aws_secret_access_key="{store.secret}",
        region_name="us-east-1", config=Config(s3=dict(addressing_style="virtual")))
    data = os.urandom(1 << 20)
    client.put_object(Bucket="dags", Key="some/thing", Body=data)
    print(client.get_object(Bucket="dags", Key="some/thing")["Body"].read() == data)
"""
            )
            variables = {"PATH": os.defpath, "AWS_CA_BUNDLE": str(trusted)}
            _, said = town.sh("reds", f"{STORE / 'bin' / 'python'} {path} 2>&1", environment=variables)
    assert said.splitlines() == ["True", "True"], said


def _let(town: Town, *entries: str) -> None:
    ports = {entry.rpartition(":")[2] for entry in entries}
    town.allow("reds", *entries, *(f"127.0.0.1:{port}" for port in ports))


ALL: tuple[Callable[[Town], None], ...] = (
    known_clients_work_unchanged,
    git_over_ssh_works_unchanged,
    boto3_works_unchanged,
)

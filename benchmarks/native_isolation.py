"""``python -m benchmarks.native_isolation``: the attacks of ``airspace verify isolation`` on Airflow's own multi-team.

Two teams as Airflow documents them: a bundle, an executor and a triggerer each, connections and variables of their own.
What a team keeps, it keeps in a folder, which belongs to the one Unix user that everything runs as. The attacks, their
controls and the judge are those of the command; what is asked of something that only this project has is left out, and
says so.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import airspace
from airspace.backends import accounts
from airspace.backends.airflow_rest import Airflow, Session
from airspace.model.errors import AirspaceError
from airspace.verify import outside, planting
from airspace.verify.attack import DOES_NOT_APPLY, NOT_TRIED, Attack
from airspace.verify.attempt import Attempt
from airspace.verify.catalogue import ATTACKS, SURFACES
from airspace.verify.inside.facts import ATTACKER, BAIT, CONNECTION, DAGS, PARSED, VARIABLE, VICTIM, Facts, process
from airspace.verify.judge import BLOCKED, LOST, NOT_PROMISED, Machine, Row
from airspace.verify.outside import Decoys
from benchmarks import airflow_cfg, drive, machine
from benchmarks.airflow_peers import Native
from benchmarks.options import say

RESULT = machine.ROOT / "docs" / "verify-native.json"
_KEYS = (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret"))
_OF_THE_BUNDLE = "the bundle is where the Dags come from: `files.bundle-write`"
_KEYS_ARE_SETTINGS = "there is no file of keys: they are in airflow.cfg, `files.airflow-cfg` and `tokens.settings`"
_NO_SUCH_PART = "there is no such process"
_NO_PAGE = "there is no page that shows files"
_OPERATORS = "Airflow brings none: where it is, and whose, is the operator's choice"
# What is asked of something that native multi-team does not have. Everything else is tried.
LEFT_OUT = {
    "files.source-write": _OF_THE_BUNDLE,
    "files.secrets": _KEYS_ARE_SETTINGS,
    "files.remotes": "its Dags come from folders: there are no clones",
    "files.team-files": "there are no team files",
    "files.places-write": "there is no list of sandboxes",
    "files.postgres": _OPERATORS,
    "files.platform-logs": "the scheduler writes to its standard output; where that goes is the operator's choice",
    "links.replace-published": "the platform looks into no folder of published assets",
    "sockets.spawner": _NO_SUCH_PART,
    "sockets.doorbell": _NO_SUCH_PART,
    "sockets.wake": _NO_SUCH_PART,
    "sockets.process-manager": _NO_SUCH_PART,
    "parsing.secrets": _KEYS_ARE_SETTINGS,
    "viewings.foreign": _NO_PAGE,
    "viewings.link": _NO_PAGE,
    "viewings.table": _NO_PAGE,
}
# Of Airflow's own there are callbacks, triggers and tests of connections, too; their attackers are not planted here.
_NOT_PLANTED = {
    "callbacks": "run in a child of the Dag processor, as its user: see `parsing` for what is in reach there",
    "triggers": "run in the triggerer, as its user: see `docs/native-leaks.md`",
    "tests": "run in the scheduler's worker, as its user",
}
_NO_LISTS = "there is no list of what a team may reach: every task reaches everything"
_NO_WAREHOUSE = "teams are given no database of their own"
_COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


class Planted(Native):
    """Native multi-team with the two throwaway teams of verify."""

    name = "native-isolation"

    @property
    def teams_now(self) -> list[str]:
        return list(DAGS)

    def first_dag(self) -> str | None:
        return None

    @property
    def storage(self) -> Path:
        return self.root / "storage"

    @property
    def account(self) -> accounts.Account:
        """Whom everything runs as."""
        return self._account or accounts.me()

    def _bundle(self, name: str) -> Path:
        return self.root / "bundles" / name

    def _write_dags(self) -> None:
        # The suite without the rest of the installed project: Airflow would load its plugins.
        shutil.copytree(
            Path(airspace.__file__).parent, self.root / "suite" / "airspace", ignore=shutil.ignore_patterns("_examples")
        )
        for team, dag_id in DAGS.items():
            published = self.storage / team / "published"
            for folder in (self._bundle(team), self.storage / team, published, published / BAIT):
                self._own(folder, self._account)
            self._write_dag(team, dag_id, planting.dag_file(team))
        (self.root / "run").mkdir()
        (self.root / "run" / "postgres").symlink_to(self.root / "pg")

    def _write_dag(self, team: str, dag_id: str, text: str) -> None:
        told = {"AIRSPACE_TEAM": team, "AIRSPACE_STORAGE": str(self.storage)}
        path = self._bundle(team) / f"{dag_id}.py"
        path.write_text(f"import os\n\nos.environ.update({told!r})\n{text}")
        os.chown(path, self.account.uid, self.account.gid)

    def _settings(self) -> dict[str, dict[str, str]]:
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        settings = super()._settings()
        settings["core"] |= {"parallelism": "4", "fernet_key": key}
        settings["dag_processor"] |= {"refresh_interval": "3", "min_file_process_interval": "3"}
        return settings

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "PYTHONPATH": str(self.root / "suite")}

    def plant_secrets(self, session: Session, secret: str) -> None:
        """The victim's variables and connections: under plain names, and under those that begin with the team's."""
        values = {VARIABLE: secret, f"{VICTIM}.{VARIABLE}": secret, f"{VICTIM}.verify_written": "untouched"}
        values |= {f"{VICTIM}.verify_doomed_{team}": "untouched" for team in DAGS}
        for key, value in values.items():
            session.call("POST", "/variables", {"key": key, "value": value, "team_name": VICTIM})
        for name in (CONNECTION, f"{VICTIM}.{CONNECTION}"):
            body = {"connection_id": name, "conn_type": "http", "host": "verify.invalid", "password": secret}
            session.call("POST", "/connections", {**body, "team_name": VICTIM})

    def plant_parsed(self, acts: list[str], facts: Facts) -> None:
        """See :class:`airspace.verify.attempt.Target`."""
        self._write_dag(ATTACKER, PARSED, planting.parsed_dag_file(acts, facts))

    def component_pids(self) -> dict[str, int]:
        """Component → its process; the database is none of Airflow's."""
        return dict(zip(_COMPONENTS, (process.pid for process in self._running[1:]), strict=False))

    def keys(self) -> list[str]:
        """What it signs and encrypts with."""
        parser = airflow_cfg.parse((self.home / "airflow.cfg").read_text())
        return [parser.get(section, option) for section, option in _KEYS]

    def ask(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """The runner's answer, as the user that everything runs as."""
        done = subprocess.run(
            [*self._prefix(), str(self._python), "-m", outside.RUNNER, "platform"],
            input=json.dumps(payload), capture_output=True, text=True, check=False, timeout=300, cwd="/",
            env=self._environment(),
        )  # fmt: skip
        if done.returncode:
            raise AirspaceError(f"the controls failed: {done.stderr.strip()[-300:]}", fix=f"ls {self.root / 'logs'}")
        found: Mapping[str, Any] = json.loads(done.stdout)
        return found


class NativeTarget:
    """See :class:`airspace.verify.attempt.Target`."""

    def __init__(self, peer: Planted) -> None:
        self._peer = peer
        self.storage, self.logs, self.fix = peer.storage, peer.root / "logs", f"ls {peer.root / 'logs'}"

    def facts(self, known: Facts, decoys: Decoys) -> Facts:
        """Everything about it and the machine."""
        peer, packages = self._peer, sysconfig.get_path("purelib")
        return Facts.from_dict(
            known.as_dict(),
            **outside.decoy_facts(decoys),
            run=str(peer.root / "run"),
            port=peer.port,
            control={name: vars(process(pid)) for name, pid in peer.component_pids().items()},
            hashes=outside.hashes(peer.keys(), peer.home / "airflow.cfg"),
            packages=packages,
        )

    def host_pid(self, pid: int) -> int | None:
        """There is one numbering."""
        return pid

    def ask_as_platform(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the one user."""
        return self._peer.ask(payload)

    def plant_parsed(self, acts: list[str], facts: Facts) -> None:
        """Into the attacker's bundle."""
        self._peer.plant_parsed(acts, facts)

    def machine(self, controllers: frozenset[str]) -> Machine:  # noqa: ARG002  # no group is a team's
        """Nothing is left out for what a machine lacks: whatever succeeds is lost."""
        return Machine(walls=False)


def run(scratch: Path, surfaces: Collection[str]) -> dict[str, Any]:
    """Start, plant, attack, judge, stop; the document that is stored."""
    started = time.monotonic()
    peer = Planted(scratch / "native", teams=len(DAGS))
    try:
        say("start Airflow with two teams of its own")
        drive.start(peer, fresh=True)
        secret, nonce = f"verify-{secrets.token_hex(12)}", secrets.token_hex(4)
        decoys = Decoys(nonce, peer.account.uid, peer.account.gid, f"native{os.getpid()}")
        with Airflow(peer.url) as airflow, decoys:
            session = drive.signed_in(peer, airflow)
            peer.plant_secrets(session, secret)
            known = Facts(nonce, str(peer.root), secret, f"verify-hold-{nonce}")
            chosen = [attack for attack in ATTACKS if attack.surface in surfaces and left_out(attack) is None]
            attempt = Attempt(NativeTarget(peer), session, decoys, known, say)
            verdicts = attempt.run(chosen, ())
        rows = {row.id: row for row in verdicts.rows}
        return {
            "deployment": "Airflow's own multi-team: [core] multi_team, LocalExecutor a team, one Unix user",
            "ran_as": peer.ran_as,
            "seconds": round(time.monotonic() - started, 1),
            **machine.describe(),
            "rows": {attack.id: _row(rows.get(attack.id), attack) for attack in ATTACKS if attack.surface in surfaces},
        }
    except BaseException:
        say(str(peer.failure("the attack did not end")))
        raise
    finally:
        peer.remove()


def left_out(attack: Attack) -> dict[str, str] | None:
    """The row of an attack that is not tried; None of one that is."""
    if attack.surface in _NOT_PLANTED:
        return {"verdict": NOT_TRIED, "observed": f"they {_NOT_PLANTED[attack.surface]}", "control": ""}
    relay = attack.surface == "relay" or attack.id.endswith(".relay")
    reason = LEFT_OUT.get(attack.id) or (_NO_LISTS if relay else None)
    reason = _NO_WAREHOUSE if attack.surface == "warehouse" else reason
    return None if reason is None else {"verdict": DOES_NOT_APPLY, "observed": reason, "control": ""}


def _row(row: Row | None, attack: Attack) -> dict[str, str]:
    """As it is stored: the verdict, what was seen, and what became of the control."""
    left = left_out(attack)
    if left is not None or row is None:
        return left or {"verdict": NOT_TRIED, "observed": "it has no row", "control": ""}
    words = {sysconfig.get_path("purelib"): "$PACKAGES", "$AIRSPACE_HOME": "$DEPLOYMENT"}
    observed, control = row.observed, row.control
    for found, word in words.items():
        observed, control = observed.replace(found, word), control.replace(found, word)
    return {"verdict": row.verdict, "observed": observed, "control": control}


def main() -> int:
    """Run it, store the document, print the sum."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.native_isolation", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=SURFACES, default=SURFACES, help="surfaces; nothing is stored then"
    )
    parser.add_argument("--to", type=Path, default=RESULT, help="where the document goes")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scratch = Path(tempfile.mkdtemp(prefix="native-", dir="/tmp"))
    scratch.chmod(0o755)
    try:
        document = run(scratch, arguments.only)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    text = json.dumps(document, indent=1) + "\n"
    if arguments.only == SURFACES:
        arguments.to.write_text(text)
    else:
        sys.stdout.write(text)
    verdicts = [row["verdict"] for row in document["rows"].values()]
    say(
        ", ".join(f"{verdicts.count(each)} {each}" for each in (BLOCKED, LOST, NOT_PROMISED, DOES_NOT_APPLY, NOT_TRIED))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

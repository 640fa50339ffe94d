"""The admin worker: ``python -m airspace.airflow.admin COMMAND``, run as the control user beside a running platform.

JSON comes on stdin and goes to stdout; everything that anyone logs or prints goes to stderr. So secrets are in no
argument and in no environment. The same commands are done by the running API server: ``airspace.airflow.admin_door``.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable
from typing import Any

from airspace.model.errors import AirspaceError, InvalidInputError

Payload = dict[str, Any]


COMMANDS: dict[str, str] = {
    "migrate": "airspace.airflow.schema:migrate",
    "read-teams": "airspace.airflow.teams.store:read_teams",
    "plan-teams": "airspace.airflow.teams.store:plan_teams",
    "apply-teams": "airspace.airflow.teams.store:apply_teams",
    "find-drift": "airspace.airflow.teams.drift:find_drift",
    "preview-removal": "airspace.airflow.teams.dependents:preview",
    "hold-team": "airspace.airflow.teams.holds:hold_team",
    "release-team": "airspace.airflow.teams.holds:release_team",
    "await-team": "airspace.airflow.teams.holds:await_team",
    "halt-team": "airspace.airflow.teams.holds:halt_team",
    "belongings": "airspace.airflow.teams.erasing:belongings_of",
    "export-team": "airspace.airflow.teams.exporting:export_team",
    "erase-team": "airspace.airflow.teams.erasing:erase_team",
    "preview-transfer": "airspace.airflow.moving.facts:preview",
    "hold-dags": "airspace.airflow.moving.rows:hold_dags",
    "await-dags": "airspace.airflow.moving.rows:await_dags",
    "halt-dags": "airspace.airflow.moving.rows:halt_dags",
    "switch-dags": "airspace.airflow.moving.rows:switch_dags",
    "settled-dags": "airspace.airflow.moving.rows:settled_dags",
    "release-dags": "airspace.airflow.moving.rows:release_dags",
    "preview-rename": "airspace.airflow.moving.rename_facts:preview",
    "consumes": "airspace.airflow.moving.rename_facts:consumes",
    "settled-team": "airspace.airflow.moving.rename_facts:settled",
    "rename-rows": "airspace.airflow.moving.renaming:rename_rows",
    "rename-past": "airspace.airflow.moving.renamed_past:rewrite_past",
    "left-of": "airspace.airflow.moving.renaming:left_of",
    "restore-hold": "airspace.airflow.moving.renaming:restore_hold",
    "rename-warehouse": "airspace.platform.warehouse:rename",
    "settle-warehouse": "airspace.platform.warehouse:settle",
    "drop-warehouse": "airspace.platform.warehouse:drop",
    "look-at-tables": "airspace.platform.tables_moving:look",
    "take-tables": "airspace.platform.tables_moving:take",
    "put-tables": "airspace.platform.tables_moving:put",
    "read-secrets": "airspace.airflow.teams.backend:read_secrets",
    "add-user": "airspace.airflow.teams.users:add_user",
    "ensure-users": "airspace.airflow.teams.user_batch:ensure_users",
    "set-password": "airspace.airflow.teams.users:set_password",
    "set-role": "airspace.airflow.teams.users:set_role",
    "list-users": "airspace.airflow.teams.users:list_users",
    "token": "airspace.airflow.teams.users:token",
}
"""Command → the function that takes the payload and gives the answer; imported when it is asked for."""


def main(arguments: list[str]) -> int:
    """Run one command. Exit code 0 done, 1 refused or failed (the answer says why), 2 wrong usage."""
    answer = _claim_stdout()
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m airspace.airflow.admin {'|'.join(COMMANDS)}\n")
        return 2
    gc.disable()  # a few seconds, most of them spent on imports: what becomes garbage ends with the process
    document, code = run(arguments[0], _payload)
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.write("\n")
    return code


def run(command: str, payload: Callable[[], Payload]) -> tuple[Payload, int]:
    """The answer to one command, and the exit code that goes with it. Never raises: a refusal is an answer."""
    try:
        if not os.environ.get("AIRFLOW_HOME"):
            raise InvalidInputError("AIRFLOW_HOME is not set", fix="use the airspace command instead")
        answer: Payload = pkgutil.resolve_name(COMMANDS[command])(payload())
        return answer, 0
    except AirspaceError as error:
        return _refusal(error.message, error.fix), 1
    except Exception as error:  # noqa: BLE001 - the door: whoever started us gets an answer, the log gets the trace
        _log_trace(error)
        return _refusal(f"{command} failed: {_first_line(error)}", "airspace doctor"), 1


def _payload() -> Payload:
    text = sys.stdin.buffer.read()
    try:
        document = json.loads(text or b"{}")
    except ValueError:
        raise InvalidInputError("stdin is not JSON", fix="use the airspace command instead") from None
    if not isinstance(document, dict):
        raise InvalidInputError("stdin is not a JSON object", fix="use the airspace command instead")
    return document


def _claim_stdout() -> int:
    """Keep the real stdout for the answer alone: Airflow and its providers print."""
    sys.stdout.flush()
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


def _refusal(message: str, fix: str | None) -> Payload:
    return {"error": {"message": message, "fix": fix}}


def _first_line(error: Exception) -> str:
    """The kind of error and its first line. Only that: SQLAlchemy's later lines quote the parameters of a statement."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _log_trace(error: Exception) -> None:
    """The trace without messages: a message may quote a secret."""
    frames = traceback.format_tb(error.__traceback__)
    sys.stderr.write("".join(frames) + _first_line(error) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

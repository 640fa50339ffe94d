"""The admin worker: ``python -m airspace.airflow.admin COMMAND``, run as the control user beside a running platform.

JSON comes on stdin and goes to stdout; everything that anyone logs or prints goes to stderr. So secrets are in no argument
and in no environment. Modules of Airflow are imported by the command that needs them: importing them all takes seconds.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from airspace.model.errors import AirspaceError, InvalidInputError

Payload = dict[str, Any]


def migrate(payload: Payload) -> Payload:
    """Create or upgrade Airflow's tables and ours; quick when there is nothing to do."""
    from airspace.airflow import schema

    return {"migrated": schema.migrate()}


def read_teams(payload: Payload) -> Payload:
    """Every team as applied."""
    from airspace.airflow import team_store

    return {"teams": team_store.read_teams()}


def plan_teams(payload: Payload) -> Payload:
    """What apply would change in the database and in the sources."""
    from airspace.airflow import team_store

    return team_store.run(payload, apply=False)


def apply_teams(payload: Payload) -> Payload:
    """Make it so, in one transaction."""
    from airspace.airflow import team_store

    return team_store.run(payload, apply=True)


def add_user(payload: Payload) -> Payload:
    """Add a local user."""
    from airspace.airflow import user_commands

    return user_commands.add_user(payload)


def set_password(payload: Payload) -> Payload:
    """Give a user a new password."""
    from airspace.airflow import user_commands

    return user_commands.set_password(payload)


def set_role(payload: Payload) -> Payload:
    """Replace what a user holds across teams."""
    from airspace.airflow import user_commands

    return user_commands.set_role(payload)


def list_users(payload: Payload) -> Payload:
    """All users with what they hold."""
    from airspace.airflow import user_commands

    return user_commands.list_users()


def token(payload: Payload) -> Payload:
    """An API token for a user."""
    from airspace.airflow import user_commands

    return user_commands.token(payload)


COMMANDS: dict[str, Callable[[Payload], Payload]] = {
    "migrate": migrate,
    "read-teams": read_teams,
    "plan-teams": plan_teams,
    "apply-teams": apply_teams,
    "add-user": add_user,
    "set-password": set_password,
    "set-role": set_role,
    "list-users": list_users,
    "token": token,
}


def main(arguments: list[str]) -> int:
    """Run one command. Exit code 0 done, 1 refused or failed (the answer says why), 2 wrong usage."""
    answer = _claim_stdout()
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m airspace.airflow.admin {'|'.join(COMMANDS)}\n")
        return 2
    document, code = _run(arguments[0])
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.write("\n")
    return code


def _run(command: str) -> tuple[Payload, int]:
    try:
        if not os.environ.get("AIRFLOW_HOME"):
            raise InvalidInputError("AIRFLOW_HOME is not set", fix="use the airspace command instead")
        return COMMANDS[command](_payload()), 0
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
    import traceback

    frames = traceback.format_tb(error.__traceback__)
    sys.stderr.write("".join(frames) + _first_line(error) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

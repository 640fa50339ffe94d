"""What of another deployment's values is secret. In doubt it is: then the team file holds a reference."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NAME = re.compile(
    r"pass|pwd|secret|token|key|credential|auth|private|cert|signature|webhook|dsn|conn(?:ection)?_?str", re.IGNORECASE
)
_VALUE = re.compile(
    r"-----BEGIN|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20}|\bgithub_pat_\w{20}|\bglpat-[\w-]{15}|\bxox[abeprs]-"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.|\bsk[-_](?:live|test|proj)?[-_]?\w{16}|://[^/\s:@]*:[^@\s/]+@"
)
# Words of an `extra` that say where and how, and never a secret. All other text in an `extra` counts as one.
_HARMLESS = re.compile(
    r"account|aws_account_id|charset|cluster_identifier|database|dataset|domain|driver|"
    r"encoding|encrypt|endpoint_url|engine|env|fetch|host|http_path|iam|insecure_mode|"
    r"keepalives|location|method|namespace|num_retries|port|project|project_id|protocol|"
    r"region|region_name|role|role_arn|schema|scheme|scope|service_name|sslmode|timeout|"
    r"timezone|use_ssl|verify|version|warehouse"
)
_LONGEST = 200
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable's value goes behind a reference."""
    if _NAME.search(name) or _VALUE.search(value):
        return True
    try:
        inner = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return any(_NAME.search(key) for key in _keys(inner))


def is_secret_extra(key: str, value: str) -> bool:
    """Whether a text in a connection's ``extra`` goes behind a reference."""
    plain = key.lower().rpartition("__")[2]  # extra__snowflake__account
    return not _HARMLESS.fullmatch(plain) or len(value) > _LONGEST or bool(_VALUE.search(value))


def looks_secret(value: str) -> bool:
    """Whether a text has the shape of a secret, whatever it is called."""
    return bool(_VALUE.search(value))


def _keys(value: Any) -> Iterable[str]:
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Mapping):
            yield from (str(key) for key in here)
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)


@dataclass
class Secrets:
    """The environment variables that the drafted files refer to.

    ``values`` holds what is known of them; None is to be filled in by whoever applies.
    """

    values: dict[str, str | None] = field(default_factory=dict, repr=False)
    about: dict[str, str] = field(default_factory=dict)

    def reference(self, team: str, words: Iterable[str], value: str | None, about: str) -> dict[str, str]:
        """A reference of that team's, under a name of its own."""
        # Never a name of the deployment's making alone: a team "bash" with a variable "env" would be BASH_ENV.
        stem = re.sub(r"[^A-Z0-9]+", "_", "_".join(["SECRET", team, *words]).upper()).strip("_")[:150]
        name, count = stem, 1
        while name in self.values:
            count += 1
            name = f"{stem}_{count}"
        self.values[name], self.about[name] = value or None, about
        return {"env": name}


def render_env(secrets: Secrets, before: Mapping[str, str]) -> str:
    """The lines of ``.env``. What somebody filled in stays; what no file refers to any more stays, too.

    Quoted for a shell, so that a value can be nothing but a value.
    """
    lines = [
        "# The secrets that the team files beside this refer to. Fill in what is empty, keep it out of git, and then:",
        "#   set -a; . ./.env; set +a; airspace plan .",
    ]
    for name, value in secrets.values.items():
        filled = before.get(name) or value
        lines.append(f"# {secrets.about[name]}" + ("" if filled else ": it could not be read; fill it in"))
        lines.append(f"{name}={shlex.quote(filled) if filled else ''}")
    for name, value in before.items():
        if name not in secrets.values:
            lines.append(f"{name}={shlex.quote(value)}")
    return "\n".join(lines) + "\n"


def parse_env(text: str) -> dict[str, str]:
    """What stands in a ``.env`` that :func:`render_env` wrote and a person filled in.

    :raises ValueError: it cannot be read, so nobody may write over it
    """
    found: dict[str, str] = {}
    pending = ""
    for line in text.splitlines(keepends=True):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        pending += line
        try:
            words = shlex.split(pending)
        except ValueError:  # a value that goes on in the next line
            continue
        pending = ""
        for word in words:
            name, equals, value = word.partition("=")
            if equals and _ENVIRONMENT.fullmatch(name):
                found[name] = value
    if pending:
        raise ValueError("a quotation mark is never closed")
    return found

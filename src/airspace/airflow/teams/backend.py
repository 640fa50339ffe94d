"""``{backend: NAME}`` of team files: the secrets backend that the platform's owner configured for them.

A class of Airflow's kind (:class:`airflow.secrets.base_secrets.BaseSecretsBackend`), asked for a *variable*. It is not
the one that tasks ask: those get what apply has stored.
"""

from __future__ import annotations

import json
import pkgutil
import threading
from collections.abc import Mapping
from typing import Any

from airflow.configuration import conf
from airflow.secrets.base_secrets import BaseSecretsBackend

from airspace.model.source_settings import BackendSettings

SECONDS = 30.0
_FIX = "look at [airspace] secrets_backend in airflow.overrides.cfg"

Payload = Mapping[str, Any]


def read_secrets(payload: Payload) -> dict[str, Any]:
    """What the backend says of each (team, name): a value, or a message and a fix."""
    names = [(str(team), str(name)) for team, name in payload["names"]]
    settings = BackendSettings.read(lambda section, key: conf.get(section, key, fallback=None))
    if settings is None:
        fix = "add [airspace] secrets_backend = CLASS to airflow.overrides.cfg, then: airspace down; airspace up"
        return {"found": [_refused("the platform has no secrets backend for team files", fix)] * len(names)}
    backend = _made(settings)
    if isinstance(backend, dict):
        return {"found": [backend] * len(names)}
    answers: list[dict[str, Any]] = [_refused("the secrets backend does not answer", _FIX)] * len(names)

    def ask() -> None:
        for number, (team, name) in enumerate(names):
            answers[number] = _ask(backend, settings.name(team, name))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return {"found": list(answers)}


def _made(settings: BackendSettings) -> BaseSecretsBackend | dict[str, Any]:
    try:
        backend = pkgutil.resolve_name(settings.path)(**settings.arguments)
    except Exception as error:  # noqa: BLE001 - a class of anybody's; its message may quote what it was given
        return _refused(f"the secrets backend cannot be made: {type(error).__name__}", _FIX)
    return backend if isinstance(backend, BaseSecretsBackend) else _refused("that is no secrets backend", _FIX)


def _ask(backend: BaseSecretsBackend, name: str) -> dict[str, Any]:
    try:
        found = backend.get_variable(name)
    except Exception as error:  # noqa: BLE001 - a class of anybody's; its message may quote a secret
        return _refused(f"the secrets backend fails: {type(error).__name__}", _FIX)
    if found is None or found == "":
        return _refused(f"the secrets backend has no {name}", f"add the variable {name} there")
    return {"value": found if isinstance(found, str) else json.dumps(found)}


def _refused(message: str, fix: str) -> dict[str, Any]:
    return {"value": None, "message": message, "fix": fix}

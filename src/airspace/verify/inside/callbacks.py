"""Attacks made by a Dag's failure callback: those of other surfaces. It tells by a variable of its team what it got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airspace.verify.inside.acts import ACTS
from airspace.verify.inside.database import psycopg
from airspace.verify.inside.facts import ATTACKER, CALLED_REPORT, Facts
from airspace.verify.inside.files import airflow_cfg, bundle_read, secrets, storage_read
from airspace.verify.inside.names import (
    connection_read,
    task_states,
    variable_keys,
    variable_read,
    variable_set,
    xcom_read,
)
from airspace.verify.inside.network import api
from airspace.verify.inside.processes import own_environment, see
from airspace.verify.inside.runner import HURRIED, as_json, perform

ACTS |= {
    "callbacks.airflow-cfg": airflow_cfg,
    "callbacks.secrets": secrets,
    "callbacks.own-environment": own_environment,
    "callbacks.bundle-read": bundle_read,
    "callbacks.storage-read": storage_read,
    "callbacks.see": see,
    "callbacks.api": api,
    "callbacks.psycopg2": psycopg,
    "callbacks.variable-read": variable_read,
    "callbacks.variable-keys": variable_keys,
    "callbacks.variable-set": variable_set,
    "callbacks.connection-read": connection_read,
    "callbacks.xcom-read": xcom_read,
    "callbacks.task-states": task_states,
}


def report(acts: list[str], facts: Mapping[str, Any]) -> None:
    """What the planted callback does."""
    from airflow.sdk import Variable

    results = as_json(perform(acts, Facts.from_dict(facts, role=ATTACKER), HURRIED))
    # As a text within a text: what is shown of a variable is masked under keys that sound secret, as some ids do.
    Variable.set(CALLED_REPORT, json.dumps({"nonce": facts["nonce"], "told": json.dumps(results)}))

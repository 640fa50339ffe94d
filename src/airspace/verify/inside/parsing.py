"""Attacks made while a Dag file is read: those of other surfaces. What they got goes into the Dag's description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airspace.verify.inside.acts import ACTS
from airspace.verify.inside.database import psycopg
from airspace.verify.inside.facts import ATTACKER, Facts
from airspace.verify.inside.files import airflow_cfg, bundle_read, secrets, storage_read
from airspace.verify.inside.names import connection_read, variable_read
from airspace.verify.inside.network import api
from airspace.verify.inside.processes import see
from airspace.verify.inside.runner import HURRIED, as_json, perform
from airspace.verify.inside.sockets import postgres

ACTS |= {
    "parsing.airflow-cfg": airflow_cfg,
    "parsing.secrets": secrets,
    "parsing.bundle-read": bundle_read,
    "parsing.see": see,
    "parsing.api": api,
    "parsing.postgres": postgres,
    "parsing.storage-read": storage_read,
    "parsing.psycopg2": psycopg,
    "parsing.variable-read": variable_read,
    "parsing.connection-read": connection_read,
}


def probe(acts: list[str], facts: Mapping[str, Any]) -> str:
    """The description of the planted Dag."""
    results = perform(acts, Facts.from_dict(facts, role=ATTACKER), HURRIED)
    return json.dumps({"nonce": facts["nonce"], "results": as_json(results)})

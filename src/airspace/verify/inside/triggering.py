"""Attacks made from a trigger: those of other surfaces, and in the name of the victim's trigger."""

from __future__ import annotations

from airspace.verify.inside.acts import ACTS, Unshown
from airspace.verify.inside.facts import Facts
from airspace.verify.inside.files import airflow_cfg, bundle_read, secrets, storage_read
from airspace.verify.inside.names import connection_read, run_state, task_states, variable_read, variable_set, xcom_read
from airspace.verify.inside.network import api
from airspace.verify.inside.processes import environment, see
from airspace.verify.inside.sockets import postgres

ASKING = {
    "triggers.variable-read": variable_read,
    "triggers.variable-set": variable_set,
    "triggers.connection-read": connection_read,
    "triggers.xcom-read": xcom_read,
    "triggers.run-state": run_state,
    "triggers.task-states": task_states,
}
"""What asks the platform: in the trigger's own process, as only that has a way to it."""
FORGED = ("triggers.event", "triggers.log")
FORGED_LINE, OWN_LINE = "verify: a line of another team's trigger", "verify: a line of its own"


def _only_there(_facts: Facts) -> str:
    raise Unshown("only a trigger can do that")


ACTS |= {
    "triggers.airflow-cfg": airflow_cfg,
    "triggers.secrets": secrets,
    "triggers.bundle-read": bundle_read,
    "triggers.storage-read": storage_read,
    "triggers.see": see,
    "triggers.environment": environment,
    "triggers.api": api,
    "triggers.postgres": postgres,
    **ASKING,
    **dict.fromkeys(FORGED, _only_there),
}

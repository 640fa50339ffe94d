"""Airflow's public REST API, as one signed-in user.

What belongs here: requests, paging, and the one translation of HTTP failures to :class:`AirspaceError`. What does not:
what an answer means (that is the caller's), and anything that is not Airflow's own documented API.
"""

from airspace.backends.airflow_rest.client import Airflow, Answer, RestError, Session
from airspace.backends.airflow_rest.records import Asset, AssetEvent, Dag, Run, TaskInstance

__all__ = ["Airflow", "Answer", "Asset", "AssetEvent", "Dag", "RestError", "Run", "Session", "TaskInstance"]

"""In a folder whose name is too short for a team's."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG("cubes", start_date=datetime(2024, 1, 1), schedule=None):
    EmptyOperator(task_id="nothing")

"""In no folder, and no role has rights to it."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG("orphan", start_date=datetime(2024, 1, 1), schedule=None, tags=["growth"], default_args={"owner": "growth"}):
    EmptyOperator(task_id="nothing")

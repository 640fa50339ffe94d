"""In no folder; who has rights to it tells whose it is."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG(
    "legacy",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    access_control={"Finance Team": {"can_read", "can_edit"}},
):
    EmptyOperator(task_id="nothing")

"""Reports, which the editors of another team may read, too: a part of a team, which there is not here."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG(
    "reports",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    access_control={"Finance Team": {"can_read", "can_edit"}, "marketing_editors": {"can_read"}},
):
    EmptyOperator(task_id="print")

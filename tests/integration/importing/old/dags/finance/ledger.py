"""The ledger: it runs, so it is to run again."""

from datetime import datetime

from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    "ledger",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    is_paused_upon_creation=False,
    access_control={"Finance Team": {"can_read", "can_edit"}},
):
    BashOperator(
        task_id="book",
        bash_command="echo {{ var.value.ledger_mode }} {{ conn.bank.host }}",
        env={"warehouse_conn_id": "warehouse"},
    )

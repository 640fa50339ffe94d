"""Campaigns, of one team's folder, with rights given by ``access_control``."""

from datetime import datetime

from airflow import DAG
from airflow.hooks.base import BaseHook
from airflow.models import Variable
from airflow.operators.python import PythonOperator
from common.helpers import polite


def spend():
    BaseHook.get_connection("ads")
    return polite(Variable.get("threshold"))


with DAG(
    "campaigns",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    tags=["ads"],
    default_args={"owner": "marketing"},
    access_control={"marketing_editors": {"can_read", "can_edit"}, "marketing_viewers": {"can_read"}},
):
    PythonOperator(task_id="spend", python_callable=spend, pool="gpu", op_kwargs={"http_conn_id": "warehouse"})

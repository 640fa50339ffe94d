"""Waiting for what others do: a file sensor, then an SQL sensor, then the cookies.

    delivery_note -> enough_sesame -> bake

Trigger it, see it wait, then trigger ``sesame_supplier``. Both sensors look every few seconds and give up after ten
minutes. They differ in how they wait: ``poke`` sits in its slot, ``reschedule`` gives it back between two looks.
"""

from datetime import timedelta

from airflow.providers.standard.sensors.filesystem import FileSensor
from airflow.sdk import PokeReturnValue, dag, task

from airspace.sdk import storage

NOTE = storage() / "inbox" / "delivery.txt"
NEEDED = 10  # kilos of sesame


@dag(
    dag_id="sesame_cookies",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["sesame", "sensors"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
)
def cookies():
    delivery_note = FileSensor(
        task_id="delivery_note",
        fs_conn_id="inbox",
        filepath=str(NOTE),
        poke_interval=2,
        timeout=600,  # then it has failed; with soft_fail=True it is skipped
        mode="poke",  # for waits of seconds or minutes
    )

    @task.sensor(poke_interval=5, timeout=600, mode="reschedule")  # for waits of minutes or hours
    def enough_sesame() -> PokeReturnValue:
        """An SQL sensor in TaskFlow; what it found goes on to the next task."""
        from bakery.book import book

        with book() as opened:
            (kilos,) = opened.execute("SELECT coalesce(sum(kilos), 0) FROM stock").fetchone()
        return PokeReturnValue(is_done=kilos >= NEEDED, xcom_value=kilos)

    @task(pool="oven", execution_timeout=timedelta(minutes=1))
    def bake(kilos: float) -> int:
        """All of it; then the inbox is empty again, and the next run waits for the next delivery."""
        from bakery.book import book

        with book() as opened:
            opened.execute("DELETE FROM stock")
        NOTE.unlink(missing_ok=True)
        return int(kilos * 40)

    found = enough_sesame()
    delivery_note >> found
    bake(found)


cookies()

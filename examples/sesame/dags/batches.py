"""A batch of cookies a day: what was missed is caught up, and one that was spoiled is baked again.

    knead -> bake -> taste

The oven's plan covers one weekend in January 2026: Friday to Monday. Unpause this Dag on any later day and it bakes all
four batches, oldest first: each run knows which day it is for. A crontab would have baked none of them.
"""

from datetime import datetime, timedelta, timezone

from airflow.sdk import Variable, dag, task


@dag(
    dag_id="sesame_batches",
    schedule="@daily",
    start_date=datetime(2026, 1, 2, tzinfo=timezone.utc),
    end_date=datetime(2026, 1, 5, tzinfo=timezone.utc),
    catchup=True,  # one run for each day that was missed; False: only the newest
    max_active_runs=1,  # in order, one day after the other
    tags=["sesame", "catch-up", "backfill"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=1)},
)
def batches():
    @task
    def knead(ds: str) -> dict:
        """The dough of that day. ``ds`` is the day that the run is for, never the day on which it happens to run."""
        salted = ds in Variable.get("salted_days", "").split()
        return {"day": ds, "sweetener": "salt" if salted else "sugar"}

    @task(pool="oven")
    def bake(dough: dict, run_id: str) -> dict:
        """Written so that doing it twice is the same as doing it once: the day's batch replaces the day's batch."""
        from bakery.book import book

        batch = {"day": dough["day"], "cookies": 480, "taste": "awful" if dough["sweetener"] == "salt" else "good"}
        with book() as opened:
            opened.execute(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", (*batch.values(), run_id.partition("__")[0])
            )
        return batch

    @task
    def taste(batch: dict) -> str:
        """Look into the log of this task, or at its XCom."""
        print(f"{batch['day']}: {batch['cookies']} cookies, {batch['taste']}")
        return batch["taste"]

    taste(bake(knead()))


batches()

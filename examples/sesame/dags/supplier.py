"""The supplier, in real life somebody else's program: brings some sesame, books it, and leaves a delivery note.

Trigger it with ``{"kilos": 4}`` and the file sensor is content, while the SQL sensor goes on waiting for more.
"""

from datetime import timedelta

from airflow.sdk import Param, dag, task


@dag(
    dag_id="sesame_supplier",
    schedule=None,
    catchup=False,
    params={"kilos": Param(12, type="number", minimum=1, maximum=1000)},
    tags=["sesame"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=1)},
)
def supplier():
    @task
    def deliver(params: dict, run_id: str) -> str:
        """Write the note beside, then rename it: whoever waits for a file never sees half of one."""
        from bakery.book import book

        from airspace.sdk import storage

        with book() as opened:
            opened.execute("INSERT OR IGNORE INTO stock VALUES (?, ?)", (run_id, params["kilos"]))
        inbox = storage() / "inbox"
        inbox.mkdir(exist_ok=True)
        part = inbox / ".delivery.part"
        part.write_text(f"{params['kilos']} kilos of sesame, {run_id}\n")
        part.rename(inbox / "delivery.txt")
        return f"{params['kilos']} kilos of sesame"

    deliver()


supplier()

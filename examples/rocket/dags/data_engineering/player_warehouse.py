"""Data Engineering's pipeline: a batch of telemetry comes in, three published tables come out.

    late_events -> receive -> check -> telemetry -> profiles_and_marketing -> publish_tables

Trigger it with `players` for a smaller or larger game, or with `spoil: true` to see what a bad batch does: the run
fails in `check`, nothing is published, and the teams downstream never start.
"""

from datetime import timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import Asset, BaseOperator, Connection, Param, Variable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

# What this team promises to others. Who may consume each asset is not said here but in our team file: the consent of
# the team's lead, not of whoever edits a Dag. Consumers write the same three names in their `schedule`.
USER_PROFILES = Asset("user_profiles")
TELEMETRY_DAILY = Asset("telemetry_daily")
MARKETING_ATTRIBUTION = Asset("marketing_attribution")


def note_failure(context):
    """Airflow calls this when a run has failed, in this team's sandbox: it leaves word in a variable of the team's."""
    Variable.set("last_failure", f"{context['run_id']}: {context['reason']}", description="The last run that failed")


class LateEvents(BaseOperator):
    """Game servers deliver for a while after the hour. Deferred, this waits without a slot or a process of its own."""

    def execute(self, context):  # noqa: ARG002  # that is what Airflow calls
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=1)), method_name="execute_complete")

    def execute_complete(self, context, event=None):
        """The time has come: nothing else is to be done."""


@dag(
    dag_id="de_player_warehouse",
    schedule=None,  # a real studio would say "@hourly", or wait for its game servers' asset
    catchup=False,
    max_active_runs=1,
    tags=["rocket", "etl"],
    doc_md=__doc__,
    on_failure_callback=note_failure,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=10)},
    params={
        "players": Param(
            None,
            type=["null", "integer"],
            minimum=2_000,
            maximum=5_000_000,
            description="Players in the simulated game; empty: the team's variable `players`.",
        ),
        "seed": Param(7, type="integer", minimum=0, description="The same seed makes the same month."),
        "spoil": Param(False, type="boolean", description="Damage the batch, to see the checks refuse it."),
    },
)
def player_warehouse():
    late_events = LateEvents(task_id="late_events")

    @task(pool="lake")
    def receive() -> dict:
        """Take delivery of a month of events. Here they are simulated; the folder looks as the game would leave it."""
        # Imports that cost time belong into the task: this file is parsed again and again, the task runs once.
        from rocket_de.simulator import Size, simulate
        from rocket_de.spoil import spoil

        from airspace.sdk import workspace

        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        # `players` and `warehouse` are short names: every team on this Airflow has its own.
        players = params["players"] or int(Variable.get("players", default=200_000))
        batch = workspace("batches", f"{run.run_after:%Y%m%dT%H%M%S.%fZ}")
        counts = simulate(batch, Size(players=players, seed=params["seed"]))
        if params["spoil"]:
            spoil(batch)
        return {"folder": str(batch), **counts}

    @task
    def check(batch: dict) -> dict:
        """Is the batch fit for use? The report is stored beside the data, and here as the task's result."""
        from pathlib import Path

        from rocket_de.quality import BadBatch, check_batch, require

        report = check_batch(Path(batch["folder"]))
        get_current_context()["ti"].xcom_push(key="report", value=report)
        try:
            require(report)
        except BadBatch as error:
            raise AirflowFailException(str(error)) from error  # trying again would not mend the data
        return {"folder": batch["folder"], "checks": len(report["checks"])}

    @task
    def telemetry(batch: dict) -> int:
        """Events become one row a player and day."""
        from pathlib import Path

        from rocket_de.tables import telemetry_daily

        folder = Path(batch["folder"])
        return telemetry_daily(folder, folder / "telemetry_daily")

    @task
    def profiles_and_marketing(batch: dict) -> dict:
        """Who the players are and who brought them; then: do all tables tell the same story?"""
        from pathlib import Path

        from rocket_de.quality import BadBatch, reconcile, require
        from rocket_de.tables import marketing_attribution, read_daily, user_profiles

        folder = Path(batch["folder"])
        daily = read_daily(folder / "telemetry_daily")
        profiles = user_profiles(folder, daily)
        marketing = marketing_attribution(folder, profiles, daily)
        profiles.write_parquet(folder / "user_profiles.parquet")
        marketing.write_parquet(folder / "marketing_attribution.parquet")
        report = reconcile(folder, folder / "telemetry_daily", profiles, marketing)
        try:
            require(report)
        except BadBatch as error:
            raise AirflowFailException(str(error)) from error
        return {"profiles": profiles.height, "marketing": marketing.height}

    @task(outlets=[USER_PROFILES, TELEMETRY_DAILY, MARKETING_ATTRIBUTION])
    def publish_tables(batch: dict, *, outlet_events) -> dict:
        """Publish all three. Each becomes current in one step; the assets' events start the teams downstream."""
        import shutil
        from pathlib import Path

        import polars as pl
        from rocket_de.tables import read_daily

        from airspace.sdk import publish

        folder = Path(batch["folder"])
        label = folder.name  # the same version name on all three says that they belong together
        with publish("telemetry_daily", version=label) as out:
            shutil.copytree(folder / "telemetry_daily", out.path, dirs_exist_ok=True)
            table = read_daily(out.path)
            out.describe(rows=table.select(pl.len()).collect().item(), schema=table.collect_schema())
        outlet_events[TELEMETRY_DAILY].extra = out.event()

        for asset in (USER_PROFILES, MARKETING_ATTRIBUTION):
            table = pl.read_parquet(folder / f"{asset.name}.parquet")
            with publish(asset.name, version=label) as out:
                table.write_parquet(out.path / "part-0.parquet")
                out.describe(rows=table.height, schema=table.schema)
            outlet_events[asset].extra = out.event()

        warehouse = Connection.get("warehouse")
        return {"version": label, "warehouse": f"{warehouse.login}@{warehouse.host}/{warehouse.schema}"}

    batch = receive()
    late_events >> batch
    checked = check(batch)
    checked >> telemetry(batch) >> profiles_and_marketing(batch) >> publish_tables(checked)


player_warehouse()

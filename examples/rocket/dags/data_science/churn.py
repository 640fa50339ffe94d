"""Data Science's pipeline: who is about to stop playing?

    choose_inputs -> build_features -> train -> publish_predictions

It starts by itself when Data Engineering has published both tables, and only then. It knows that team by the names of
its assets: no import, no path, no Dag of theirs.
"""

from datetime import timedelta

from airflow.sdk import Asset, Connection, Variable, dag, task
from airflow.sdk.exceptions import AirflowFailException

SOURCE = "data_engineering"
USER_PROFILES = Asset("user_profiles")
TELEMETRY_DAILY = Asset("telemetry_daily")
CHURN_PREDICTIONS = Asset("churn_predictions")


@dag(
    dag_id="ds_churn",
    schedule=USER_PROFILES & TELEMETRY_DAILY,  # both, not one of them
    catchup=False,
    max_active_runs=1,
    tags=["rocket", "machine learning"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=10)},
)
def churn():
    @task
    def choose_inputs() -> dict:
        """Note the versions to work on: all tasks of the run then read the same data, whatever is published since."""
        from airspace.sdk import published

        return {asset: published(SOURCE, asset).version for asset in (USER_PROFILES.name, TELEMETRY_DAILY.name)}

    @task
    def build_features(versions: dict) -> str:
        """Three weeks of habits: up to a week ago, to learn what came of them, and up to today, to predict."""
        import polars as pl
        from rocket_ds.features import HORIZON, features, labels, last_day, read_daily

        from airspace.sdk import published, workspace

        daily = read_daily(published(SOURCE, "telemetry_daily", version=versions["telemetry_daily"]).path)
        users = published(SOURCE, "user_profiles", version=versions["user_profiles"])
        profiles = pl.read_parquet(users.path / "*.parquet")
        today = last_day(daily)
        past = today - timedelta(days=HORIZON)
        known = features(daily, profiles, past)
        work = workspace("churn", versions["telemetry_daily"])
        known.with_columns(labels(daily, known, past)).write_parquet(work / "known.parquet")
        features(daily, profiles, today).write_parquet(work / "today.parquet")
        return str(work)

    @task(pool="gpu")  # a short name again: our own pool, two at once (see the team file)
    def train(folder: str) -> dict:
        """Fit and judge. A model that learnt too little, or that 'learns' from shuffled labels, ends the run here."""
        import json
        from pathlib import Path

        import joblib
        import polars as pl
        from rocket_ds import model as churn_model

        work = Path(folder)
        known = pl.read_parquet(work / "known.parquet")
        model, metrics = churn_model.train(known.drop("churned"), known["churned"])
        joblib.dump(model, work / "model.joblib")
        (work / "metrics.json").write_text(json.dumps(metrics.as_dict(), indent=1))
        try:
            churn_model.require(metrics, least_auc=float(Variable.get("least_auc", default=0.7)))
        except churn_model.ModelRejected as error:
            raise AirflowFailException(str(error)) from error
        return metrics.as_dict()

    @task(outlets=[CHURN_PREDICTIONS])
    def publish_predictions(folder: str, versions: dict, *, outlet_events) -> dict:
        """One row for each active player. The metrics travel with the predictions."""
        import json
        import shutil
        from pathlib import Path

        import joblib
        import polars as pl
        from rocket_ds.model import predict

        from airspace.sdk import publish, published

        work = Path(folder)
        table = predict(joblib.load(work / "model.joblib"), pl.read_parquet(work / "today.parquet"))
        sources = [published(SOURCE, asset, version=version) for asset, version in versions.items()]
        with publish("churn_predictions", version=work.name, inputs=sources) as out:
            table.write_parquet(out.path / "predictions.parquet")
            shutil.copy(work / "metrics.json", out.path)
            out.describe(rows=table.height, schema=table.schema)
        metrics = json.loads((work / "metrics.json").read_text())
        auc = {name: metrics[name] for name in ("auc", "auc_shuffled_labels")}
        outlet_events[CHURN_PREDICTIONS].extra = {**out.event(), **auc}

        warehouse = Connection.get("warehouse")
        return {"rows": table.height, **auc, "warehouse": f"{warehouse.login}@{warehouse.host}/{warehouse.schema}"}

    versions = choose_inputs()
    work = build_features(versions)
    train(work) >> publish_predictions(work, versions)


churn()

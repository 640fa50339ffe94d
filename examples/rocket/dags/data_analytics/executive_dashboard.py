"""Data Analytics' pipeline: one page for the people who decide.

    choose_inputs -> publish_dashboard

It starts when users, marketing and churn predictions have all been published: two teams' work, tied by nothing but the
names of three assets. The page is a single HTML file that opens anywhere, also offline.
"""

from datetime import timedelta

from airflow.sdk import Asset, Connection, dag, task

# asset -> the team that owns it
SOURCES = {
    "user_profiles": "data_engineering",
    "marketing_attribution": "data_engineering",
    "churn_predictions": "data_science",
}
DASHBOARD = Asset("dashboard")


@dag(
    dag_id="da_executive_dashboard",
    schedule=Asset("user_profiles") & Asset("marketing_attribution") & Asset("churn_predictions"),
    catchup=False,
    max_active_runs=1,
    tags=["rocket", "dashboard"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=5)},
)
def executive_dashboard():
    @task
    def choose_inputs() -> dict:
        """Note which versions this page shows."""
        from airspace.sdk import published

        return {asset: published(team, asset).version for asset, team in SOURCES.items()}

    @task(outlets=[DASHBOARD])
    def publish_dashboard(versions: dict, *, outlet_events) -> dict:
        """Reduce the tables to the numbers shown, draw, publish."""
        from rocket_da.dashboard import render
        from rocket_da.figures import figures

        from airspace.sdk import publish, published

        sources = {asset: published(team, asset, version=versions[asset]) for asset, team in SOURCES.items()}
        shown = figures(
            sources["user_profiles"].path, sources["marketing_attribution"].path, sources["churn_predictions"].path
        )
        warehouse = Connection.get("warehouse")
        seen_as = f"{warehouse.login}@{warehouse.host}/{warehouse.schema}"
        page = render(shown, sources=[source.ref for source in sources.values()], warehouse=seen_as)
        with publish("dashboard", inputs=sources.values()) as out:
            (out.path / "index.html").write_text(page, encoding="utf-8")
            out.describe(rows=shown.points)
        outlet_events[DASHBOARD].extra = out.event()
        return {"uri": out.event()["uri"], "points": shown.points, "warehouse": seen_as}

    publish_dashboard(choose_inputs())


executive_dashboard()

"""Your first Dag. Copy this file into your team's folder, change it, save: it is there within two seconds."""

from datetime import timedelta

from airflow.sdk import Asset, dag, task

GREETINGS = Asset("greetings")  # to let another team start on it: `assets` in your team file


@dag(
    dag_id="my_first_dag",  # ids are unique across all teams: begin with your team's name when it gets crowded
    schedule=None,  # started by hand; or "@daily", a cron line, or other teams' assets
    catchup=False,
    tags=["example"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=1)},
)
def my_first_dag():
    @task
    def count_letters() -> dict:
        """Do some work. The result is handed to the next task, and shown as XCom in the UI."""
        return {word: len(word) for word in ("one", "airflow", "many", "teams")}

    @task(outlets=[GREETINGS])
    def publish_greetings(letters: dict, *, outlet_events) -> str:
        """Publish a small dataset: complete or not at all, with a version and a description."""
        from airspace.sdk import publish, team

        with publish("greetings") as out:
            lines = [f"{word},{count}" for word, count in letters.items()]
            (out.path / "letters.csv").write_text("\n".join(["word,letters", *lines]) + "\n")
            out.describe(rows=len(lines), schema={"word": "str", "letters": "int"})
        outlet_events[GREETINGS].extra = out.event()
        return f"{team()} says hello: {out.event()['uri']}"

    publish_greetings(count_letters())


my_first_dag()

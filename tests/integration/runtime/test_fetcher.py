"""The fetcher as a process: edits arrive at once, and nobody's folder delays another's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airspace.model.home import HomeLayout
from airspace.platform import bells
from tests.integration.runtime.home import Home, sources, wait_for

Record = Callable[[str, object], None]


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Home]:
    """A fetcher with two sources."""
    layout = HomeLayout(tmp_path / "home")
    layout.run.mkdir(parents=True)
    for team in ("da", "de"):
        (tmp_path / team).mkdir()
        (tmp_path / team / "dag.py").write_text("one\n")
    sources(layout, {team: tmp_path / team for team in ("da", "de")})
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "LANG": "C.UTF-8", "AIRSPACE_HOME": str(layout.root)}
    made = Home(layout, "", None, env)
    made.watch_imports()
    made.start("fetcher")
    wait_for(lambda: (layout.bundles / "de" / "dag.py").exists() and (layout.bundles / "da" / "dag.py").exists())
    yield made
    if "fetcher" in made.processes:
        assert made.stop("fetcher") < 10
    assert made.watched() == ({"airspace.platform.fetcher"}, "")  # it copies files, and runs none


def problems(fetching: Home, source: str) -> dict[str, str]:
    """What the fetcher tells of a source; nothing while it has not told anything yet."""
    status = fetching.layout.run / "sources-status.json"
    told = json.loads(status.read_text()) if status.exists() else {}
    return dict(told.get(source, {}).get("problems", {}))


def test_edits_new_folders_and_new_teams_arrive_at_once(
    fetching: Home, tmp_path: Path, record_property: Record
) -> None:
    bell = bells.hang(bells.DOORBELL, fetching.layout.run)
    copy = fetching.layout.bundles
    heard: set[str] = set()

    def both() -> bool:
        heard.update(bells.rings(bell))
        return heard >= {"da", "de"}

    wait_for(both)  # kept for whoever comes late
    assert heard == {"da", "de"}
    started = time.monotonic()
    (tmp_path / "de" / "dag.py").write_text("two\n")
    wait_for(lambda: (copy / "de" / "dag.py").read_text() == "two\n", every=0.005)
    record_property("edit copied", round(time.monotonic() - started, 3))
    assert wait_for(lambda: bells.rings(bell)) == {"de"}
    (tmp_path / "de" / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "de" / "lib" / "deep" / "helper.py").write_text("x")
    wait_for(lambda: (copy / "de" / "lib" / "deep" / "helper.py").exists())
    (tmp_path / "de" / "lib" / "deep" / "helper.py").write_text("y")
    wait_for(lambda: (copy / "de" / "lib" / "deep" / "helper.py").read_text() == "y")
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "dag.py").write_text("new\n")
    sources(fetching.layout, {"de": tmp_path / "de", "ds": tmp_path / "ds"})
    wait_for(lambda: (copy / "ds" / "dag.py").exists())
    wait_for(lambda: not (copy / "da").exists())
    bell.close()


def test_a_busy_dag_processor_hears_of_every_team_that_changed(fetching: Home, tmp_path: Path) -> None:
    teams = [f"t{number}" for number in range(40)]
    for team in teams:
        (tmp_path / team).mkdir()
        (tmp_path / team / "dag.py").write_text("one\n")
    with bells.hang(bells.DOORBELL, fetching.layout.run) as bell:
        sources(fetching.layout, {team: tmp_path / team for team in teams})
        wait_for(lambda: all((fetching.layout.bundles / team / "dag.py").exists() for team in teams))
        heard: set[str] = set()

        def all_heard() -> bool:
            heard.update(bells.rings(bell))
            return heard >= set(teams)

        wait_for(all_heard)


def test_what_is_left_out_is_told(fetching: Home, tmp_path: Path) -> None:
    (tmp_path / "de" / "shadow.py").symlink_to("/etc/shadow")
    wait_for(lambda: problems(fetching, "de").get("shadow.py"))
    assert "shadow.py is left out: it is a symbolic link" in fetching.log("fetcher").read_text()
    assert not (fetching.layout.bundles / "de" / "shadow.py").exists()


def test_a_broken_list_of_sources_changes_nothing(fetching: Home, tmp_path: Path) -> None:
    fetching.layout.sources.write_text("{")
    wait_for(lambda: "stay as they are" in fetching.log("fetcher").read_text())
    (tmp_path / "de" / "dag.py").write_text("still\n")
    wait_for(lambda: (fetching.layout.bundles / "de" / "dag.py").read_text() == "still\n")


def test_a_source_that_hangs_delays_nobody(fetching: Home, tmp_path: Path) -> None:
    """A folder with very much in it, changed all the time, beside one with a small change."""
    big = tmp_path / "da" / "big"
    big.mkdir()
    for number in range(3000):
        (big / f"{number}.csv").write_text("x" * 2000)
    started = time.monotonic()
    (tmp_path / "de" / "dag.py").write_text("quick\n")
    wait_for(lambda: (fetching.layout.bundles / "de" / "dag.py").read_text() == "quick\n", every=0.005)
    assert time.monotonic() - started < 5


def test_it_is_small(fetching: Home, record_property: Record) -> None:
    rollup = Path(f"/proc/{fetching.processes['fetcher'].pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    record_property("fetcher PSS MB", round(pss, 1))
    assert pss < 40


def test_what_lies_in_no_teams_folder_is_told_and_not_taken(fetching: Home) -> None:
    dags = fetching.layout.dags
    dags.mkdir(exist_ok=True)
    (dags / "lost.py").write_text("never runs")

    def told() -> dict[str, str]:
        return problems(fetching, ".")

    wait_for(lambda: "never runs" in told().get("lost.py", ""))
    (dags / "dee").mkdir()
    wait_for(lambda: "is it for" in told().get("dee", ""))
    assert not [path for path in fetching.layout.bundles.rglob("*") if path.name in ("lost.py", "dee")]
    (dags / "lost.py").unlink()
    wait_for(lambda: "lost.py" not in told())

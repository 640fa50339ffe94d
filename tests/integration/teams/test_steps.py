"""An apply that is killed, at and inside each of its steps: the next one ends it, and nobody else notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airspace.model.home import HomeLayout
from airspace.teams import folders, journal, service, steps
from airspace.teams.steps import Step, Work
from tests.integration.teams.conftest import Desk, everything
from tests.integration.teams.warm import WarmControl

pytestmark = pytest.mark.integration

HIDDEN = "hidden-word"
OTHER = "name: bystander\nmembers: {ben: lead}\nvariables: {x: 1}\nassets: {theirs: {consumers: [science]}}\n"


def science(slots: int) -> str:
    return (
        f"name: science\nslots: {slots}\nmembers: {{ada: lead}}\npools: {{gpu: {slots}}}\n"
        f"dags: {{git: {{url: 'https://git.example/x.git', branch: b{slots}, password: {{env: TOKEN}}}}}}\n"
        f"connections: {{w: {{type: http, host: h{slots}}}}}\nvariables: {{n: {slots}}}\nassets: {{a{slots}: {{}}}}\n"
    )


class Killing(WarmControl):
    """Kills its process in the middle of a step that speaks to the platform."""

    inside = ""

    def run_control(self, *arguments: Any) -> dict[str, Any]:
        """Killed after the worker has answered."""
        answer = super().run_control(*arguments)
        self._die("database")
        return answer

    def settle(self, places: Any) -> None:
        """Killed between two places."""
        super().settle(places[:1])
        self._die("places")
        super().settle(places)

    def ring(self, bundle: str) -> None:
        """Killed after the first bell."""
        super().ring(bundle)
        self._die("bells")

    def _die(self, where: str) -> None:
        if self.inside == where:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """In a process of its own: apply, and be killed before the step that is named, or inside it."""
    asked = json.loads(sys.argv[1])
    layout = HomeLayout(Path(asked["home"]))
    control = Killing(layout, {}, asked["socket"])
    control.inside = asked["inside"]

    def die(work: Work) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    cut = [step for step in steps.STEPS if step.name == asked["before"]]
    listed = list(steps.STEPS)
    listed[listed.index(cut[0]) : listed.index(cut[0])] = [Step("killed", die)] if not asked["inside"] else []
    loaded = service.load(Path(asked["directory"]), layout, {"TOKEN": f"{HIDDEN}-then"})
    with folders.apply_lock(layout):
        steps.run(Work(loaded, control), steps=listed)


def killed(desk: Desk, step: str, *, inside: bool) -> None:
    asked = {
        "home": str(desk.layout.root),
        "socket": desk.control.socket,
        "directory": str(desk.directory),
        "before": step,
        "inside": step if inside else "",
    }
    command = [sys.executable, "-c", "from tests.integration.teams.test_steps import main; main()", json.dumps(asked)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.layout.secrets.mkdir(mode=0o700)
    desk.environ["TOKEN"] = HIDDEN
    return desk


def test_killed_at_every_step(desk: Desk) -> None:
    desk.write("bystander", OTHER)
    desk.write("science", science(1))
    desk.apply()
    bystander, stamp = everything(desk, "bystander"), desk.layout.sandboxes.stat().st_ino
    assert stamp
    points = [(step.name, False) for step in steps.STEPS] + [(name, True) for name in ("database", "places", "bells")]
    for number, (step, inside) in enumerate(points, start=2):
        desk.write("science", science(number))
        killed(desk, step, inside=inside)
        where = f"{'inside' if inside else 'before'} {step}"
        assert everything(desk, "bystander") == bystander, where
        begun = set(journal.unfinished(desk.layout))
        assert begun == (set() if step == "begin" else {"bystander", "science"}), where
        desk.control.rung.clear()
        outcome = desk.apply()
        assert journal.unfinished(desk.layout) == {}, where
        assert "science" in desk.control.rung, where
        assert desk.plan().changes == (), where
        found = everything(desk, "science")
        assert (found["copy"], found["pools"]) == (
            science(number),
            [("science", number), ("science.gpu", number)],
        ), where
        assert found["folders"] == [True, False, True], where
        kept = json.loads(desk.layout.source_credentials.read_text())["credentials"]
        assert kept == {found["source"]["remote"]["id"]: {"password": HIDDEN}}, where
        assert everything(desk, "bystander") == bystander, where
        assert outcome.unfinished == ()


def test_a_new_team_killed_at_every_step_is_whole_in_the_end(desk: Desk) -> None:
    desk.write("bystander", OTHER.replace("assets", "# assets"))
    desk.apply()
    bystander = everything(desk, "bystander")
    whole: dict[str, Any] = {}
    for step in steps.STEPS[1:]:
        name = f"new_{step.name}"
        desk.write(name, f"name: {name}\nmembers: {{ada: lead}}\n")
        killed(desk, step.name, inside=False)
        assert everything(desk, "bystander") == bystander
        desk.apply()
        found = json.loads(json.dumps(everything(desk, name), default=str).replace(name, "new").replace(
            name.replace("_", " ").title(), "New"))  # fmt: skip
        assert found == (whole := whole or found)


def test_what_was_cut_off_elsewhere_is_told_and_kept_in_mind(desk: Desk, tmp_path: Path) -> None:
    desk.write("science", science(1))
    killed(desk, "bells", inside=False)
    other = tmp_path / "other"
    other.mkdir()
    (other / "bystander.yaml").write_text("name: bystander\n")
    elsewhere = service.apply(service.load(other, desk.layout, {}), desk.control)
    assert elsewhere.unfinished == ("science",)
    assert desk.control.rung == ["bystander"]
    desk.apply()
    assert desk.control.rung == ["bystander", "science"]
    assert desk.plan().unfinished == ()

"""The life of a platform, with small programs in the place of Airflow's: start, crash, heal, stop, remove."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from airspace.model.errors import AirspaceError, HomeError, NotRunningError
from airspace.platform import ports
from airspace.platform.home import read_manifest
from airspace.platform.progress import Event
from airspace.platform.service import Platform
from tests.integration.platform.conftest import alive, crashing

pytestmark = pytest.mark.integration
New = Callable[..., Platform]
ROOT = os.getuid() == 0


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def pids(platform: Platform) -> dict[str, int | None]:
    return {part.name: part.pid for part in platform.status().components}


def home_id(platform: Platform) -> str:
    manifest = read_manifest(platform.layout)
    assert manifest is not None
    return manifest.id


def sockets(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)]


def test_a_whole_life(new_platform: New) -> None:
    platform = new_platform()
    assert not platform.status().ready
    with pytest.raises(NotRunningError):
        platform.run_control("json.tool", [], {})

    told: list[Event] = []
    assert not platform.up(progress=told.append).already
    assert {event.step for event in told if event.done} >= {
        "create the database",
        "scheduler",
        "api-server",
        "postgres",
    }
    status = platform.status()
    assert status.ready
    assert status.isolation == "sandbox"
    assert [part.name for part in status.components] == ["postgres", "fetcher", "api-server", "scheduler"]
    assert all(part.rss_mb > 0 for part in status.components)

    before = pids(platform)
    assert platform.up().already
    assert pids(platform) == before, "up twice is up once"
    _check_users_and_secrets(platform)

    scheduler = before["scheduler"]
    assert scheduler
    os.kill(scheduler, signal.SIGKILL)
    until(lambda: pids(platform)["scheduler"] not in (None, scheduler) and platform.status().ready)

    assert platform.run_control("json.tool", [], {"a": "b"}) == {"a": "b"}
    url, name = platform.url, home_id(platform)
    platform.down()
    assert alive(name) == []
    assert sockets(platform.layout.root) == []
    assert not platform.status().ready
    platform.down()

    platform.up()
    assert platform.url == url, "the URL survives a restart"
    platform.destroy()
    assert alive(name) == []
    assert not platform.layout.root.exists()
    with pytest.raises(KeyError):
        pwd.getpwnam(f"airspace-{name}")


def _check_users_and_secrets(platform: Platform) -> None:
    secrets = [path.read_text().strip() for path in platform.layout.secrets.iterdir()]
    for path in platform.layout.secrets.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    everything = [
        *(part for process in psutil.process_iter() for part in _words(process)),
        *(path.read_text(errors="replace") for path in platform.layout.logs.glob("*.log")),
    ]
    assert not [secret for secret in secrets for text in everything if secret in text]
    for name, pid in pids(platform).items():
        assert pid is not None
        user = psutil.Process(pid).username()
        expected = f"airspace-{home_id(platform)}" if ROOT and name != "fetcher" else pwd.getpwuid(os.getuid()).pw_name
        assert user == expected, name
        if ROOT and name != "fetcher":
            held = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Cap")]
            assert all(int(line.split()[1], 16) == 0 for line in held), held


def _words(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), *process.environ().values()]
    except (psutil.Error, OSError):
        return []


def test_a_killed_process_manager_leaves_nothing_that_down_or_up_does_not_find(new_platform: New) -> None:
    platform = new_platform()
    platform.up()
    manager = int((platform.layout.root / "supervisor" / "supervisord.pid").read_text())
    os.kill(manager, signal.SIGKILL)
    platform.down()
    assert alive(home_id(platform)) == []
    assert sockets(platform.layout.root) == []

    platform.up()
    manager = int((platform.layout.root / "supervisor" / "supervisord.pid").read_text())
    os.kill(manager, signal.SIGKILL)
    platform.up()
    assert platform.status().ready
    assert len([line for line in alive(home_id(platform)) if "supervisord" in line]) == 1


def test_two_ups_at_once_are_one(new_platform: New) -> None:
    first, second = new_platform(), new_platform()
    results: list[bool] = []
    threads = [threading.Thread(target=lambda p=p: results.append(p.up().already)) for p in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]


@pytest.mark.parametrize("seconds", [0.25, 0.8, 1.6])
def test_an_up_that_was_killed_half_way_is_healed_by_up(new_platform: New, seconds: float) -> None:
    platform = new_platform()
    code = (
        "import sys; from pathlib import Path; from airspace.model.home import HomeLayout;"
        "from airspace.platform.service import Platform; from tests.integration.platform.conftest import small;"
        "Platform(HomeLayout(Path(sys.argv[1])), small()).up()"
    )
    started = subprocess.Popen([sys.executable, "-c", code, str(platform.layout.root)], cwd=Path(__file__).parents[3])
    time.sleep(seconds + 0.4)  # the interpreter's own start comes first
    started.kill()
    started.wait()
    platform.up()
    assert platform.status().ready


def test_a_part_that_keeps_ending_is_told_with_its_last_lines(new_platform: New) -> None:
    platform = new_platform(blueprint=crashing())
    with pytest.raises(AirspaceError, match="triggerer keeps ending") as failed:
        platform.up()
    assert "out of luck" in failed.value.message
    assert "triggerer.log" in (failed.value.fix or "")
    status = platform.status()
    assert not status.ready
    states = {part.name: part.state for part in status.components}
    assert states["triggerer"] in ("crash-looping", "starting")
    assert states["api-server"] == "running"
    checks = {check.name: check for check in platform.doctor()}
    assert not checks["triggerer"].ok
    assert "out of luck" in checks["triggerer"].message
    assert checks["api-server"].ok


def test_two_homes_do_not_disturb_each_other(new_platform: New) -> None:
    first, second = new_platform("first"), new_platform("second")
    first.up()
    second.up()
    assert first.url != second.url
    before = pids(second)
    first.destroy()
    assert second.status().ready
    assert pids(second) == before


def test_a_home_with_a_long_path_has_its_sockets_elsewhere(new_platform: New) -> None:
    platform = new_platform("x" * 100)
    platform.up()
    assert platform.status().ready
    assert sockets(platform.layout.root) == []
    runtime = Path("/run" if ROOT else os.environ.get("XDG_RUNTIME_DIR", "/tmp")).glob(f"airspace-*{home_id(platform)}")
    (found,) = runtime
    assert sockets(found)
    platform.destroy()
    assert not found.exists()


def test_a_port_that_is_asked_for_is_used_and_another_is_refused_while_running(new_platform: New) -> None:
    platform = new_platform()
    with ports.reserved(None, None) as port:
        pass
    platform.up(port=port)
    assert platform.url == f"http://127.0.0.1:{port}"
    with pytest.raises(AirspaceError, match=f"running on port {port}") as refused:
        platform.up(port=port + 1)
    assert "airspace down" in (refused.value.fix or "")


def test_what_is_lost_from_an_initialised_home_is_told_not_replaced(new_platform: New) -> None:
    platform = new_platform()
    platform.up()
    platform.down()
    data = platform.layout.postgres_data
    data.rename(data.with_name("elsewhere"))
    with pytest.raises(HomeError, match="database of this home is gone"):
        platform.up()
    data.with_name("elsewhere").rename(data)
    (platform.layout.secrets / "fernet_key").unlink()
    with pytest.raises(HomeError, match="fernet_key"):
        platform.up()


def test_a_full_disk_is_told_with_a_way_out(new_platform: New, folder: Path) -> None:
    if not ROOT:
        pytest.skip("only root can mount a small disk")
    small_disk = folder / "small"
    small_disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0755", "small", str(small_disk)], check=True)
    try:
        with pytest.raises(AirspaceError, match=r"has \d+ MB free; 500 MB are needed") as refused:
            new_platform("small/home").up()
        assert "df -h" in (refused.value.fix or "")
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)

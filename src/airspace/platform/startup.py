"""``up``: from whatever state a home is in to a platform that answers. Every step may be repeated."""

from __future__ import annotations

import importlib.metadata
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import airspace
from airspace.backends import accounts, postgres
from airspace.backends.accounts import Account
from airspace.backends.postgres import Cluster
from airspace.backends.processes import Program, Supervisor, SupervisorError
from airspace.model.errors import AirspaceError, HomeError
from airspace.model.home import HomeLayout
from airspace.model.warehouse import KEY
from airspace.platform import airflow_config, components, health, home, places, ports, sandboxes, strays, warehouse
from airspace.platform.components import POSTGRES, Blueprint, Component
from airspace.platform.control import Control, control_account_if_any, open_control
from airspace.platform.health import ComponentStatus
from airspace.platform.home import Manifest, Places
from airspace.platform.progress import Event, Progress, step
from airspace.platform.vault import Secrets, Vault

DATABASE = "airflow"
_FRESH_MB, _KNOWN_MB = 500, 60  # free disk space that a new home and an initialised one need to start
_READY_SECONDS = 300.0
_DATABASE_SECONDS = 60.0
_LOOK = 0.2  # seconds between two looks at the components: each costs processor time that they need to start
_CRASHES = 3  # ends of a component while starting after which waiting on is pointless


@dataclass(frozen=True)
class Started:
    """What ``up`` achieved."""

    url: str
    already: bool


@dataclass
class Start:
    """One ``up``, with the home's lock held."""

    layout: HomeLayout
    blueprint: Blueprint
    progress: Progress
    parts: tuple[Component, ...] = ()

    def run(self, port: int | None, database_url: str | None, isolation: str | None = None) -> Started:
        """Do it."""
        layout = self.layout
        home.check_usable(layout)
        manifest = home.begin(layout)
        if isolation is not None and isolation != manifest.isolation:
            manifest = self._isolate(manifest, isolation)
        self.parts = components.parts(self.blueprint, manifest.isolation)
        self.where = home.places(layout, manifest.id)
        self.supervisor = Supervisor(self.where.supervisor, layout.logs)
        initialised = layout.manifest.exists()
        if self.supervisor.running():
            if initialised:
                return self._resume(manifest, port, database_url)
            # An `up` that was cut off before the database was made: its processes know nothing worth keeping.
            self.supervisor.shutdown()
        # Before the port is looked at: a stray may hold it.
        strays.sweep(layout, self.where, manifest.id, control_account_if_any(manifest))
        self._check_space(initialised)
        with ports.reserved(port, manifest.port) as chosen:
            manifest = home.with_changes(manifest, port=chosen, version=airspace.__version__)
            return self._start(manifest, database_url, initialised)

    def _start(self, manifest: Manifest, database_url: str | None, initialised: bool) -> Started:
        with step(self.progress, "prepare the home"):
            account = control_account(manifest)
            manifest = home.with_changes(manifest, user=account.name if account else None)
            home.make_folders(self.layout, self.where, (account.uid, account.gid) if account else None)
            control = open_control(self.layout, self.where, manifest.id, account)
            control.check()
            if self.blueprint.sandboxes:
                self._prepare_sandboxes(manifest, control)
            vault = Vault(self.layout.secrets, control.owner)
            secrets = vault.open(may_create=not initialised)
        manifest, url = self._database(manifest, database_url, control, vault, initialised)
        cluster = private_cluster(self.layout, self.where, control) if manifest.database == "embedded" else None
        if cluster is not None and not cluster.initialised:
            if initialised:
                raise HomeError(
                    f"the database of this home is gone: {cluster.data}", fix=f"restore {cluster.data} from a backup"
                )
            with step(self.progress, "create the database"):
                cluster.initialise(secrets.database_password)
        if self.blueprint.sandboxes:
            self._offer_warehouse(manifest, url, control, vault)
        sync_url = url or (cluster.url(secrets.database_password, DATABASE) if cluster else "")
        self._write_config(manifest, sync_url, secrets, control)
        limits = airflow_config.code_limits(self.layout.root / airflow_config.OVERRIDES)
        self.parts = components.parts(self.blueprint, manifest.isolation, limits)
        self.supervisor.start(
            programs(self.parts, control, cluster),
            environment={**control.environment, **postgres.certificates(url)},
            identifier=f"airspace-{manifest.id}",
        )
        if cluster is not None:
            self._start_database(cluster, secrets, fresh=not initialised)
        manifest = self._migrate(manifest, control)
        home.complete(self.layout, manifest)
        if self.blueprint.sandboxes:
            self._settle_warehouse(control)
        self._start_rest(manifest, cluster)
        return Started(airflow_config.local_url(manifest.port or 0, self.layout.root), already=False)

    def _offer_warehouse(self, manifest: Manifest, url: str | None, control: Control, vault: Vault) -> None:
        """Written before the relay starts, which reads it."""
        powers = None if url is None else control.run("airspace.backends.postgres", ["check"], {"url": url})
        offer = warehouse.offer_of(manifest, self.where, url, powers or {})
        vault.keep(KEY)
        home.write_atomically(self.layout.warehouse, offer.text(), mode=0o644)

    def _settle_warehouse(self, control: Control) -> None:
        """Every team's role and schema. What cannot be done now is done by the next ``apply``."""
        with step(self.progress, "settle the warehouse"):
            try:
                answer = control.ask([*self.blueprint.admin, "settle-warehouse"], {})
            except AirspaceError as error:
                answer = {"available": False, "reason": error.message}
        if not answer.get("available", True):
            self.progress(Event(f"there is no warehouse: {answer['reason']}"))

    def _isolate(self, manifest: Manifest, isolation: str) -> Manifest:
        where = home.places(self.layout, manifest.id)
        if self.layout.manifest.exists() and Supervisor(where.supervisor, self.layout.logs).running():
            raise AirspaceError(
                f"the platform is running with isolation {manifest.isolation}",
                fix=f"airspace down; airspace up --isolation {isolation}",
            )
        return home.with_changes(manifest, isolation=isolation)

    def _prepare_sandboxes(self, manifest: Manifest, control: Control) -> None:
        walls = manifest.isolation != home.NONE
        if walls:
            sandboxes.check(self.layout, control.account is not None)
        places.settle(self.layout, manifest.id, places.known(self.layout).values(), control.owner, walls=walls)

    def _resume(self, manifest: Manifest, port: int | None, database_url: str | None) -> Started:
        """It runs: only what does not is started."""
        if port is not None and port != manifest.port:
            raise AirspaceError(
                f"the platform is running on port {manifest.port}", fix=f"airspace down; airspace up --port {port}"
            )
        if database_url is not None and manifest.database == "embedded":
            raise _other_database()
        states = self.supervisor.states()
        account = control_account_if_any(manifest)
        control = open_control(self.layout, self.where, manifest.id, account)
        cluster = private_cluster(self.layout, self.where, control) if manifest.database == "embedded" else None
        down = [name for name, state in states.items() if not state.alive]
        if POSTGRES in down and cluster is not None:
            self.supervisor.start_program(POSTGRES)
            self._await_database(cluster)
        self._start_rest(manifest, cluster)
        return Started(airflow_config.local_url(manifest.port or 0, self.layout.root), already=not down)

    def _check_space(self, initialised: bool) -> None:
        needed = _KNOWN_MB if initialised else _FRESH_MB
        folder = next(path for path in (self.layout.root, *self.layout.root.parents) if path.exists())
        free = shutil.disk_usage(folder).free // 2**20
        if free < needed:
            raise AirspaceError(
                f"the disk of {self.layout.root} has {free} MB free; {needed} MB are needed to start",
                fix=f"free some space (df -h {folder}) or set AIRSPACE_HOME to another disk",
            )

    def _database(
        self, manifest: Manifest, given: str | None, control: Control, vault: Vault, initialised: bool
    ) -> tuple[Manifest, str | None]:
        """Which database: the private one, or the company's by URL (checked as the user that will use it)."""
        kept = vault.read("database_url")
        url = postgres.normalise(given) if given else (kept if manifest.database == "external" else None)
        if initialised and (given is not None) and (manifest.database == "embedded" or url != kept):
            if manifest.database == "embedded":
                raise _other_database()
            self.progress(Event("use another URL for the database"))
        if url is None:
            if manifest.database == "external":
                raise HomeError("the database URL of this home is missing", fix="airspace up --database URL")
            return manifest, None
        with step(self.progress, f"reach {postgres.redacted(url)}"):
            control.run("airspace.backends.postgres", ["check"], {"url": url})
        vault.write("database_url", url)
        return home.with_changes(manifest, database="external"), url

    def _write_config(self, manifest: Manifest, url: str, secrets: Secrets, control: Control) -> None:
        settings = airflow_config.Settings(
            home_id=manifest.id,
            port=manifest.port or 0,
            airflow_home=self.layout.airflow,
            logs=self.layout.logs,
            database_url=url,
            database_url_async=postgres.asynchronous(url),
            fernet_key=secrets.fernet_key,
            jwt_secret=secrets.jwt_secret,
            api_secret_key=secrets.api_secret_key,
        )
        text = airflow_config.render(settings, self.layout.root / airflow_config.OVERRIDES)
        home.write_atomically(self.layout.airflow / "airflow.cfg", text, mode=0o600, owner=control.owner)
        folder = self.layout.team_airflow
        text = airflow_config.render_for_teams(folder, settings, self.layout.root / airflow_config.OVERRIDES)
        home.write_atomically(folder / "airflow.cfg", text, mode=0o644)

    def _start_database(self, cluster: Cluster, secrets: Secrets, *, fresh: bool) -> None:
        with step(self.progress, "start the database"):
            self.supervisor.start_program(POSTGRES)
            self._await_database(cluster)
        if fresh:
            # What an `up` that was cut off may have left half-made is nobody's data yet.
            cluster.drop_database(secrets.database_password, DATABASE)
            cluster.create_database(secrets.database_password, DATABASE)

    def _await_database(self, cluster: Cluster) -> None:
        deadline = time.monotonic() + _DATABASE_SECONDS
        while not cluster.ready():
            state = self.supervisor.states().get(POSTGRES)
            if time.monotonic() > deadline or state is None or state.state in ("BACKOFF", "FATAL"):
                raise AirspaceError(
                    f"the database does not start:\n{tail(self.layout.logs / 'postgres.log')}",
                    fix=f"less {self.layout.logs / 'postgres.log'}",
                )
            time.sleep(0.05)

    def _migrate(self, manifest: Manifest, control: Control) -> Manifest:
        wanted = schema_fingerprint()
        # A private database changes only through us; the company's may have been restored from an older backup.
        if manifest.schema != wanted or manifest.database == "external":
            with step(self.progress, "create or upgrade the tables"):
                control.ask([*self.blueprint.admin, "migrate"], {})
        return home.with_changes(manifest, schema=wanted)

    def _start_rest(self, manifest: Manifest, cluster: Cluster | None) -> None:
        started = time.monotonic()
        for part in self.parts:
            self.supervisor.start_program(part.name)
        told: set[str] = set()
        crashes: dict[str, set[float]] = {}
        while True:
            found = observe(self.supervisor, self.parts, airflow_config.base_url(manifest.port or 0), cluster)
            for name in [part.name for part in found if part.state == health.RUNNING and part.name not in told]:
                told.add(name)
                self.progress(Event(name, done=True, seconds=time.monotonic() - started))
            if all(part.state == health.RUNNING for part in found):
                return
            self._give_up_on_crashes(found, crashes, expired=time.monotonic() > started + _READY_SECONDS)
            time.sleep(_LOOK)

    def _give_up_on_crashes(
        self, found: Sequence[ComponentStatus], crashes: dict[str, set[float]], *, expired: bool
    ) -> None:
        states = self.supervisor.states()
        if not states:
            raise SupervisorError("the process manager ended", fix=f"less {self.layout.logs / 'supervisord.log'}")
        for part in found:
            state = states.get(part.name)
            if state and part.state in (health.CRASH_LOOPING, health.FAILED):
                crashes.setdefault(part.name, set()).add(state.started)
            if part.state == health.FAILED or len(crashes.get(part.name, ())) >= _CRASHES:
                raise self._not_ready(part, "keeps ending")
        waiting = [part for part in found if part.state != health.RUNNING]
        if expired and waiting:
            raise self._not_ready(waiting[0], f"is not ready after {_READY_SECONDS:.0f} seconds")

    def _not_ready(self, part: ComponentStatus, what: str) -> AirspaceError:
        log = self.layout.logs / f"{part.name}.log"
        return AirspaceError(f"{part.name} {what}:\n{tail(log)}", fix=f"less {log}; then: airspace up")


def control_account(manifest: Manifest) -> Account | None:
    """The system user of this home, made if there is none; None when an ordinary user runs the platform."""
    if accounts.me().uid != 0:
        return None
    return accounts.create(manifest.user or f"airspace-{manifest.id}")


def private_cluster(layout: HomeLayout, where: Places, control: Control) -> Cluster:
    """The home's own PostgreSQL."""
    return Cluster(
        data=layout.postgres_data,
        socket_dir=where.postgres,
        prefix=control.prefix(on_parent_death="INT"),
        owner=control.owner,
    )


def programs(parts: Sequence[Component], control: Control, cluster: Cluster | None) -> list[Program]:
    """What the process manager runs, the database first."""
    made = [components.program(components.postgres(cluster.command()), (), order=1)] if cluster else []
    for part in parts:
        prefix = (
            control.prefix() if part.control or control.account is None else accounts.root_prefix(part.capabilities)
        )
        made.append(components.program(part, prefix, order=10))
    return made


def observe(
    supervisor: Supervisor, parts: Sequence[Component], url: str, cluster: Cluster | None
) -> list[ComponentStatus]:
    """Every component's state now."""
    states = supervisor.states()
    everything = [*([components.postgres([])] if cluster else []), *parts]
    api = next((part.name for part in parts if part.health == "api"), None)
    asked = api is not None and api in states and states[api].alive
    report = health.health_report(url) if asked else None
    database = cluster.ready() if cluster and POSTGRES in states and states[POSTGRES].alive else False
    return [
        ComponentStatus(
            name=part.name,
            state=health.judge(part, states.get(part.name), report, database),
            pid=states[part.name].pid if part.name in states else None,
            rss_mb=0.0,
        )
        for part in everything
    ]


def schema_fingerprint() -> str:
    """What the database must have been migrated for: Airflow's version and our own migrations."""
    versions = Path(airspace.__file__).parent / "airflow" / "migrations" / "versions"
    ours = ",".join(sorted(path.stem for path in versions.glob("*.py") if path.stem != "__init__"))
    return f"airflow {importlib.metadata.version('apache-airflow-core')}; airspace {ours}"


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented for a message."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))
            found = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "  (no log yet)"
    return "\n".join(f"  {line[:300]}" for line in found[-lines:])


def _other_database() -> AirspaceError:
    return AirspaceError(
        "this home has its own database; another cannot take its place",
        fix="use a new AIRSPACE_HOME with --database, or up without it",
    )

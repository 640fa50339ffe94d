"""Run one of Airflow's components in this process: ``python -m airspace.airflow.run NAME``.

The API server is Airflow's own command. The scheduler, the Dag processor and the triggerer are ours, under Airflow's
own jobs.
"""

from __future__ import annotations

import fcntl
import gc
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from airspace.airflow import admin_door, local_settings
from airspace.platform import bells

USAGE = "usage: python -m airspace.airflow.run {api-server,scheduler,dag-processor,triggerer}"


def api_server() -> None:
    """Airflow's API server and UI; what its first task would wait for is loaded right after the start."""
    from airspace.airflow.plugin import require_plugin
    from airspace.airflow.warm_up import warm_execution_api

    require_plugin()
    threading.Thread(target=warm_execution_api, name="warm-up", daemon=True).start()
    threading.Thread(target=admin_door.open_when_serving, name="admin-door", daemon=True).start()
    # All apps in one server: the guard loads only where `core` is among them.
    _airflow("api-server", "--apps", "all", "--workers", "1")
    # Everything is answered and closed; taking Airflow's modules apart would cost seconds of CPU at every stop.
    sys.stdout.flush()
    os._exit(0)


def scheduler() -> None:
    """Airflow's scheduler. A home has one: whatever another has left is known to be over."""
    lock = _only_one("scheduler")
    from airflow.jobs.job import Job, run_job
    from airflow.sdk.configuration import conf  # noqa: F401  # sets Airflow's SDK up before anything forks
    from airflow.utils.process_utils import set_component_mp_start_method
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    from airspace.airflow.scheduling.jobs import end_dead_schedulers
    from airspace.airflow.scheduling.scheduler import TeamScheduler

    end_dead_schedulers()
    set_component_mp_start_method("scheduler")
    # As Airflow's own command, but for its log server, which would listen on every address.
    runner = TeamScheduler(job=Job())
    providers_configuration_loaded(run_job)(job=runner.job, execute_callable=runner._execute)
    os.close(lock)


def dag_processor() -> None:
    """Our Dag processor, as the job that Airflow's health report knows."""
    from airflow.jobs.dag_processor_job_runner import DagProcessorJobRunner
    from airflow.jobs.job import Job, run_job
    from airflow.sdk.configuration import conf  # noqa: F401  # sets Airflow's SDK up before anything forks
    from setproctitle import setproctitle

    from airspace.airflow.parsing.manager import TeamDagProcessor

    lock = _only_one("dag-processor")
    setproctitle("airspace dag-processor")
    runner = DagProcessorJobRunner(job=Job(), processor=TeamDagProcessor())
    run_job(job=runner.job, execute_callable=runner._execute)
    os.close(lock)


def triggerer() -> None:
    """Our triggerer, as the job that Airflow's health report knows. A home has one."""
    # Airflow's client would sleep between tries, in the loop of all teams; who asks is told to try again.
    os.environ["AIRFLOW__WORKERS__EXECUTION_API_RETRIES"] = "1"
    # What a task left for its second half is unpacked here when its event comes: a team must not have things made of
    # any of Airflow's classes in this process.
    os.environ["AIRFLOW__CORE__ALLOWED_DESERIALIZATION_CLASSES"] = "airflow.sdk.definitions.*"
    from airflow.configuration import conf
    from airflow.jobs.job import Job, run_job
    from airflow.sdk._shared.secrets_masker import SecretsMasker
    from airflow.sdk.configuration import conf as _  # noqa: F401  # sets Airflow's SDK up
    from setproctitle import setproctitle

    from airspace.airflow.triggers.job import TeamTriggerer, end_dead_triggerers

    lock = _only_one("triggerer")
    setproctitle("airspace triggerer")
    SecretsMasker.enable_log_masking()
    end_dead_triggerers()
    runner = TeamTriggerer(Job(heartrate=conf.getfloat("triggerer", "job_heartbeat_sec")))
    run_job(job=runner.job, execute_callable=runner._execute)
    os.close(lock)
    # All is stored; what Airflow's own API in this process would still tidy up is nobody's.
    sys.stdout.flush()
    os._exit(0)


COMPONENTS: dict[str, Callable[[], None]] = {
    "api-server": api_server,
    "scheduler": scheduler,
    "dag-processor": dag_processor,
    "triggerer": triggerer,
}


def _airflow(*arguments: str) -> None:
    """Airflow's own command line, in this process."""
    from airflow.__main__ import main as airflow_main

    sys.argv = ["airflow", *arguments]
    airflow_main()


def _only_one(name: str) -> int:
    """Hold the component's lock for as long as this process lives.

    :raises SystemExit: another one runs in this home
    """
    folder = bells.run_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        # A record lock: children do not inherit it, so none of them can keep it after this process is gone.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"another {name} runs in this home already") from None
    return descriptor


def main(argv: Sequence[str] | None = None) -> None:
    """Run the named component until it is told to stop."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) != 1 or arguments[0] not in COMPONENTS:
        sys.stderr.write(f"{USAGE}\n")
        raise SystemExit(2)
    # Importing Airflow makes millions of objects that stay: looking for garbage among them is a sixth of a start.
    gc.set_threshold(50_000, 50, 100)
    # Before Airflow is imported; after a home's own, which may have one too.
    sys.path.append(str(Path(local_settings.__file__).parent))
    COMPONENTS[arguments[0]]()


if __name__ == "__main__":
    main()

"""What we rely on beyond Airflow's documentation: a failure names what a new Airflow changed.

Airflow is asked in a process of its own: importing it takes seconds and sets this process up for good.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import importlib, inspect, json, sys
found = {}
for name in json.load(sys.stdin):
    module, _, path = name.partition(":")
    thing = importlib.import_module(module)
    try:
        for part in path.split("."):
            thing = inspect.getattr_static(thing, part)
    except AttributeError:
        found[name] = None
        continue
    thing = getattr(thing, "__func__", thing)
    found[name] = str(inspect.signature(inspect.unwrap(thing), eval_str=False)) if callable(thing) else "attribute"
json.dump(found, sys.stdout)
"""
MANAGER = "airflow.dag_processing.manager:DagFileProcessorManager"
SUPERVISOR = "airflow.sdk.execution_time.supervisor:"
SCHEDULER = "airflow.jobs.scheduler_job_runner:SchedulerJobRunner"
TRIGGERS = "airflow.jobs.triggerer_job_runner:"
EXECUTOR = "airflow.executors.base_executor:BaseExecutor"

# name → the parameters, by name, that our override or call depends on; in order
EXPECTED: dict[str, tuple[str, ...]] = {
    f"{MANAGER}.sync_bundles": ("self",),
    f"{MANAGER}.load_dag_bundles": ("self",),
    f"{MANAGER}.prepare_file_queue": ("self", "known_files"),
    f"{MANAGER}.prepare_process_context": ("self",),
    f"{MANAGER}._queue_requested_files_for_parsing": ("self",),
    f"{MANAGER}.request_bundle_refresh": ("self", "bundle_names"),
    f"{MANAGER}._refresh_dag_bundles": ("self", "known_files"),
    f"{MANAGER}._create_process": ("self", "dag_file"),
    f"{MANAGER}._get_logger_for_dag_file": ("self", "dag_file"),
    f"{MANAGER}._start_new_processes": ("self",),
    f"{MANAGER}._add_files_to_queue": ("self", "files", "mode"),
    f"{MANAGER}.handle_parsing_result": ("self", "file", "proc", "session"),
    f"{MANAGER}.handle_removed_files": ("self", "known_files"),
    f"{MANAGER}.deactivate_stale_dags": ("self", "last_parsed", "session"),
    f"{MANAGER}.deactivate_deleted_dags": ("self", "bundle_name", "present"),
    f"{MANAGER}.clear_orphaned_import_errors": ("self", "bundle_name", "observed_filelocs", "session"),
    f"{MANAGER}.persist_parsing_result": (
        "self",
        "bundle_name",
        "bundle_version",
        "version_data",
        "parsing_result",
        "run_duration",
        "relative_fileloc",
        "session",
    ),
    f"{MANAGER}._kill_timed_out_processors": ("self",),
    f"{MANAGER}.fetch_callbacks": ("self",),
    f"{MANAGER}._service_processor_sockets": ("self", "timeout"),
    f"{MANAGER}.purge_inactive_dag_warnings": ("self",),
    f"{MANAGER}.claim_priority_files": ("self",),
    "airflow.dag_processing.processor:DagFileProcessorProcess.is_ready": (),
    f"{MANAGER}._render_log_filename": ("self", "dag_file"),
    f"{MANAGER}.client": (),
    "airflow.models.db_callback_request:DbCallbackRequest.get_callback_request": ("self",),
    "airflow.dag_processing.processor:DagFileProcessorProcess.had_callbacks": (),
    "airflow.dag_processing.processor:DagFileProcessorProcess.close": ("self",),
    f"{SUPERVISOR}WatchedSubprocess.cleanup_sockets_after_kill": ("self",),
    "airflow.sdk.execution_time.callback_supervisor:CallbackSubprocess._monitor_subprocess": ("self",),
    "airflow.sdk.execution_time.callback_supervisor:CallbackSubprocess._get_callback_execution_timeout": ("self",),
    "airflow.sdk.execution_time.callback_supervisor:CallbackSubprocess._upload_logs": ("self",),
    "airflow.sdk.execution_time.callback_supervisor:CallbackSubprocess._handle_request": (
        "self",
        "msg",
        "log",
        "req_id",
    ),
    "airflow.sdk.execution_time.callback_supervisor:execute_callback": (
        "callback_path",
        "callback_kwargs",
        "dag_rel_path",
        "bundle_path",
        "log",
    ),
    "airflow.sdk.execution_time.comms:CommsDecoder._read_frame": ("self",),
    "airflow.sdk.definitions.connection:Connection.test_connection": ("self",),
    "airflow.sdk.api.client:ConnectionTestOperations.get_connection": ("self", "connection_test_id"),
    "airflow.sdk.api.client:ConnectionTestOperations.update_state": ("self", "id", "state", "result_message"),
    "airflow.models.callback:Callback.get_dag_id": ("self",),
    "airflow._shared.secrets_masker:merge": ("new_value", "old_value", "name"),
    "airflow.utils.helpers:log_filename_template_renderer": (),
    f"{MANAGER}.terminate": ("self",),
    f"{MANAGER}._find_files_in_bundle": ("self", "bundle"),
    f"{MANAGER}._get_observed_filelocs": ("self", "present"),
    f"{SCHEDULER}._schedule_all_dag_runs": ("self", "guard", "dag_runs", "session"),
    f"{SCHEDULER}._do_scheduling": ("self", "session"),
    f"{SCHEDULER}._schedule_dag_run": ("self", "dag_run", "session"),
    f"{SCHEDULER}._create_dagruns_for_dags": ("self", "guard", "session"),
    f"{SCHEDULER}._start_queued_dagruns": ("self", "session"),
    f"{SCHEDULER}._enqueue_executor_callbacks": ("self", "session"),
    f"{SCHEDULER}._enqueue_connection_tests": ("self", "session"),
    f"{SCHEDULER}._critical_section_enqueue_task_instances": ("self", "session"),
    f"{SCHEDULER}._stamp_team_names": ("self", "dag_runs", "session"),
    f"{SCHEDULER}._send_dag_callbacks_to_processor": ("self", "dag", "callback"),
    "airflow.models.dagrun:DagRun.DEFAULT_DAGRUNS_TO_EXAMINE": (),
    "airflow.models.dagbag:DBDagBag.get_dag_for_run": ("self", "dag_run", "session"),
    "airflow.utils.sqlalchemy:prohibit_commit": ("session",),
    "airflow.utils.sqlalchemy:with_row_locks": ("query", "session"),
    f"{SUPERVISOR}WatchedSubprocess._register_pipe_readers": (
        "self",
        "stdout",
        "stderr",
        "requests",
        "logs",
        "data",
    ),
    f"{SUPERVISOR}WatchedSubprocess.send_msg": ("self", "msg", "request_id", "error"),
    f"{SUPERVISOR}ActivitySubprocess._send_new_log_fd": ("self", "req_id"),
    f"{SUPERVISOR}WatchedSubprocess._serialize_response": ("self", "msg"),
    "airflow.dag_processing.processor:DagFileProcessorProcess._handle_request": ("self", "msg", "log", "req_id"),
    "airflow.sdk.execution_time.comms:_ResponseFrame.as_bytes": ("self",),
    "airflow.serialization.serialized_objects:LazyDeserializedDAG._real_dag": (),
    "airflow.serialization.serialized_objects:OperatorSerialization.generate_client_defaults": ("cls",),
    "airflow.serialization.json_schema:load_dag_schema_dict": (),
    "airflow.serialization.definitions.dag:SerializedDAG._time_restriction": (),
    "airflow.timetables.base:Timetable.next_dagrun_info_v2": ("self", "last_dagrun_info", "restriction"),
    "airflow.utils.file:might_contain_dag_via_default_heuristic": ("file_path", "zip_file"),
    "airflow.dag_processing.processor:_parse_file_entrypoint": (),
    "airflow.dag_processing.bundles.manager:DagBundlesManager.sync_bundles_to_db": (
        "self",
        "deactivate_missing",
        "session",
    ),
    f"{SUPERVISOR}ActivitySubprocess._send_terminal_state_msg": ("self", "msg"),
    f"{SUPERVISOR}ActivitySubprocess._last_heartbeat_attempt": (),
    f"{SUPERVISOR}ActivitySubprocess._on_child_started": (
        "self",
        "ti",
        "dag_rel_path",
        "bundle_info",
        "sentry_integration",
    ),
    f"{SUPERVISOR}ActivitySubprocess._monitor_subprocess": ("self",),
    f"{SUPERVISOR}WatchedSubprocess._check_subprocess_exit": ("self", "raise_on_timeout", "expect_signal"),
    f"{SUPERVISOR}WatchedSubprocess.handle_requests": ("self", "log"),
    f"{SUPERVISOR}ProcessTracker.send_signal": ("self", "s"),
    f"{SUPERVISOR}ProcessTracker.wait": ("self", "timeout"),
    f"{SUPERVISOR}_fork_main": ("requests", "child_stdout", "child_stderr", "log_fd", "target"),
    "airflow.dag_processing.processor:DagFileProcessorProcess._on_child_started": (
        "self",
        "callbacks",
        "path",
        "bundle_path",
        "bundle_name",
    ),
    f"{SUPERVISOR}_configure_logging": ("log_path", "client"),
    f"{SUPERVISOR}_make_process_nondumpable": (),
    "airflow.sdk._shared.secrets_masker:reset_secrets_masker": (),
    "airflow.sdk.execution_time.task_runner:main": (),
    "airflow.sdk.api.client:BearerAuth": ("token",),
    f"{EXECUTOR}.trigger_tasks": ("self", "open_slots"),
    f"{EXECUTOR}.trigger_connection_tests": ("self",),
    f"{EXECUTOR}.order_queued_tasks_by_priority": ("self",),
    f"{EXECUTOR}.change_state": ("self", "key", "state", "info", "remove_running"),
    f"{EXECUTOR}.log_task_event": ("self", "event", "extra", "ti_key"),
    f"{EXECUTOR}.try_adopt_task_instances": ("self", "tis"),
    f"{EXECUTOR}.revoke_task": ("self", "ti"),
    "airflow.secrets.metastore:MetastoreBackend.get_connection": ("self", "conn_id", "team_name", "session"),
    "airflow.secrets.metastore:MetastoreBackend.get_variable": ("self", "key", "team_name", "session"),
    "airflow.models.connection:Connection.get_connection_from_secrets": ("cls", "conn_id", "team_name"),
    "airflow.models.variable:Variable.get_variable_from_secrets": ("key", "team_name"),
    f"{TRIGGERS}TriggererJobRunner.register_signals": ("self",),
    f"{TRIGGERS}TriggererJobRunner._exit_gracefully": ("self", "signum", "frame"),
    f"{TRIGGERS}TriggererJobRunner._execute": ("self",),
    f"{TRIGGERS}TriggererJobRunner.on_kill": ("self",),
    f"{TRIGGERS}TriggerRunnerSupervisor.build_trigger_workloads": ("self", "new_trigger_ids"),
    f"{TRIGGERS}TriggerRunnerSupervisor._create_workload": (
        "self",
        "trigger",
        "dag_bag",
        "render_log_fname",
        "session",
    ),
    f"{TRIGGERS}TriggerRunnerSupervisor.on_trigger_event": ("self", "trigger_id", "event"),
    f"{TRIGGERS}TriggerRunnerSupervisor.on_trigger_failure": ("self", "trigger_id", "exc"),
    f"{TRIGGERS}TriggerRunnerSupervisor._process_log_messages_from_subprocess": ("self",),
    f"{TRIGGERS}in_process_api_server": (),
    f"{TRIGGERS}HITLDetailResponseResult.from_api_response": ("cls", "response"),
    f"{TRIGGERS}TriggerRunner.init_comms": ("self",),
    f"{TRIGGERS}TriggerRunner.asend": ("self", "msg"),
    f"{TRIGGERS}TriggerRunner.create_triggers": ("self",),
    f"{TRIGGERS}TriggerRunner.cancel_triggers": ("self",),
    f"{TRIGGERS}TriggerRunner.cleanup_finished_triggers": ("self",),
    f"{TRIGGERS}TriggerRunner.sync_state_to_supervisor": ("self", "finished_ids"),
    "airflow.models.trigger:Trigger.submit_failure": ("cls", "trigger_id", "exc", "session"),
    "airflow.models.trigger:Trigger.submit_event": ("cls", "trigger_id", "event", "session"),
    "airflow.models.trigger:Trigger.clean_unused": ("cls", "session"),
    "airflow.models.trigger:Trigger._decrypt_kwargs": ("encrypted_kwargs",),
    "airflow.assets.manager:AssetManager.register_asset_change": (
        "cls",
        "asset",
        "extra",
        "session",
        "api_user_teams",
        "api_allow_consumer_teams",
        "api_allow_global_consumers",
    ),
    "airflow.jobs.job:perform_heartbeat": ("job", "heartbeat_callback", "only_if_necessary"),
    "airflow.sdk.log:load_remote_log_handler": (),
    "airflow.policies:task_instance_mutation_hook": ("task_instance", "dag_run"),
}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    home = tmp_path_factory.mktemp("airflow")
    env = {"PATH": os.defpath, "HOME": str(home), "AIRFLOW_HOME": str(home), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(list(EXPECTED)), env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_airflow_has_what_we_override_or_call(airflow: dict[str, str | None], name: str) -> None:
    signature = airflow[name]
    assert signature is not None, f"this Airflow has no {name}: see who uses it in airspace.airflow"
    places = [signature.find(parameter) for parameter in EXPECTED[name]]
    assert -1 not in places, f"{name}{signature} lacks one of {EXPECTED[name]}"
    assert places == sorted(places), f"{name}{signature} has its parameters in another order"


def test_private_state_of_the_manager_is_where_we_look(airflow: dict[str, str | None]) -> None:
    source = Path(
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import importlib.util as u; print(u.find_spec('airflow').submodule_search_locations[0])",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    manager = (source / "dag_processing" / "manager.py").read_text()
    for name in (
        "_file_queue",
        "_processors",
        "_dag_bundles",
        "_bundles_last_refreshed",
        "_bundle_versions",
        "_bundle_name_to_team_name",
        "_parallelism",
        "processor_timeout",
    ):
        assert f"    {name}: " in manager, f"DagFileProcessorManager has no {name} any more"
    assert "socket_handler, on_close = key.data" in manager, "what the manager keeps in its selector has changed"
    scheduler = (source / "jobs" / "scheduler_job_runner.py").read_text()
    assert "self._schedule_all_dag_runs(guard, dag_runs, session)" in scheduler
    assert scheduler.index("self._create_dagruns_for_dags(guard, session)") < scheduler.index(
        "self._start_queued_dagruns(session)"
    )
    assert scheduler.index("self._enqueue_executor_callbacks(session)") < scheduler.index(
        "self._enqueue_connection_tests(session=session)"
    ), "what is asked once for both is asked too late"
    assert "self._dag_id_to_team_name = {}" in scheduler, "the teams' cache of one loop has changed"
    # Every place where a text of a serialized Dag is imported: each has a list that parsing.shape holds it against.
    decoders = "".join(file.read_text() for file in sorted((source / "serialization").rglob("*.py")))
    assert decoders.count("= import_string(") == 4, "a serialized Dag names something new that is imported"
    assert decoders.count("def find_registered_custom_") == 4, "a serialized Dag names something new of a plugin's"
    supervisor = (source / "sdk" / "execution_time" / "supervisor.py").read_text()
    assert "socket_handler, on_close = key.data" in supervisor
    # What our own start of a task's process stands in for: the same fields, and nothing that it does besides.
    for field in ("id: UUID", "pid: int", "stdin: socket", "_process: ProcessTracker", "process_log: Filtering"):
        assert f"    {field}" in supervisor, f"a watched process is made of something else: {field}"
    assert "while self._exit_code is None or self._open_sockets:" in supervisor
    assert "self._exit_code = self._process.wait(timeout=0)" in supervisor


def test_what_a_trigger_may_send_is_what_the_desk_has_rules_for(tmp_path: Path) -> None:
    script = """
import json, typing
from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor, messages
from airspace.airflow.triggers.desk import ANSWERED
sent = set(typing.get_args(typing.get_args(ToTriggerSupervisor)[0])) - {messages.TriggerStateChanges}
print(json.dumps(sorted(kind.__name__ for kind in sent ^ ANSWERED)))
print(json.dumps([sorted(messages.TriggerStateChanges.model_fields), sorted(messages.TriggerStateSync.model_fields)]))
"""
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    other, fields = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    assert other == []
    changes, sync = fields
    assert changes == ["events", "failures", "finished", "type"]
    assert sync == ["events_persisted", "to_cancel", "to_create", "type"]

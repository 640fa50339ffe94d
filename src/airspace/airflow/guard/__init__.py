"""The guard on the Execution API: what tasks ask of the API server is held against their team first.

An ASGI middleware of the API server's root app (``fastapi_root_middlewares`` of our plugin). Belongs here: finding out
which of Airflow's routes a request would reach, who asks and whose the thing is, and answering instead of Airflow where
that is not allowed. What is allowed is decided in ``airspace.access``. See ``docs/adr/0011-execution-guard.md``.
"""

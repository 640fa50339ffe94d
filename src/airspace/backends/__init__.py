"""The systems we call: PostgreSQL, the process manager, Unix accounts, our tables, Airflow's REST API.

One module a system; only it imports that system.
"""

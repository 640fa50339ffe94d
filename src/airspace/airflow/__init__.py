"""The classes Airflow loads by path: auth manager, executor, Dag processor, policies, secrets backend, plugin.

The only room that imports Airflow; thin.
"""

"""Our own pages in Airflow's UI, below ``/airspace``: the script that draws them, and what it asks.

Belongs here: a router for each capability, which asks Airflow's own ``get_user`` who somebody is (so that cookie,
bearer token and the views in the address all hold) and answers with pydantic models. What may be seen is decided in
``airspace.access``; how it is drawn is in ``ui/``.
"""

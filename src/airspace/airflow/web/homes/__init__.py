"""The facts of the homes: what a team did, does and waits for, read from Airflow's tables.

Belongs here: bounded queries, a fixed number of them however many Dags and teams there are. Not here: what the facts
mean (``airspace.insight``), and who may see them (``airspace.airflow.web.pages.homes``, which asks the auth manager).
"""

"""Drafting team files from another Airflow: what it holds → whose each thing is → files, and a list of the rest.

Here are the decisions, and the reading and writing of local folders. Asking the other deployment, by REST or by its
database, is a back-end. Everything that comes from there is a stranger's: held to sizes, never run, never a path.
"""

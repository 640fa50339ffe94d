"""Measured comparisons with plain Airflow and with Airflow's own multi-team: ``make bench``.

Belongs here: starting and stopping what is compared, reading clocks and memory, and the tables made of the results.
Nothing here is a test: no number decides whether something passes, and no test waits for a clock.
"""

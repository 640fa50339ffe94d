"""Who may do what: roles, the one pure decision function, sign-in.

Knows nothing of HTTP, Airflow or SQL; those are doors and back-ends.
"""

"""Sign-in, mounted by Airflow at ``/auth``: the page, tokens for scripts, sign-out, who am I.

Belongs here: HTTP and HTML. Who may sign in is decided in ``airspace.access.service``.
"""

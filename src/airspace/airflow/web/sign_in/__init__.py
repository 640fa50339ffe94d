"""Sign-in, mounted by Airflow at ``/auth``: the page, tokens for scripts, sign-out, who am I.

Belongs here: HTTP and HTML. Who may sign in is decided in ``airspace.access.service``.
"""

from airspace.airflow.web.sign_in.app import create_app

__all__ = ["create_app"]

"""Airspace: one unmodified Apache Airflow for many teams.

The layers, top to bottom (imports go down only; import-linter keeps it so):

=============  ==========================================================================
``cli``        the command line
``demo``       Rocket, the worked example: drives it and verifies every claim over REST
``airflow``    the classes Airflow loads by path; the only room that imports Airflow
``platform``   wiring: start, stop, health of everything on one machine
``backends``   the systems we call: PostgreSQL, the process manager, Unix accounts, REST
``teams``      team file → plan → apply
``access``     roles, the decision function, sign-in
``storage``    where a team's data lives
``model``      the nouns: pure data, no I/O
``sdk``        what Dag authors import; depends on nothing else here
=============  ==========================================================================
"""

__version__ = "0.1.0"

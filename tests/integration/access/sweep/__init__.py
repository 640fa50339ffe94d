"""The sweep: every route of the running app, asked by everybody, in a world with other teams and in one without.

``world`` fills the two databases, ``catalogue`` says of each route who may use it and with what body, ``plan`` makes
requests of that, ``run`` asks them, and ``test_g_sweep`` judges the answers.
"""

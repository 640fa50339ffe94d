"""Data Engineering's own code: the simulated game, the checks, the tables.

It lies next to the team's pipelines because the folder they are in is on Python's path. Nothing here knows the
orchestrator: each function takes folders and numbers, so a notebook or a test can call it too.
"""

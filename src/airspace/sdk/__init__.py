"""What Dag authors import: the team's storage and publishing.

Runs in team code, so it depends on nothing else of Airspace and holds no secret.
"""

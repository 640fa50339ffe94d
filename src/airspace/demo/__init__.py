"""Rocket, the worked example.

Sets it up on a running platform, drives its pipelines and verifies every claim over REST as the users it made.
"""

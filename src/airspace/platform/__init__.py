"""Wiring of one machine: the home, starting, stopping and the health of every component.

The one place that picks back-ends.
"""

"""Triggers: whose each is, a runner in its team's sandbox, and what runners may ask for."""

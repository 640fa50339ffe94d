"""Dags that go to another team: what would go along, and the rows that say whose they are."""

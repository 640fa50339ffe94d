"""Shared code: whoever imports it gets a copy."""


def polite(value):
    """With a please."""
    return f"{value}, please"

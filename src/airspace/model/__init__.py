"""The nouns: team, role, home, change, problem. Pure data with validation; no I/O, no clock, no third-party system.

Belongs here: frozen dataclasses, enums and pydantic models that more than one capability speaks about.
Does not belong here: anything that reads a file, opens a socket or decides about access.
"""

"""The warehouse on its server: roles, schemas and what is published, made so; and its sessions, watched.

Belongs here: the SQL of it, and what is read of the server's files. Not here: what shall be
(``airspace.teams.warehouse``) and where it is (``airspace.model.warehouse``).
"""

from airspace.backends.warehouse.removal import drop_team
from airspace.backends.warehouse.renaming import holds_tables, rename_team
from airspace.backends.warehouse.server import Server
from airspace.backends.warehouse.settling import Settled, settle
from airspace.backends.warehouse.watching import Watch

__all__ = ["Server", "Settled", "Watch", "drop_team", "holds_tables", "rename_team", "settle"]

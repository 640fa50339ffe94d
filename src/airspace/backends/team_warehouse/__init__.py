"""The warehouse as one team sees it: read in the team's sandbox, by the team's own role, for somebody who looks.

Belongs here: questions that a member may put by way of a page. Not here: what the platform's own role does there
(``airspace.backends.warehouse``), and who may look (the doors).
"""

from airspace.backends.team_warehouse.looking import table, tables

__all__ = ["table", "tables"]

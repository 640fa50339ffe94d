"""What a team may see of assets: its own, those that others share with it, their updates, and where data goes.

Belongs here: the one place that decides it, by bounded queries; what it gives may be told to the team as it is. Not
here: who may look into the team (the pages ask the auth manager), and how it is told.
"""

from airspace.airflow.web.assets.lineage import Edge, Lineage, Node, lineage, lineage_of
from airspace.airflow.web.assets.seen import SeenAsset, assets_of, may_read, may_read_table
from airspace.airflow.web.assets.updates import Update, updates_of
from airspace.airflow.web.assets.uses import Use, uses_of

__all__ = [
    "Edge",
    "Lineage",
    "Node",
    "SeenAsset",
    "Update",
    "Use",
    "assets_of",
    "lineage",
    "lineage_of",
    "may_read",
    "may_read_table",
    "updates_of",
    "uses_of",
]

"""Folders that somebody else filled: by descriptor, never through a link, within bounds.

Root does this in folders of teams, so nothing that is found there is believed: neither that it is still what it was a
moment ago, nor that it ends.
"""

from airspace.backends.trees.archive import Archive
from airspace.backends.trees.copy import Copied, Owner, copy_tree
from airspace.backends.trees.inventory import Inventory, take_inventory
from airspace.backends.trees.sweep import remove_file, remove_tree
from airspace.backends.trees.walk import Found, walk

__all__ = [
    "Archive",
    "Copied",
    "Found",
    "Inventory",
    "Owner",
    "copy_tree",
    "remove_file",
    "remove_tree",
    "take_inventory",
    "walk",
]

"""The relay: the way from sandboxes to what their teams' files list, and to nothing else.

A sandbox has a network of its own without any device. Sockets are made in it before its team's code runs, and handed to
one process outside, which answers names, decides on every connection and copies what is said;
``docs/adr/0016-network.md`` says why it is cut that way.

Belongs here: the list as rules, which sockets a sandbox gets, the relay's process, who hears of refusals.
Not here: the walls themselves, and what a team file may say (``airspace.model.team``).
"""

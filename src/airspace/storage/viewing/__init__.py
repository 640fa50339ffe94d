"""Looking at a team's files: what to show of them, read where the team's own code runs.

A team chooses names, links, sizes, formats and timing of what is in its storage. So a process of the team's sandbox
reads it (``reader``), with bounds of its own, and the platform takes its answer as a stranger's (``answers``).
Belongs here: places, reading, the shape of answers. Not here: who may look (the doors), starting the process.
"""

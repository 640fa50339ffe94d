"""What is told in the event log about work that a platform refuses, and about callbacks that went wrong."""

from __future__ import annotations

EVENT = "airspace refused"
"""Under which a team finds in the event log of its Dag or task what did not run, and why."""
FAILED = "airspace callback failed"
"""Under which it finds a callback or an e-mail that ran and did not succeed."""
LONGEST = 2000
"""Characters of what is told."""

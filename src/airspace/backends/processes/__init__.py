"""The process manager: supervisord, which starts, watches, restarts and stops the platform's programs.

Belongs here: its configuration file, its XML-RPC, starting and stopping it, and finding processes it lost.
Does not belong here: which programs there are and when one is healthy (``airspace.platform``).
"""

from airspace.backends.processes.processes import Usage, end, marked, memory_available_mb, orphaned_session, usage
from airspace.backends.processes.program import Program
from airspace.backends.processes.supervisor import ProgramState, Supervisor, SupervisorError

__all__ = [
    "Program",
    "ProgramState",
    "Supervisor",
    "SupervisorError",
    "Usage",
    "end",
    "marked",
    "memory_available_mb",
    "orphaned_session",
    "usage",
]

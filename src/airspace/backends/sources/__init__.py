"""Where Dags come from: folders that others may write, mirrored into copies that only the platform writes.

What is read here is hostile. The reader may be root, because teams keep their folders in homes that nobody else can
read.
"""

from airspace.backends.sources.inotify import Exhausted, Inotify
from airspace.backends.sources.mirror import Limits, Mirror, Outcome, Owner

__all__ = ["Exhausted", "Inotify", "Limits", "Mirror", "Outcome", "Owner"]

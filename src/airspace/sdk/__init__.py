"""What Dag authors import: the team's storage, and publishing a dataset for other teams to read.

Runs inside team code: the standard library only, nothing else of Airspace, no secret. What it enforces are good
manners (atomic, complete, described versions); who may read whose folder is enforced by the platform, outside.
"""

from airspace.sdk.context import storage, storage_root, team, workspace
from airspace.sdk.errors import NameRefusedError, NotPublishedError, OutsidePlatformError, PublishError, SdkError
from airspace.sdk.manifest import Manifest, PublishedFile
from airspace.sdk.publishing import Draft, publish
from airspace.sdk.reading import Published, published

__all__ = [
    "Draft",
    "Manifest",
    "NameRefusedError",
    "NotPublishedError",
    "OutsidePlatformError",
    "PublishError",
    "Published",
    "PublishedFile",
    "SdkError",
    "publish",
    "published",
    "storage",
    "storage_root",
    "team",
    "workspace",
]

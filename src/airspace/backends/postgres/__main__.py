"""``python -m airspace.backends.postgres check``: can an external database be used? Asked as its user."""

from __future__ import annotations

import json
import sys

from airspace.backends.postgres.cluster import PostgresError
from airspace.backends.postgres.external import check, powers


def main() -> int:
    """``{"url": …}`` on stdin; ``{"superuser", "version"}`` or ``{"error": {"message", "fix"}}`` on stdout."""
    try:
        url = json.load(sys.stdin)["url"]
        check(url)
    except PostgresError as error:
        sys.stdout.write(json.dumps({"error": {"message": error.message, "fix": error.fix}}))
        return 1
    superuser, version = powers(url)
    sys.stdout.write(json.dumps({"superuser": superuser, "version": version}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What hatchling asks before it packs the project: are our pages of the UI built? They are not in the repository.

An editable install is none of this: ``bootstrap.py`` makes it before there is anything to build the pages with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCRIPT = "src/airspace/airflow/web/static/airspace.js"


class FrontEndIsBuilt(BuildHookInterface):  # type: ignore[type-arg]
    """No package without our pages: it would install, and serve Airflow's own only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's
        """:raises SystemExit: the pages are not there"""
        if version != "editable" and not (Path(self.root) / SCRIPT).is_file():
            raise SystemExit(
                "error: the pages of the UI are not built, and would be missing from the package"
                "\n  fix: python3 scripts/front_end.py build"
            )

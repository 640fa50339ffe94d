"""HTML from templates, with everything escaped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airspace import __version__

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Notice:
    """One message above the form."""

    tone: Literal["error", "info", "done"]
    text: str


def render(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page. Every template may use ``auth`` (the prefix of our addresses) and ``version``."""
    defaults = {"notice": None, "signed_in": None, "name": ""}
    text = _templates.get_template(template).render(
        {**defaults, **values}, auth=AUTH_MANAGER_FASTAPI_APP_PREFIX, version=__version__
    )
    return HTMLResponse(text, status, headers)

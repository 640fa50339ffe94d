"""An import as a whole: a deployment that was read, a Dag folder and a map → files in a folder."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from airspace.importing import drafting, folder, placing, report, secrecy, usage, writing
from airspace.importing.deployment import Deployment
from airspace.importing.drafting import Draft, Drafts
from airspace.importing.findings import Unplaced
from airspace.importing.folder import DagFolder
from airspace.importing.mapping import TeamMap
from airspace.importing.placing import Placement
from airspace.importing.usage import Use
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.problem import Problem
from airspace.teams.document import MAX_BYTES, parse
from airspace.teams.validation import validate

ENV, PAGE, DAGS = ".env", "import-report.md", "dags"


@dataclass(frozen=True)
class Imported:
    """What an import made."""

    out: Path
    drafts: Drafts
    written: writing.Written
    version: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        files = {"new": self.written.new, "replaced": self.written.replaced, "same": self.written.same}
        return {"out": str(self.out), "files": files, **report.as_document(self.drafts, self.version)}


def import_teams(old: Deployment, dags: DagFolder | None, team_map: TeamMap, out: Path, *, force: bool) -> Imported:
    """Draft the team files and write them.

    :param dags: the other deployment's Dag folder on this machine: each team's part of it is copied
    :raises InvalidInputError: other files are in the way; nothing was written
    """
    paths = dags.paths if dags is not None else frozenset()
    placement = placing.place(old, team_map, lambda dag: placing.guessed_path(dag, paths))
    copies, uses = _code(dags, placement)
    drafts = drafting.draft(old, placement, uses, team_map)
    if dags is not None:
        drafts.unplaced += dags.unplaced
    if not drafts.teams:
        raise InvalidInputError(
            "no Dag, connection, variable or pool could be placed, so there is no team to draft",
            fix="say whose they are in a map file: --map FILE (docs/importing.md)",
        )
    before = _env_before(out)
    files: dict[str, writing.Content] = {ENV: partial(_same, secrecy.render_env(drafts.secrets, before).encode())}
    for team, draft in drafts.teams.items():
        if dags is not None and copies.get(team):
            draft.document["dags"] = {"folder": f"{DAGS}/{team}"}
            for path in sorted(copies[team]):
                files[f"{DAGS}/{team}/{path}"] = partial(dags.read, path)
        files[f"{team}.yaml"] = partial(_same, _render(draft))
    files[PAGE] = partial(_same, report.as_page(drafts, old.version).encode())
    written = writing.write(out, files, force=force, private=frozenset({ENV}))
    return Imported(out, drafts, written, old.version)


def _same(data: bytes) -> bytes:
    return data


def _code(dags: DagFolder | None, placement: Placement) -> tuple[dict[str, set[str]], dict[str, Use]]:
    """Team → the files to copy, and team → what its code names."""
    copies: dict[str, set[str]] = {}
    uses: dict[str, Use] = {}
    teams = placement.teams()
    for team, placed in teams.items():
        sources = {each.dag.file or each.dag.dag_id: each.dag.source for each in placed if each.dag.source}
        uses[team] = usage.used_by(source for source in sources.values() if source)
        if dags is None:
            _tell_unread(team, uses[team], placement)
            continue
        own = {each.path for each in placed if each.path in dags.paths and each.path}
        others = {p.path for other, rest in teams.items() if other != team for p in rest if p.path}
        copies[team], withheld = folder.files_of_team(dags, own, others - own)
        for module in withheld:
            todo = "agree with its owners: copy what is needed, or make it a package"
            reason = f"{team} imports it, and it lies in another team's folder"
            placement.unplaced.append(Unplaced("module", module, reason, todo))
        for path in copies[team]:
            if (source := dags.source(path)) is not None:
                uses[team].add(usage.used_in(source))
        _tell_unread(team, uses[team], placement)
        for each in placed:
            if each.path not in dags.paths:
                reason = "its file is not in the Dag folder that was given"
                placement.unplaced.append(
                    Unplaced("file", each.dag.dag_id, reason, "copy it by hand, or correct --dags")
                )
    return copies, uses


def _tell_unread(team: str, use: Use, placement: Placement) -> None:
    if use.unread:
        placement.notes.append(f"Some code of {team} is no Python that can be read here; what it uses is not known.")


def _env_before(out: Path) -> Mapping[str, str]:
    try:
        return secrecy.parse_env(writing.read_private(out / ENV))
    except ValueError:
        raise InvalidInputError(
            f"{out / ENV} cannot be read: a quotation mark is never closed", fix="close it, and import again"
        ) from None


def _render(draft: Draft) -> bytes:
    """The file, read back as ``plan`` will: what a stranger's name may do to YAML is found out here."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width, yaml.allow_unicode = False, 4096, True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.BytesIO()
    yaml.dump(draft.document, stream)
    data = stream.getvalue()
    problems: list[Problem] = []

    def tell(line: int, column: int, key: str, rule: str, message: str, fix: str) -> None:
        problems.append(Problem(f"{draft.name}.yaml", line, column, key, rule, message, fix))

    document = parse(data, tell)
    if document is not None:
        problems += validate(document, f"{draft.name}.yaml")[1]
    if problems:
        wrong = problems[0]
        fix = "leave something out by the map file: variables: {NAME: []}" if wrong.rule == "too-big" else wrong.fix
        limit = f" (a team file has up to {MAX_BYTES // 1024} KiB)" if wrong.rule == "too-big" else ""
        raise AirspaceError(f"the draft of {draft.name} is no team file: {wrong.message}{limit}", fix=fix)
    return data

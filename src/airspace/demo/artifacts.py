"""What the runs published: the asset events on one side, the files on the other, and a count of our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airspace.backends.airflow_rest import AssetEvent
from airspace.model.errors import AirspaceError
from airspace.sdk.errors import SdkError
from airspace.sdk.layout import AssetLayout
from airspace.sdk.reading import Published, read_published


@dataclass(frozen=True)
class Artifact:
    """One published version of an asset, as its event states it."""

    team: str
    name: str
    uri: str
    rows: int | None
    version: str

    @classmethod
    def of(cls, team: str, event: AssetEvent) -> Artifact:
        """Read the event that ``airspace.sdk`` wrote."""
        rows = event.extra.get("rows")
        return cls(
            team=team,
            name=event.name,
            uri=str(event.extra.get("uri", "")),
            rows=rows if isinstance(rows, int) else None,
            version=str(event.extra.get("version", "")),
        )

    def files(self, storage: Path) -> Published:
        """The files that belong to the event."""
        try:
            return read_published(AssetLayout(storage, self.team, self.name), self.version)
        except SdkError as error:
            raise AirspaceError(str(error)) from error


def parquet_rows(published: Published) -> int | None:
    """Rows counted in the Parquet files themselves; None when the artifact has none."""
    tables = [published.path / file.path for file in published.manifest.files if file.path.endswith(".parquet")]
    if not tables:
        return None
    try:
        import polars
    except ImportError as error:
        raise AirspaceError("polars is not installed", fix="pip install 'airspace[rocket]'") from error
    return sum(int(polars.scan_parquet(table).select(polars.len()).collect().item()) for table in tables)


def problems(artifact: Artifact, storage: Path) -> list[str]:
    """Everything in which the files are not what the event says."""
    published = artifact.files(storage)
    manifest = published.manifest
    found = []
    if artifact.uri != published.path.as_uri():
        found.append(f"the event names {artifact.uri}, the files lie in {published.path.as_uri()}")
    if manifest.rows != artifact.rows:
        found.append(f"the event says {artifact.rows} rows, the manifest {manifest.rows}")
    for file in manifest.files:
        place = published.path / file.path
        size = place.stat().st_size if place.is_file() and not place.is_symlink() else None
        if size != file.bytes:
            found.append(f"{file.path}: {size} bytes, the manifest says {file.bytes}")
    counted = None if found else parquet_rows(published)
    if counted is not None and counted != artifact.rows:
        found.append(f"{counted} rows in the files, the event says {artifact.rows}")
    return found

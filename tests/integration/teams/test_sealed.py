"""Secrets that lie encrypted beside the team files: opened with age keys, and with nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest

from airspace.model.home import HomeLayout
from airspace.teams.files import InvalidFilesError
from airspace.teams.service import LoadedTeams, load

_TOOLS = Path.home() / ".cache" / "airspace-tests" / "bin"
SOPS = shutil.which("sops", path=os.pathsep.join([os.environ.get("PATH", os.defpath), str(_TOOLS)]))
needs_sops = pytest.mark.skipif(
    SOPS is None,
    reason=f"no sops in PATH: GOBIN={_TOOLS} go install github.com/getsops/sops/v3/cmd/sops@v3.13.3",
)


class Safe:
    """A folder of team files, an age key, and what is encrypted for it."""

    def __init__(self, root: Path) -> None:
        self.folder, self.layout = root / "teams", HomeLayout(root / "home")
        self.folder.mkdir()
        self.layout.root.mkdir()
        self.key = pyrage.x25519.Identity.generate()
        (root / "keys.txt").write_text(f"# created: today\n{self.key}\n")
        self.environ = {"PATH": f"{os.defpath}:{Path(SOPS or '/nowhere').parent}"}
        self.environ["SOPS_AGE_KEY_FILE"] = str(root / "keys.txt")

    def age(self, name: str, text: str, **how: Any) -> None:
        (self.folder / name).write_bytes(pyrage.encrypt(text.encode(), [self.key.to_public()], **how))

    def sops(self, name: str, document: object) -> None:
        environment = self.environ | {"HOME": str(self.folder)}
        kind = "json" if name.endswith("json") else "yaml"
        command = [SOPS or "", "encrypt", "--age", str(self.key.to_public()), "--input-type", kind]
        command += ["--output-type", kind, "/dev/stdin"]
        text = json.dumps(document).encode()
        done = subprocess.run(command, input=text, env=environment, capture_output=True, check=True)
        (self.folder / name).write_bytes(done.stdout)

    def load(self, text: str) -> LoadedTeams:
        (self.folder / "ops.yaml").write_text(f"name: ops\n{text}")
        return load(self.folder, self.layout, self.environ)

    def variables(self, text: str) -> dict[str, str]:
        [team] = self.load(text).teams
        return {name: variable.text for name, variable in team.desired.variables.items()}

    def problems(self, text: str) -> list[tuple[int, str, str, str]]:
        with pytest.raises(InvalidFilesError) as caught:
            self.load(text)
        return [(found.line, found.rule, found.message, found.fix) for found in caught.value.problems]


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return Safe(tmp_path)


def test_age_opens_with_the_key_of_whoever_applies(safe: Safe) -> None:
    safe.age("one.age", "hidden\n")
    safe.age("two.age", "armored", armored=True)
    assert safe.variables("variables: {a: {age: one.age}, b: {age: two.age}}\n") == {"a": "hidden", "b": "armored"}
    safe.environ = {"SOPS_AGE_KEY": str(safe.key)}
    assert safe.variables("variables: {a: {age: one.age}}\n") == {"a": "hidden"}
    safe.environ = {}
    safe.layout.airflow.mkdir()
    (safe.layout.airflow / "airflow.cfg").write_text(f"[airspace]\nage_key_file = {safe.folder.parent}/keys.txt\n")
    assert safe.variables("variables: {a: {age: one.age}}\n") == {"a": "hidden"}


@needs_sops
def test_sops_gives_single_values_of_a_file(safe: Safe) -> None:
    safe.sops("all.yaml.enc.yaml", {"db": {"password": "hidden", "port": 5432}, "list": ["zero", "one"]})
    safe.sops("all.json", {"a": "from json"})
    (safe.folder / "all.yaml.enc.yaml").rename(safe.folder.parent / "all.yaml")
    (safe.folder / "all.json").rename(safe.folder.parent / "all.json")
    text = (
        "variables:\n"
        "  a: {sops: ../all.yaml, key: db.password}\n"
        "  b: {sops: ../all.yaml, key: db.port}\n"
        "  c: {sops: ../all.yaml, key: list.1}\n"
        "  d: {sops: ../all.json, key: a}\n"
    )
    assert safe.variables(text) == {"a": "hidden", "b": "5432", "c": "one", "d": "from json"}


@needs_sops
def test_every_reference_that_leads_to_nothing_is_told_at_once(safe: Safe, tmp_path: Path) -> None:
    safe.sops("all.json", {"a": {"b": "hidden"}})
    safe.age("mine.age", "hidden")
    (safe.folder / "other.age").write_bytes(pyrage.encrypt(b"hidden", [pyrage.x25519.Identity.generate().to_public()]))
    (safe.folder / "plain.json").write_text('{"a": "x"}')
    damaged = json.loads((safe.folder / "all.json").read_text())
    damaged["a"]["b"] = damaged["a"]["b"].replace("data:", "data:AAAA")
    (safe.folder / "damaged.json").write_text(json.dumps(damaged))
    text = (
        "variables:\n"
        "  a: {sops: all.json, key: a.c}\n"
        "  b: {sops: all.json, key: a}\n"
        "  c: {sops: plain.json, key: a}\n"
        "  d: {sops: damaged.json, key: a.b}\n"
        "  e: {age: other.age}\n"
        "  f: {age: gone.age}\n"
        "  g: {backend: anything}\n"
    )
    found = safe.problems(text)
    assert [(line, rule) for line, rule, _, _ in found] == [(number, "no-secret") for number in range(3, 10)]
    assert all(fix for *_, fix in found)
    said = json.dumps(found)
    assert "all.json: it has no key a.c" in said
    assert "no age key at hand opens it" in said
    assert "hidden" not in said


@needs_sops
@pytest.mark.parametrize("service", ["hc_vault", "kms", "gcp_kms", "azure_kv", "pgp"])
def test_a_file_cannot_have_the_keys_of_whoever_applies_sent_anywhere(safe: Safe, service: str) -> None:
    safe.sops("all.json", {"a": "hidden"})
    document = json.loads((safe.folder / "all.json").read_text())
    document["sops"][service] = [{"vault_address": "http://evil.example", "engine_path": "x", "key_name": "y"}]
    (safe.folder / "all.json").write_text(json.dumps(document))
    safe.environ["VAULT_TOKEN"] = "precious"
    [(_, _, message, _)] = safe.problems("variables: {a: {sops: all.json, key: a}}\n")
    assert message == f"all.json: it names another key service ({service})"


def test_without_a_key_it_says_how_to_get_one(safe: Safe) -> None:
    safe.age("one.age", "hidden")
    safe.environ = {}
    [(_, _, message, fix)] = safe.problems("variables: {a: {age: one.age}}\n")
    assert (message, "age-keygen" in fix) == ("one.age: there is no age key", True)

"""Programs are found where they are, and what is missing is said with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from portreeve.core.secret import SecretValue
from portreeve.sandbox import programs, registry


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on its path; the folder that is."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def program(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def kubernetes(folder: Path, version: str) -> None:
    for name in programs.KUBERNETES:
        program(folder / name, f"Kubernetes {version}")


def test_what_is_missing_is_said(nothing: Path, tmp_path: Path) -> None:
    found = programs.find(tmp_path / "cache")
    assert (found.kubernetes, found.registry, found.kubectl) == (None, None, None)
    assert set(found.missing) == {"cluster", "registry", "kubectl"}
    assert "kube-apiserver" in found.missing["cluster"]
    assert "make demo" in found.missing["cluster"]
    assert "apt-get install docker-registry" in found.missing["registry"]


def test_a_build_in_the_cache_is_found_and_the_path_goes_first(nothing: Path, tmp_path: Path) -> None:
    kubernetes(tmp_path / "cache" / "kubernetes" / "v1.36.3" / "0a1b", "v1.36.3")
    found = programs.find(tmp_path / "cache").kubernetes
    assert found is not None
    assert (found.version, found.ways["kube-apiserver"]) == ("v1.36.3", "the cache")
    kubernetes(nothing, "v1.35.0")
    found = programs.find(tmp_path / "cache").kubernetes
    assert found is not None
    assert (found.version, found.ways["kube-apiserver"]) == ("v1.35.0", "PATH")


@pytest.mark.parametrize("version", ["v1.29.9", "v0.0.0-master", "nonsense"])
def test_one_that_cannot_restrict_sources_is_left_out(nothing: Path, tmp_path: Path, version: str) -> None:
    kubernetes(nothing, version)
    found = programs.find(tmp_path / "cache")
    assert found.kubernetes is None
    assert version in found.missing["cluster"]


def test_the_registry_and_kubectl_are_found_on_the_path(nothing: Path, tmp_path: Path) -> None:
    program(nothing / "docker-registry")
    program(nothing / "kubectl")
    found = programs.find(tmp_path / "cache")
    assert (found.registry, found.kubectl) == (nothing / "docker-registry", nothing / "kubectl")
    assert set(found.missing) == {"cluster"}


def test_passwords_are_written_as_bcrypt_each_with_a_salt_of_its_own() -> None:
    written = registry.htpasswd({"a": SecretValue("word"), "b": SecretValue("word")})
    (one, first), (other, second) = (line.split(":") for line in written.splitlines())
    assert (one, other) == ("a", "b")
    assert first.startswith("$2y$05$")
    assert len(first) == len(second) == 60
    assert first != second
    assert "word" not in written

"""The ways to the real parts: which is taken, and what is said when none leads there. Nothing is built or fetched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from portreeve.sandbox import programs
from tests.tools import components
from tests.tools.components import (
    KUBERNETES,
    ORACLE,
    Kubernetes,
    Missing,
    Postgres,
    find_kubernetes,
    find_postgres,
    find_program,
    find_registry,
)
from tests.tools.gobuild import Ran, run_bounded
from tests.tools.required import give_up


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_assets_come_first_and_the_build_fills_their_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    apiserver = program(tmp_path / "assets" / "kube-apiserver", "Kubernetes v1.36.1")
    etcd = program(tmp_path / "assets" / "etcd", "etcd")
    built = KUBERNETES.place(tmp_path / "cache")
    manager = program(built / "kube-controller-manager", "Kubernetes v1.36.3")
    program(built / "kube-apiserver", "Kubernetes v1.36.3")
    found = find_kubernetes(tmp_path / "cache")
    assert isinstance(found, Kubernetes)
    assert (found.apiserver, found.etcd, found.controller_manager) == (apiserver, etcd, manager)
    assert found.version == "v1.36.1"
    assert found.ways["kube-controller-manager"] == "our build"


def test_missing_part_names_every_way_and_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    program(tmp_path / "assets" / "kube-apiserver", "Kubernetes v1.36.1")
    missing = find_kubernetes(tmp_path / "cache")
    assert isinstance(missing, Missing)
    text = str(missing)
    assert "python -m tests.tools.components --get kubernetes" in text
    assert f"kube-controller-manager by KUBEBUILDER_ASSETS: {tmp_path}/assets/kube-controller-manager is not" in text
    assert "kube-controller-manager by the release:" in text


def test_apiserver_that_does_not_start_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    for name in programs.KUBERNETES:
        program(tmp_path / "assets" / name, "wrong architecture")
    missing = find_kubernetes(tmp_path / "cache")
    assert isinstance(missing, Missing)
    assert "wrong architecture" in str(missing)


def test_newest_installed_postgres_wins_but_for_the_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "POSTGRES_PACKAGES", tmp_path / "installed")
    monkeypatch.setattr(components, "POSTGRES_USER", "root")  # there on every machine
    for version in ("9", "18"):
        for name in ("initdb", "postgres"):
            program(tmp_path / "installed" / version / "bin" / name, f"'postgres (PostgreSQL) {version}.1 (Debian)'")
    newest = find_postgres()
    assert isinstance(newest, Postgres)
    assert (newest.version, newest.way) == ("18.1", "the installed package")
    for name in ("initdb", "postgres"):
        program(tmp_path / "elsewhere" / name, "'postgres (PostgreSQL) 17.2'")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "initdb").symlink_to(tmp_path / "elsewhere" / "initdb")
    chosen = find_postgres()
    assert isinstance(chosen, Postgres)
    assert (chosen.version, chosen.server) == ("17.2", (tmp_path / "elsewhere" / "postgres").resolve())


def test_missing_postgres_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "POSTGRES_PACKAGES", tmp_path)
    monkeypatch.setattr(components, "POSTGRES_USER", "root")
    assert "postgres is missing. Install the distribution's package" in str(find_postgres())
    monkeypatch.setattr(components, "POSTGRES_USER", "nobody-of-that-name")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "user nobody-of-that-name: there is none" in str(find_postgres())


def test_changed_source_pin_or_flag_is_another_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (source / name).write_text(name)
    before = dataclasses.replace(ORACLE, source=source)
    places = {before.place(tmp_path), dataclasses.replace(before, ldflags=()).place(tmp_path)}
    for name in ("go.mod", "go.sum", "main.go"):
        (source / name).write_text(f"{name} changed")
        places.add(before.place(tmp_path))
    assert len(places) == 5


def test_missing_program_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = find_program(ORACLE, tmp_path)
    assert isinstance(missing, Missing)
    monkeypatch.delenv("PORTREEVE_REQUIRE_REAL", raising=False)
    for ci in ("true", "1"):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(pytest.fail.Exception, match="--get oracle"):
            give_up(missing)
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="NOT RUN: oracle is missing"):
        give_up(missing)
    monkeypatch.setenv("PORTREEVE_REQUIRE_REAL", "1")
    with pytest.raises(pytest.fail.Exception):
        give_up(missing)


def test_command_beyond_its_bound_is_stopped_with_its_children(tmp_path: Path) -> None:
    ran = run_bounded(["/bin/sh", "-c", "echo begun; /bin/sleep 600 & wait"], tmp_path, {}, timeout_s=0.5)
    assert ran == Ran(-9, "begun\nstopped: not finished after 0 s")


def test_the_registry_is_the_one_on_path_or_missing_with_the_package_that_has_it(tmp_path: Path) -> None:
    missing = find_registry()
    assert isinstance(missing, Missing)
    assert "apt-get install docker-registry" in str(missing)
    installed = program(tmp_path / "bin" / "docker-registry", "2.8")
    found = find_registry()
    assert not isinstance(found, Missing)
    assert found.path == installed

"""Pytest fixtures of the real parts. Use them with `pytest_plugins = ["tests.tools.fixtures"]` in the root conftest.

A part that is missing skips its tests loudly on a developer's machine, and fails them where CI is set, or
PORTREEVE_REQUIRE_REAL=1: a gate that passes for lack of its subject is no gate.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.tools.cel import CelChecker
from tests.tools.cluster import Cluster, KubeClient
from tests.tools.components import CEL, ORACLE, Missing, default_cache, find_kubernetes, find_program
from tests.tools.oracle import Oracle


def real_parts_required() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false") or os.environ.get("PORTREEVE_REQUIRE_REAL") == "1"


def give_up(missing: Missing) -> NoReturn:
    """Fail or skip, as the module says."""
    if real_parts_required():
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(f"NOT RUN: {missing}")


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[Cluster]:
    """A control plane for the whole session. Tests share it: use namespaces of your own, and remove what is global."""
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with Cluster(found) as cluster:
        yield cluster


@pytest.fixture
def kube_client(kubernetes: Cluster) -> Iterator[KubeClient]:
    """A client with all rights."""
    with kubernetes.client() as client:
        yield client


@pytest.fixture(scope="session")
def reference_oracle() -> Iterator[Oracle]:
    """Docker's own reference parser."""
    found = find_program(ORACLE, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with Oracle(found.path) as oracle:
        yield oracle


@pytest.fixture(scope="session")
def cel_checker() -> Iterator[CelChecker]:
    """The policy compiler and evaluator of Kubernetes 1.30."""
    found = find_program(CEL, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with CelChecker(found.path) as checker:
        yield checker

"""Pytest fixtures of the real parts; tests/conftest.py offers them to every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.tools.cel import CelChecker
from tests.tools.charts import Charts
from tests.tools.cluster import Cluster, KubeClient
from tests.tools.components import (
    CEL,
    HELM,
    NODES,
    ORACLE,
    PROMQL,
    REFERRERS,
    Missing,
    default_cache,
    find_kubernetes,
    find_postgres,
    find_program,
    find_registry,
)
from tests.tools.nodes import NodeJudge
from tests.tools.oracle import Oracle
from tests.tools.postgres import PostgresServer
from tests.tools.promql import Prometheus
from tests.tools.registry import Access, DockerRegistry, ReferrersRegistry
from tests.tools.required import give_up


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
def node_judge() -> Iterator[NodeJudge]:
    """What reads node files on a node."""
    found = find_program(NODES, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with NodeJudge(found.path) as judge:
        yield judge


@pytest.fixture(scope="session")
def cel_checker() -> Iterator[CelChecker]:
    """The policy compiler and evaluator of Kubernetes 1.30."""
    found = find_program(CEL, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with CelChecker(found.path) as checker:
        yield checker


@pytest.fixture(scope="session")
def charts() -> Iterator[Charts]:
    """Helm's and kustomize's engines."""
    found = find_program(HELM, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with Charts(found.path) as charts:
        yield charts


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    """Prometheus' engine, for rules."""
    found = find_program(PROMQL, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with Prometheus(found.path) as prometheus:
        yield prometheus


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole session, one per worker. A test that stops it must start it again."""
    found = find_postgres()
    if isinstance(found, Missing):
        give_up(found)
    with PostgresServer(found) as server:
        yield server


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of the test's own, dropped afterwards whoever is still connected."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def durable_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server of the test's own that writes to the disk, for tests of what a crash leaves."""
    with PostgresServer(postgres.programs, fsync=True) as server:
        yield server


@pytest.fixture(scope="session")
def docker_registry() -> Iterator[Callable[[Access], DockerRegistry]]:
    """Docker's registry over TLS, one per way to sign in and worker, started when it is first asked for.

    Tests share it: use repositories of your own.
    """
    found = find_registry()
    if isinstance(found, Missing):
        give_up(found)
    running: dict[Access, DockerRegistry] = {}
    with ExitStack() as stack:

        def start(access: Access) -> DockerRegistry:
            if access not in running:
                running[access] = stack.enter_context(DockerRegistry(found.path, access))
            return running[access]

        yield start


@pytest.fixture(scope="session")
def referrers_registry() -> Iterator[ReferrersRegistry]:
    """A registry with the referrers API, over TLS, one per worker. Nobody signs in."""
    found = find_program(REFERRERS, default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with ReferrersRegistry(found.path, tls=True) as registry:
        yield registry

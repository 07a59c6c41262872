"""The program and the files that most tests give to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import LOOPBACK_GUARD, Outcome, Program
from tests.server.served import Served, served

POLICY = """\
apiVersion: portreeve.io/v1
kind: RegistryPolicy
metadata: {name: prod-sources}
spec:
  restrict:
    stage: deny
    allowedSources:
      - {prefix: harbor.example.com/shop, scope: Global, note: own images}
      - {prefix: quay.io/cni/agent, scope: {namespaces: [kube-system]}}
"""

WORKLOADS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  template:
    spec:
      initContainers:
        - name: migrate
          image: nginx
      containers:
        - name: web
          image: harbor.example.com/shop/api:1.4
---
apiVersion: v1
kind: Pod
metadata: {name: lone}
spec:
  containers:
    - name: web
      image: nginx
"""

BROKEN = "kind: Pod\nspec: [unclosed\n"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, beside policy.yaml and app.yaml."""
    found = Program(tmp_path)
    found.write("policy.yaml", POLICY)
    found.write("app.yaml", WORKLOADS)
    return found


@dataclass
class Operator:
    """The program, signed in to a control plane as somebody who may do everything that anybody may."""

    program: Program
    plane: Served
    token: str

    def run(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Outcome:
        """Run to the end."""
        return self.program.run(*arguments, stdin=stdin, env=env)

    def write(self, name: str, *documents: Mapping[str, Any]) -> str:
        """Write documents as a file of YAML; its path."""
        return self.program.write(name, yaml.safe_dump_all(documents))


def operator_of(plane: Served, folder: Path, user: str = "root", role: str = "platform-admin") -> Operator:
    """The program as a user of the control plane, in a new folder."""
    (folder / "tmp").mkdir(parents=True)
    token = plane.token(user, role)
    env = {"PORTREEVE_SERVER": plane.url, "PORTREEVE_TOKEN": token}
    env |= {"XDG_CONFIG_HOME": str(folder / "config"), "TMPDIR": str(folder / "tmp")}
    return Operator(Program(folder, guarded_by=LOOPBACK_GUARD, env=env), plane, token)


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[Served]:
    """A control plane with nothing in it, on a loopback port."""
    with served(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as started:
        yield started


@pytest.fixture
def operator(control_plane: Served, tmp_path: Path) -> Operator:
    """The program as a platform administrator."""
    return operator_of(control_plane, tmp_path / "operator")

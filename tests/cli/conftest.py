"""The program and the files that most tests give to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import Program

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

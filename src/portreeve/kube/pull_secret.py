"""The one Secret of ours in a namespace: its name, its type, where its content stands, and how all of them are found.

Making, changing and removing it is decided by `core.reconcile` and carried out by `reconciler.requests`.

Needs: get, list, watch, create, patch and delete of secrets with `resourceNames: [portreeve-pull]`, and nothing more of
secrets. An apply of a name that is not there is authorised by its name, which a create by POST is not.

Source: kubernetes.md 2.4, each point of which is a test.
"""

from __future__ import annotations

from typing import Final

from portreeve.core.observation import PULL_SECRET
from portreeve.kube.client import Selection

NAME: Final = PULL_SECRET
TYPE: Final = "kubernetes.io/dockerconfigjson"
KEY: Final = ".dockerconfigjson"
SWEEP: Final = Selection(fields=f"metadata.name={NAME}")
"""All of them, in all namespaces; allowed by a role with `resourceNames`, which listing Secrets is not."""

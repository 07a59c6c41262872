"""Write `deploy/kustomize/agent/agent.yaml` anew from the chart: for those who have no Helm.

    python -m tests.deploy.write_manifests

`test_manifests.py` holds the file against the chart.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.deploy.installed import CHART
from tests.tools.charts import Charts, Object
from tests.tools.components import HELM, Missing, default_cache, find_program

MANIFESTS = CHART.parents[1] / "kustomize/agent"
FILE = MANIFESTS / "agent.yaml"
HEADER = """\
# Rendered from deploy/helm/agent by `python -m tests.deploy.write_manifests`; how to use it is in docs/howto/agents.md.
"""

RESTRICTED = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "portreeve-system", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}


def manifests(charts: Charts) -> str:
    """What the file should hold: the chart with its defaults, in an order in which it can be applied."""
    rendered = charts.render(CHART)
    return HEADER + yaml.dump_all([RESTRICTED, *map(_plain, rendered.objects)], sort_keys=False, width=120)


def _plain(one: Object) -> Object:
    """Without what says that Helm keeps it."""
    for labels in (
        one["metadata"]["labels"],
        one.get("spec", {}).get("template", {}).get("metadata", {}).get("labels"),
    ):
        for name in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            (labels or {}).pop(name, None)
    return one


def main() -> int:
    """Write it; the exit code."""
    found = find_program(HELM, default_cache())
    if isinstance(found, Missing):
        sys.stderr.write(f"{found}\n")
        return 1
    with Charts(found.path) as charts:
        Path(FILE).write_text(manifests(charts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The manifests for those without Helm: the same objects, and what a real API server says to each."""

from __future__ import annotations

import pytest
import yaml

from tests.deploy.write_manifests import FILE, MANIFESTS, manifests
from tests.tools.charts import Charts
from tests.tools.kubeclient import KubeClient

FIRST = "Namespace"


def test_they_are_those_of_the_chart(charts: Charts) -> None:
    assert FILE.read_text(encoding="utf-8") == manifests(charts), "python -m tests.deploy.write_manifests"


def test_kustomize_builds_them(charts: Charts) -> None:
    held = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))
    built = charts.kustomize(MANIFESTS)
    assert built.names == {(one["kind"], one["metadata"]["name"]) for one in held}
    assert all(one in built.objects for one in held)


@pytest.mark.wide
def test_the_server_takes_each_and_warns_of_none(kube_client: KubeClient) -> None:
    """In the order of the file, as a dry run once its namespace is there; fields that it does not know are refused."""
    namespace, *others = yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
    assert namespace["kind"] == FIRST
    strict = {"dryRun": "All", "fieldValidation": "Strict", "force": "true"}
    kube_client.server_side_apply(namespace, "admin").expect(200, 201)
    try:
        answers = {
            f"{one['kind']}/{one['metadata']['name']}": kube_client.server_side_apply(one, "admin", strict)
            for one in others
        }
    finally:
        kube_client.delete(namespace)
    assert {name: answer.message for name, answer in answers.items() if not answer.ok} == {}
    assert {name: answer.warnings for name, answer in answers.items() if answer.warnings} == {}

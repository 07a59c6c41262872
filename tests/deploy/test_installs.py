"""The chart on a real API server: taken whole with everything on, and fit for a namespace that is `restricted`."""

from __future__ import annotations

import copy

import pytest

from tests.deploy.installed import CHART, Installed
from tests.deploy.test_chart import EVERYTHING
from tests.tools.charts import Charts, Object
from tests.tools.kubeclient import DRY_RUN

pytestmark = pytest.mark.slow


def test_the_server_takes_everything_that_can_be_turned_on_and_warns_of_none(scene: Installed, charts: Charts) -> None:
    strict = {"dryRun": "All", "fieldValidation": "Strict", "force": "true"}
    rendered = charts.render(CHART, EVERYTHING, namespace=scene.home)
    assert rendered.names > scene.rendered.names
    for one in rendered.objects:
        answer = scene.admin.server_side_apply(one, "admin", strict).expect(200, 201)
        assert answer.warnings == (), one["kind"]


def agent_pod(scene: Installed) -> Object:
    template = copy.deepcopy(scene.rendered.of("Deployment")["spec"]["template"])
    metadata = {**template["metadata"], "name": "agent", "namespace": scene.home}
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}


def test_its_pod_passes_the_strictest_pod_security(scene: Installed) -> None:
    answer = scene.admin.create(agent_pod(scene), DRY_RUN).expect(201)
    assert answer.warnings == ()
    loose = agent_pod(scene)
    del loose["spec"]["containers"][0]["securityContext"]["capabilities"]
    refused = scene.admin.create(loose, DRY_RUN)
    assert refused.status == 403, "the namespace does refuse"
    assert "PodSecurity" in refused.message

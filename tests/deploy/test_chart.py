"""What the chart renders to: without a cluster, for each convention and each switch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from portreeve.version import __version__
from tests.deploy.installed import CHART
from tests.tools.charts import Charts, NotRendered, Object, Rendered

SERVER = {"server": "https://portreeve.example.com"}
MONITORING = ("monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PrometheusRule")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
EVERYTHING: dict[str, Any] = {
    **SERVER,
    "commonLabels": {"team": "platform"},
    "rbac": {"patchAllServiceAccounts": True},
    "attach": {"enabled": True},
    "metrics": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
}


def deployed(rendered: Rendered) -> Object:
    """The agent's pod."""
    pod: Object = rendered.of("Deployment")["spec"]["template"]
    return pod


def containers(rendered: Rendered) -> tuple[Object, Object]:
    """The one that enrols, and the one that runs."""
    spec = deployed(rendered)["spec"]
    [enrol], [agent] = spec["initContainers"], spec["containers"]
    return enrol, agent


# The conventions


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__


def test_the_schema_knows_every_value_and_is_one() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    # Whatever has fixed fields has the same ones in both.
    assert _shape(VALUES, schema) == []


def _shape(values: dict[str, Any], schema: Object, path: str = "") -> list[str]:
    """Paths that are in one of them alone."""
    known = schema.get("properties", {})
    if schema.get("additionalProperties", True) is not False:
        return []
    wrong = [f"{path}.{name}" for name in values.keys() ^ known.keys()]
    for name in values.keys() & known.keys():
        if isinstance(values[name], dict):
            wrong += _shape(values[name], known[name], f"{path}.{name}")
    return sorted(wrong)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"server": "http://portreeve.example.com"}, "server"),
        ({"servre": "https://portreeve.example.com"}, "servre"),
        ({"image": {"digest": "sha256:abc"}}, "digest"),
        ({"join": {"token": "prtj_x"}}, "token"),
        ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "accessModes"),
        ({"serviceMonitor": {"renderMode": "sometimes"}}, "renderMode"),
        ({"prometheusRule": {"alerts": {"Other": {"enabled": True}}}}, "Other"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(values: dict[str, Any], says: str, charts: Charts) -> None:
    with pytest.raises(NotRendered, match=says):
        charts.render(CHART, values)


def test_no_secret_has_a_default_and_none_is_rendered(charts: Charts) -> None:
    rendered = charts.render(CHART, EVERYTHING, api_versions=MONITORING)
    assert not rendered.all_of("Secret")
    secret = [name for name in _names(VALUES) if re.search("(?i)password|token|secrets?$|key", name)]
    assert set(secret) == {"imagePullSecrets", "existingSecret", "existingSecretKey"}, "which only name one"


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _names(one)


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, f"ghcr.io/portreeve/agent:{__version__}"),
        ({"image": {"tag": "1.2"}}, "ghcr.io/portreeve/agent:1.2"),
        ({"image": {"registry": ""}}, f"portreeve/agent:{__version__}"),
        ({"global": {"imageRegistry": "mirror.example.com"}}, f"mirror.example.com/portreeve/agent:{__version__}"),
        (
            {"image": {"tag": "1.2", "digest": f"sha256:{'a' * 64}", "registry": "r.example.com"}},
            f"r.example.com/portreeve/agent@sha256:{'a' * 64}",
        ),
    ],
)
def test_images_are_named_by_mirror_tag_or_digest(values: dict[str, Any], image: str, charts: Charts) -> None:
    assert {one["image"] for one in containers(charts.render(CHART, {**SERVER, **values}))} == {image}


def test_what_is_extra_arrives(charts: Charts) -> None:
    mount = {"name": "ca", "mountPath": "/ca"}
    values = {
        **SERVER,
        "extraArgs": ["--x"],
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraEnvFrom": [{"configMapRef": {"name": "c"}}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [mount],
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "x", "namespace": "{{ .Release.Namespace }}"},
            }
        ],
        "imagePullSecrets": [{"name": "mine"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "podLabels": {"a": "b"},
        "podAnnotations": {"c": "d"},
    }
    rendered = charts.render(CHART, values)
    pod, (enrol, agent) = deployed(rendered), containers(rendered)
    assert agent["args"][-1] == "--x"
    assert {"name": "A", "value": "b"} in enrol["env"]
    assert agent["env"] == [{"name": "A", "value": "b"}]
    assert mount in enrol["volumeMounts"]
    assert mount in agent["volumeMounts"]
    assert agent["envFrom"] == enrol["envFrom"] == [{"configMapRef": {"name": "c"}}]
    assert pod["spec"]["volumes"][-1]["name"] == "ca"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "mine"}]
    assert pod["spec"]["topologySpreadConstraints"][0]["topologyKey"] == "zone"
    assert pod["metadata"]["labels"]["a"] == "b"
    assert pod["metadata"]["annotations"] == {"c": "d"}
    assert rendered.of("ConfigMap")["metadata"]["namespace"] == "portreeve-system"


def test_every_object_has_the_common_labels(charts: Charts) -> None:
    rendered = charts.render(CHART, EVERYTHING, api_versions=MONITORING)
    assert {one["metadata"]["labels"].get("team") for one in rendered.objects} == {"platform"}


def test_the_notes_name_three_commands(charts: Charts) -> None:
    notes = charts.render(CHART, SERVER, namespace="elsewhere").notes
    commands = [line.split("     #")[0].strip() for line in notes.splitlines() if "     #" in line]
    assert [one.split()[0] for one in commands] == ["kubectl", "kubectl", "portreeve"]
    assert all("-n elsewhere" in one for one in commands[:2])


@pytest.mark.parametrize(
    ("known", "mode"), list(product([True, False], ["skipIfMissing", "failIfMissing", "alwaysRender"]))
)
def test_monitoring_is_rendered_where_the_cluster_knows_it(known: bool, mode: str, charts: Charts) -> None:
    values = {
        **SERVER,
        "metrics": {"enabled": True},
        "serviceMonitor": {"enabled": True, "renderMode": mode},
        "prometheusRule": {"enabled": True, "renderMode": mode},
    }
    api_versions = MONITORING if known else ()
    if mode == "failIfMissing" and not known:
        with pytest.raises(NotRendered, match="does not know"):
            charts.render(CHART, values)
        return
    found = {kind for kind, _ in charts.render(CHART, values, api_versions=api_versions).names}
    wanted = known or mode == "alwaysRender"
    assert ({"ServiceMonitor", "PrometheusRule"} <= found) is wanted


def test_metrics_open_one_port_and_nothing_else_is_open(charts: Charts) -> None:
    closed = charts.render(CHART, SERVER)
    assert closed.of("NetworkPolicy")["spec"]["ingress"] == []
    assert "ports" not in containers(closed)[1]
    values = {**SERVER, "metrics": {"enabled": True, "port": 9999}}
    opened = charts.render(CHART, values)
    _, agent = containers(opened)
    assert "--metrics=0.0.0.0:9999" in agent["args"]
    assert agent["ports"] == [{"name": "metrics", "containerPort": 9999, "protocol": "TCP"}]
    asked = {"path": "/healthz", "port": "metrics"}
    assert [agent[f"{one}Probe"]["httpGet"] for one in ("liveness", "readiness")] == [asked, asked]
    own = {"tcpSocket": {"port": 1}}
    _, agent = containers(charts.render(CHART, {**values, "probes": {"liveness": own}}))
    assert agent["livenessProbe"] == own
    _, agent = containers(charts.render(CHART, SERVER))
    assert not {"livenessProbe", "readinessProbe", "ports"} & set(agent)
    assert opened.of("NetworkPolicy")["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": 9999}]}]
    assert opened.of("Service")["spec"]["ports"][0]["port"] == 9999


def test_the_state_is_on_a_claim_of_ones_own_choice(charts: Charts) -> None:
    def state(**persistence: Any) -> tuple[Object, int]:
        rendered = charts.render(CHART, {**SERVER, "persistence": persistence})
        [found] = [one for one in deployed(rendered)["spec"]["volumes"] if one["name"] == "state"]
        return found, len(rendered.all_of("PersistentVolumeClaim"))

    claim = {"name": "state", "persistentVolumeClaim": {"claimName": "portreeve-agent"}}
    assert state() == (claim, 1)
    assert state(existingClaim="mine") == ({**claim, "persistentVolumeClaim": {"claimName": "mine"}}, 0)
    assert state(enabled=False) == ({"name": "state", "emptyDir": {"sizeLimit": "64Mi"}}, 0)


def test_the_address_comes_from_a_value_or_from_the_join_secret(charts: Charts) -> None:
    enrol, _ = containers(charts.render(CHART, SERVER))
    assert enrol["env"][0] == {"name": "PORTREEVE_AGENT_SERVER", "value": SERVER["server"]}
    enrol, _ = containers(charts.render(CHART))
    assert enrol["env"][0]["valueFrom"]["secretKeyRef"]["key"] == "server"
    with pytest.raises(NotRendered, match="is needed"):
        charts.render(CHART, {"join": {"existingSecret": ""}})


@pytest.mark.wide
def test_the_agent_knows_what_it_is_told(charts: Charts, tmp_path: Path) -> None:
    """The rendered commands, by the program itself, on a mount as a kubelet makes it: group-writable, with setgid."""
    mount = tmp_path / "mount"
    mount.mkdir()
    mount.chmod(0o2770)
    told = []
    for one in containers(charts.render(CHART, {**SERVER, "cluster": "prod"})):
        _, verb = one["command"]
        arguments = [each.replace("/var/lib/portreeve-agent", str(mount)) for each in one["args"]]
        outside = {name: value for name, value in os.environ.items() if name != "KUBERNETES_SERVICE_HOST"}
        environment = {**outside, "PORTREEVE_AGENT_JOIN_FILE": str(tmp_path / "none")}
        program = "import sys; from portreeve.agent.main import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", program, verb, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        told.append((done.returncode, done.stderr.partition(":")[0]))
    # No token to enrol with, and no cluster around it; a command that it did not know would be a matter of usage.
    assert told == [(2, "join_token"), (2, "kubeconfig_not_in_cluster")]
    assert (mount / "state").stat().st_mode & 0o777 == 0o700


# What an installer must not bring (CIS 5.1, reliability 4.4)


@pytest.fixture(params=[SERVER, EVERYTHING], ids=["defaults", "everything"])
def rendered(request: pytest.FixtureRequest, charts: Charts) -> Rendered:
    return charts.render(CHART, request.param, api_versions=MONITORING)


def test_roles_have_no_wildcards_and_secrets_only_by_name(rendered: Rendered) -> None:
    # portreeve-access-edit is for people, and about their requests alone.
    roles = [one for one in rendered.all_of("ClusterRole") if one["metadata"]["name"] != "portreeve-access-edit"]
    rules = [rule for one in roles for rule in one["rules"]]
    assert rules
    for rule in rules:
        values = [*rule["apiGroups"], *rule["resources"], *rule["verbs"], *rule.get("resourceNames", [])]
        assert not [value for value in values if "*" in value], rule
        assert not {"escalate", "bind", "impersonate", "update", "deletecollection"} & set(rule["verbs"]), rule
        assert "secrets" not in rule["resources"] or rule["resourceNames"] == ["portreeve-pull"]
        assert "nonResourceURLs" not in rule
        if {"create", "patch", "delete"} & set(rule["verbs"]) and not rule.get("resourceNames"):
            assert rule["resources"] in (
                ["pods"],
                ["events"],
                ["registryaccesses/status"],
                ["selfsubjectaccessreviews"],
                ["serviceaccounts"],
            ), rule
    assert not rendered.all_of("Role")
    subjects = [subject for one in rendered.all_of("ClusterRoleBinding") for subject in one["subjects"]]
    assert {one["kind"] for one in subjects} == {"ServiceAccount"}


def test_containers_are_locked_down(rendered: Rendered) -> None:
    spec = deployed(rendered)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for one in containers(rendered):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one["resources"]["limits"]["memory"]
    assert not [one for one in spec["volumes"] if "hostPath" in one]
    # A mount that is opened to the group at each start would have the agent refuse its keys.
    assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_who_enrols_has_no_rights_and_who_runs_has_no_join_token(rendered: Rendered) -> None:
    enrol, agent = ({one["name"] for one in each["volumeMounts"]} for each in containers(rendered))
    assert (enrol, agent) == ({"state", "join"}, {"state", "api-server"})
    assert deployed(rendered)["spec"]["automountServiceAccountToken"] is False
    assert rendered.of("ServiceAccount")["automountServiceAccountToken"] is False


def test_never_two_agents_at_a_time(rendered: Rendered) -> None:
    spec = rendered.of("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_network_policy_selects_the_agent_and_names_its_ports(rendered: Rendered) -> None:
    spec = rendered.of("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"]["matchLabels"].items() <= deployed(rendered)["metadata"]["labels"].items()
    assert all(rule["ports"] for rule in spec["egress"])

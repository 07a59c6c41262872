"""`portreeve explain` where only a control plane knows: its verdict, its grants, exemptions that have ended."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from portreeve.cli.explain_facts import WORDS, kind_of
from portreeve.kube.pulls import KINDS
from tests.cli.conftest import Operator
from tests.cli.program import LOOPBACK_GUARD, Program
from tests.server.plane import NOW, document
from tests.tools.process import free_ports

SOURCES = {"stage": "deny", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global"}]}


@pytest.fixture
def scene(operator: Operator) -> Operator:
    """An environment with a policy, and a registry that is granted to one namespace."""
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        document("RegistryPolicy", "sources", groups=["production"], restrict=SOURCES, allowOverride=True),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop"),
        document("RegistryAccess", "shop", registry="harbor", environment="prod", namespaces={"names": ["shop"]}),
    )
    return operator


def test_the_control_plane_says_verdict_and_grant(scene: Operator) -> None:
    done = scene.run("explain", "harbor.example.com/shop/api:1", "-n", "shop", "--no-probe", "-o", "json")
    (one,) = done.json["explanations"]
    # Nobody was asked whether it can be pulled, and that is not called good.
    assert (done.code, one["cause"]) == (3, "unknown")
    assert (one["verdict"]["decision"], one["verdict"]["policy"]) == ("ALLOW", "sources")
    assert (one["grant"]["registry"], one["grant"]["environment"]) == ("harbor", "prod")
    assert done.json["asked"] == [f"control plane {scene.plane.url}, environment prod"]
    text = scene.run("explain", "harbor.example.com/shop/api:1", "-n", "shop", "--no-probe")
    assert "grant      access shop: registry harbor, standing" in text.out
    assert "asked: control plane" in text.err


def test_a_registry_that_could_be_granted_is_named_in_the_fix(scene: Operator) -> None:
    done = scene.run("explain", "harbor.example.com/shop/api:1", "-n", "other", "--no-probe", "-o", "json")
    assert (done.code, done.json["explanations"][0]["grant"]["registry"]) == (3, None)
    assert done.json["explanations"][0]["grant"]["candidate"] == "harbor"


def test_what_it_denies_is_a_blocked_source(scene: Operator) -> None:
    done = scene.run("explain", "harbor.example.com/other/api:1", "-n", "shop", "--no-probe", "-o", "json")
    (one,) = done.json["explanations"]
    assert (done.code, one["cause"], one["verdict"]["nearest"]) == (1, "source_blocked", "harbor.example.com/shop")
    assert one["fixes"][0].startswith(
        "portreeve exempt request NAME --policy sources --image harbor.example.com/other/api -n shop"
    )


def test_an_exemption_that_ended_is_told_by_name(scene: Operator) -> None:
    clock = scene.plane.plane.clock
    clock.now = NOW - timedelta(days=600)
    ends = f"{clock.now + timedelta(days=10):%Y-%m-%dT%H:%M:%SZ}"
    asked = ("exempt", "request", "redis", "--policy", "sources", "--image", "docker.io/library/redis", "-n", "shop",
             "--reason", "mirror not ready", "--owner", "shop", "--expires-at", ends)  # fmt: skip
    other = {"PORTREEVE_TOKEN": scene.plane.token("other", "platform-admin")}
    assert scene.run(*asked, env=other).code == 0
    assert scene.run("exempt", "approve", "redis").code == 0
    clock.now = NOW
    done = scene.run("explain", "redis:7", "-n", "shop", "--no-probe", "-o", "json")
    (one,) = done.json["explanations"]
    assert (done.code, one["cause"]) == (1, "exemption_expired"), one
    assert one["sentence"] == f"exemption redis ended on {ends}"
    assert one["fixes"][0] == "portreeve exempt renew redis --expires-at TIME"


def test_the_environment_is_named_where_there_are_several(scene: Operator) -> None:
    scene.plane.put(document("Environment", "prod-us", tier="production", group="production"))
    image = "harbor.example.com/other/api:1"
    guessed = scene.run("explain", image, "-n", "shop", "--no-probe", "-o", "json")
    assert (guessed.code, guessed.json["explanations"][0]["verdict"]) == (3, None)
    assert "name one: --environment" in guessed.json["explanations"][0]["notRead"][0]
    named = scene.run("explain", image, "-n", "shop", "--no-probe", "--environment", "prod-us", "-o", "json")
    assert (named.code, named.json["explanations"][0]["cause"]) == (1, "source_blocked")


@pytest.mark.wide
def test_a_cluster_that_does_not_answer_is_said_and_the_answer_is_not_known(tmp_path: Path) -> None:
    program = Program(tmp_path, guarded_by=LOOPBACK_GUARD)
    port = free_ports(1)[0]
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    kubeconfig = {"KUBECONFIG": program.write("kubeconfig", json.dumps(config))}
    done = program.run("explain", "nginx", "--no-probe", env=kubeconfig)
    assert (done.code, "cause      unknown: " in done.out) == (3, True)
    assert "not read: cluster x: " in done.err
    assert program.run("explain", "pod/api", env=kubeconfig).code == 2


def test_words_for_objects_are_those_that_are_read() -> None:
    assert frozenset(KINDS) == WORDS
    assert kind_of("deploy/api") is KINDS["deployment"]
    for image in ("nginx", "library/nginx", "docker.io/deploy/api", "deploy/api/web"):
        assert kind_of(image) is None

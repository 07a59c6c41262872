"""`portreeve render` and `portreeve hosts`: what follows from a policy."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.cli.conftest import BROKEN, POLICY
from tests.cli.program import Program

pytestmark = pytest.mark.wide

PROTECTED = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cni, namespace: kube-system}
spec: {template: {spec: {containers: [{name: agent, image: "%s"}]}}}
"""


@pytest.mark.parametrize(
    ("engine", "first", "count"),
    [
        ("kubernetes", "ValidatingAdmissionPolicy", 4),
        ("kyverno", "ValidatingPolicy", 3),
        ("gatekeeper", "ConstraintTemplate", 4),
    ],
)
def test_every_engine_gets_objects(program: Program, engine: str, first: str, count: int) -> None:
    done = program.run("render", "-p", "policy.yaml", "--format", engine)
    assert done.code == 0
    manifests = list(yaml.safe_load_all(done.out))
    assert (manifests[0]["kind"], len(manifests)) == (first, count)
    listed = program.run("render", "-p", "policy.yaml", "--format", engine, "-o", "json").json
    assert listed["items"] == manifests
    assert done.out.startswith("#") is (engine != "kubernetes"), "what an engine cannot do travels with the file"


def test_the_same_policy_gives_the_same_text(program: Program) -> None:
    once, again = (program.run("render", "-p", "policy.yaml").out for _ in range(2))
    assert once == again


def test_stage_off_renders_nothing_and_says_so(program: Program) -> None:
    program.write("policy.yaml", POLICY.replace("stage: deny", "stage: off"))
    done = program.run("render", "-p", "policy.yaml")
    assert (done.code, done.out) == (0, "")
    assert "stage off" in done.err


def test_a_cluster_that_is_too_old_is_refused_by_its_version(program: Program) -> None:
    policy = program.write("p.yaml", POLICY)
    assert program.run("render", "-p", policy, "--kubernetes-version", "v1.30.4").code == 0
    old = program.run("render", "-p", policy, "--kubernetes-version", "v1.29.14")
    assert (old.code, old.out) == (2, "")
    assert "kubernetes_too_old" in old.err
    assert "needs 1.30 or newer" in old.err


def test_a_policy_that_locks_out_what_is_protected_is_refused(program: Program) -> None:
    program.write("cni.yaml", PROTECTED % "quay.io/cni/agent:1")
    assert program.run("render", "-p", "policy.yaml", "--protect", "cni.yaml").code == 0
    program.write("cni.yaml", PROTECTED % "quay.io/other/agent:1")
    done = program.run("render", "-p", "policy.yaml", "--protect", "cni.yaml")
    assert (done.code, done.out) == (2, "")
    assert "quay.io/other/agent:1 runs in kube-system and would be refused" in done.err


def test_what_cannot_be_evaluated_is_not_protected_in_silence(program: Program) -> None:
    program.write("cni.yaml", BROKEN)
    done = program.run("render", "-p", "policy.yaml", "--protect", "cni.yaml")
    assert (done.code, "protect_incomplete" in done.err) == (2, True)


def test_hosts_are_listed_in_every_form(program: Program) -> None:
    answer = program.run("hosts", "-p", "policy.yaml", "-o", "json").json
    assert {"host": "harbor.example.com", "port": 443, "purpose": "registry"}.items() <= next(
        one for one in answer["hosts"] if one["host"] == "harbor.example.com"
    ).items()
    names = program.run("hosts", "-p", "policy.yaml", "-o", "name").out.splitlines()
    assert names == list(dict.fromkeys(one["host"] for one in answer["hosts"]))
    table = program.run("hosts", "-p", "policy.yaml").out.splitlines()
    assert table[0].split() == ["HOST", "PORT", "PURPOSE", "PROVIDER", "CERTAIN", "BECAUSE"]
    assert len(table) == len(answer["hosts"]) + 1
    assert program.run("hosts", "-p", "policy.yaml", "-o", "csv").out.startswith("host,port,purpose,provider")
    lines = program.run("hosts", "-p", "policy.yaml", "-o", "markdown").out.splitlines()
    assert lines[0] == "| host | port | purpose | provider | certain | because | note |"
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_hosts_take_the_provider_from_registry_documents(program: Program) -> None:
    program.write("registry.yaml", "apiVersion: portreeve.io/v1\nkind: Registry\nmetadata: {name: harbor}\n"
                  "spec: {provider: harbor, host: harbor.example.com}\n")  # fmt: skip
    done = program.run("hosts", "-p", "policy.yaml", "-p", "registry.yaml", "-o", "json")
    assert "harbor" in {one["provider"] for one in json.loads(done.out)["hosts"]}


def test_a_registry_of_no_provider_is_refused_offline_with_those_that_there_are(program: Program) -> None:
    program.write("registry.yaml", "apiVersion: portreeve.io/v1\nkind: Registry\nmetadata: {name: harbor}\n"
                  "spec: {provider: harbr, host: harbor.example.com,\n"
                  "       credentials: [{purpose: pull, method: basic, parameters: ~}]}\n")  # fmt: skip
    done = program.run("hosts", "-p", "policy.yaml", "-p", "registry.yaml", "-o", "json")
    assert done.code == 2
    assert "registry.yaml:1: spec.provider" in done.err
    assert "did you mean harbor?" in done.err
    program.write("registry.yaml", "apiVersion: portreeve.io/v1\nkind: Registry\nmetadata: {name: harbor}\n"
                  "spec: {provider: harbor, host: harbor.example.com,\n"
                  "       credentials: [{purpose: pull, method: basic, parameters: ~}]}\n")  # fmt: skip
    done = program.run("hosts", "-p", "policy.yaml", "-p", "registry.yaml")
    assert (done.code, "spec.credentials[0].parameters.username" in done.err) == (2, True)

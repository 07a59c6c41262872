"""Files for nodes: what each form says, what it says that it cannot say, and what is refused."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from typing import Any

import pytest
import yaml

from portreeve.core.node_files import REFUSING_HOST, Gap, Mirror, NodeFiles, NodeForm, Width, node_files, parse_mirror
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import ProtectedImage
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.errors import Invalid
from portreeve.wire.node_files import as_text, as_toml


def sources(*given: str | tuple[str, str], stage: Stage = Stage.DENY) -> ResolvedSources:
    """Prefixes that count everywhere, or (prefix, namespace); beside the pre-filled ones."""
    allowed = [
        AllowedSource(parse_prefix(one)) if isinstance(one, str) else AllowedSource(parse_prefix(one[0]), (one[1],))
        for one in given
    ]
    return resolve(RegistryPolicy("prod", stage=stage, sources=tuple(allowed), generation=7))


def texts(made: NodeFiles) -> dict[str, str]:
    return {file.path: as_text(file) for file in made.files}


def toml(made: NodeFiles, path: str) -> dict[str, Any]:
    return tomllib.loads(texts(made)[path])


def messages(gaps: tuple[Gap, ...], width: Width) -> list[str]:
    return [gap.message for gap in gaps if gap.width is width]


def test_containerd_opens_whole_hosts_and_refuses_all_others() -> None:
    made = node_files(NodeForm.CONTAINERD, sources("ghcr.io/acme", "registry.corp:5000", "docker.io", "localhost:5000"))
    assert list(texts(made)) == [
        "containerd/certs.d/docker.io/hosts.toml",
        "containerd/certs.d/ghcr.io/hosts.toml",
        "containerd/certs.d/localhost_5000_/hosts.toml",
        "containerd/certs.d/registry.corp_5000_/hosts.toml",
        "containerd/certs.d/registry.k8s.io/hosts.toml",
        "containerd/certs.d/_default/hosts.toml",
    ]
    opened = {"capabilities": ["pull", "resolve"]}
    assert toml(made, "containerd/certs.d/docker.io/hosts.toml") == opened | {"server": "https://registry-1.docker.io"}
    assert toml(made, "containerd/certs.d/localhost_5000_/hosts.toml") == {}
    assert toml(made, "containerd/certs.d/_default/hosts.toml") == {
        "server": f"https://{REFUSING_HOST}",
        "capabilities": ["push"],
    }
    wider = messages(made.gaps, Width.WIDER)
    assert [text.split()[2] for text in wider] == ["ghcr.io", "registry.k8s.io"]
    assert "ghcr.io/acme; ghcr.io/portreeve/agent in portreeve-system only" in wider[0]


def test_every_file_with_comments_says_policy_generation_and_what_it_does_not_do() -> None:
    for form in NodeForm:
        for file in node_files(form, sources("ghcr.io/acme")).files:
            about = "\n".join(file.about)
            assert f"render --format {form} from policy prod, generation 7." in about
            assert "Enforces hosts" in about
            assert "oes not" in about
            if file.syntax != "json":
                assert as_text(file).startswith(f"# {file.about[0]}\n# ")


def test_a_wildcard_is_left_out_where_hosts_have_names_and_is_wider_where_there_are_patterns() -> None:
    held = sources("*.azurecr.io/base")
    for form in (NodeForm.CONTAINERD, NodeForm.K3S):
        (left,) = messages(node_files(form, held).gaps, Width.NARROWER)
        assert left.startswith("*.azurecr.io/base is left out")
    for form in (NodeForm.CRIO, NodeForm.PODMAN, NodeForm.OPENSHIFT):
        wider = messages(node_files(form, held).gaps, Width.WIDER)
        assert any("*.azurecr.io covers hosts at any depth" in text for text in wider), form


def test_crio_has_a_file_for_each_namespace_with_sources_of_its_own_and_no_gap() -> None:
    made = node_files(NodeForm.CRIO, sources("ghcr.io/acme", ("quay.io/x", "shop")))
    assert made.gaps == ()
    scopes = {
        path: set(json.loads(text)["transports"]["docker"]) for path, text in texts(made).items() if "json" in path
    }
    assert scopes["containers/policy.json"] == {"ghcr.io/acme"}
    assert scopes["crio/policies/shop.json"] == {"ghcr.io/acme", "quay.io/x"}
    assert "registry.k8s.io/pause" in scopes["crio/policies/kube-system.json"]


def test_podman_leaves_out_what_counts_in_a_namespace_only() -> None:
    made = node_files(NodeForm.PODMAN, sources("ghcr.io/acme", ("quay.io/x", "shop")))
    assert messages(made.gaps, Width.NARROWER) == ["quay.io/x in shop only is left out: there are no namespaces here"]
    assert set(json.loads(texts(made)["containers/policy.json"])["transports"]["docker"]) == {"ghcr.io/acme"}


def test_openshift_says_what_it_opens_to_all_namespaces() -> None:
    made = node_files(NodeForm.OPENSHIFT, sources("ghcr.io/acme", ("quay.io/x", "shop")))
    (image,) = (yaml.safe_load(text) for text in texts(made).values())
    listed = image["spec"]["registrySources"]["allowedRegistries"]
    assert listed == ["ghcr.io/acme", "ghcr.io/portreeve/agent", "quay.io/x"]
    assert [text.split()[0] for text in messages(made.gaps, Width.WIDER)] == ["ghcr.io/portreeve/agent", "quay.io/x"]


def test_a_mirror_goes_first_and_its_upstream_is_asked_only_where_the_policy_names_it() -> None:
    held = sources("harbor.corp", "docker.io/library")
    mirrors = [parse_mirror("docker.io=harbor.corp/hub"), parse_mirror("registry.k8s.io=harbor.corp/k8s")]
    made = node_files(NodeForm.CONTAINERD, held, mirrors=mirrors)
    hub = toml(made, "containerd/certs.d/docker.io/hosts.toml")
    assert hub["host"] == {"https://harbor.corp/v2/hub": {"capabilities": ["pull", "resolve"], "override_path": True}}
    assert hub["server"] == "https://registry-1.docker.io"
    system = toml(made, "containerd/certs.d/registry.k8s.io/hosts.toml")
    assert list(system["host"]) == ["https://harbor.corp/v2/k8s"]
    assert system["server"] == f"https://{REFUSING_HOST}"

    k3s = node_files(NodeForm.K3S, held, mirrors=mirrors)
    entries = yaml.safe_load(texts(k3s)["registries.yaml"])["mirrors"]
    assert entries["docker.io"] == {"endpoint": ["https://harbor.corp/v2/hub", "https://registry-1.docker.io"]}
    assert entries["registry.k8s.io"] == {"endpoint": ["https://harbor.corp/v2/k8s"]}
    assert entries["*"] == {"endpoint": [f"https://{REFUSING_HOST}"]}

    conf = toml(node_files(NodeForm.CRIO, held, mirrors=mirrors), "containers/registries.conf")
    by_prefix = {entry["prefix"]: entry for entry in conf["registry"]}
    assert by_prefix["docker.io/library"]["mirror"] == [{"location": "harbor.corp/hub/library"}]
    assert by_prefix["registry.k8s.io/pause"]["location"] == "harbor.corp/k8s/pause"
    assert by_prefix["docker.io"]["blocked"] is True


@pytest.mark.parametrize(
    ("mirror", "code"),
    [
        ("quay.io=harbor.corp/quay", "mirror_without_source"),
        ("ghcr.io=elsewhere.corp/ghcr", "mirror_not_allowed"),
        ("ghcr.io=harbor.corp.evil/ghcr", "mirror_not_allowed"),
    ],
)
def test_a_mirror_opens_nothing(mirror: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        node_files(NodeForm.CONTAINERD, sources("harbor.corp", "ghcr.io/acme"), mirrors=[parse_mirror(mirror)])
    assert [problem.code for problem in caught.value.problems] == [code]


@pytest.mark.parametrize("text", ["docker.io", "docker.io/library=harbor.corp", "*.a.io=harbor.corp", "a.io=*.b.io"])
def test_what_is_no_mirror_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"HOST=MIRROR|wildcard"):
        parse_mirror(text)


def test_a_mirror_is_read() -> None:
    assert parse_mirror("docker.io=harbor.corp/hub") == Mirror("docker.io", parse_prefix("harbor.corp/hub"))


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.AUDIT, Stage.WARN])
def test_a_node_knows_no_stage_but_deny(stage: Stage) -> None:
    with pytest.raises(Invalid) as caught:
        node_files(NodeForm.PODMAN, sources("ghcr.io/acme", stage=stage))
    assert caught.value.code == "node_files_need_deny"


def test_what_must_never_be_refused_is_kept_for_nodes_too() -> None:
    with pytest.raises(Invalid) as caught:
        node_files(NodeForm.CRIO, sources("a.io"), protected=[ProtectedImage("kube-system", "cni.example/agent")])
    assert [problem.code for problem in caught.value.problems] == ["would_lock_out"]


@pytest.mark.parametrize("text", ['"', "\\", 'a"]\nserver = "x', "\x00\x07\x1f\x7f", "é😀\u2028", "'''", "#", ""])
def test_toml_reads_back_as_what_was_written_whatever_it_holds(text: str) -> None:
    value = {text: text, "list": [text, text], "flag": False, "t": {text: {"k": text}, "b": {}}, "a": [{"x": text}, {}]}
    assert tomllib.loads(as_toml(value)) == value


def test_a_policy_with_a_hostile_name_stays_within_its_comment() -> None:
    held = replace(sources("ghcr.io"), policy="x\nserver = 'https://evil.example'\r# ")
    made = node_files(NodeForm.CONTAINERD, held)
    assert set(toml(made, "containerd/certs.d/_default/hosts.toml")) == {"server", "capabilities"}
    assert "\nserver = 'https" not in texts(made)["containerd/certs.d/_default/hosts.toml"]

"""Node files, judged by those who read them on nodes, beside what the engine says of the same references."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portreeve.core.node_files import NodeForm, Width, node_files, parse_mirror
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.pull_failure import Cause, diagnosed
from portreeve.core.reference import Refusal, UnsafeReference, parse, parse_prefix
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.core.verdict import Decision, judge
from portreeve.wire.node_files import as_text
from tests.cases.admission import corpus
from tests.cases.references import references
from tests.tools.nodes import NodeJudge

ELSEWHERE = "a-namespace-without-sources"
EXACT = tuple(source for source in corpus().policy.sources if not source.prefix.wildcard)
IMAGES = [*(known.image for known in corpus().references), *references(30, 1500)]
OPEN = RegistryPolicy(
    "open",
    stage=Stage.DENY,
    sources=tuple(
        AllowedSource(parse_prefix(prefix))
        for prefix in ("docker.io", "ghcr.io/team", "registry.example.com:5000", "localhost:5000/a", "10.0.0.1/a.b")
    ),
)
POLICIES = {"corpus": RegistryPolicy("corpus", stage=Stage.DENY, sources=EXACT), "open": OPEN}


def written(form: NodeForm, sources: ResolvedSources, folder: Path, *mirrors: str) -> Path:
    for file in node_files(form, sources, mirrors=[parse_mirror(text) for text in mirrors]).files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(file))
    return folder


def spelled_in_lower_case(image: str) -> bool:
    """Whether the host is written as we compare it: these readers compare it as it is written."""
    return image.partition("/")[0] == image.partition("/")[0].lower()


def refused_as(image: str) -> Refusal | None:
    try:
        parse(image)
    except UnsafeReference as error:
        return error.reason
    return None


@pytest.fixture(params=POLICIES)
def sources(request: pytest.FixtureRequest) -> ResolvedSources:
    return resolve(POLICIES[request.param])


def namespaces(sources: ResolvedSources) -> Iterator[tuple[str, str]]:
    yield ELSEWHERE, "containers/policy.json"
    for name in sources.by_namespace:
        yield name, f"crio/policies/{name}.json"


@pytest.mark.wide
def test_the_policy_of_cri_o_accepts_exactly_what_the_engine_allows(
    sources: ResolvedSources, node_judge: NodeJudge, tmp_path: Path
) -> None:
    folder = written(NodeForm.CRIO, sources, tmp_path)
    assert node_files(NodeForm.CRIO, sources).gaps == ()
    accepted = 0
    for namespace, path in namespaces(sources):
        for image, answer in zip(IMAGES, node_judge.ask("policy", folder / path, IMAGES), strict=True):
            allowed = judge(image, namespace, sources).decision is Decision.ALLOW
            if answer.allowed == allowed:
                accepted += allowed
            elif allowed:  # Two spellings of one host: narrower, and said in docs/howto/nodes.md.
                assert not spelled_in_lower_case(image), image
            else:  # The library reads an image id as a name on Docker Hub; both readers take that name for allowed.
                assert refused_as(image) is Refusal.IMAGE_ID, image
    assert accepted > 100


@pytest.mark.wide
def test_containerd_asks_no_host_without_a_source_and_each_that_has_one(
    sources: ResolvedSources, node_judge: NodeJudge, tmp_path: Path
) -> None:
    folder = written(NodeForm.CONTAINERD, sources, tmp_path) / "containerd/certs.d"
    held = [*sources.everywhere.values(), *(s for each in sources.by_namespace.values() for s in each.values())]
    hosts = {source.prefix.host for source in held}
    served = {"registry-1.docker.io" if host == "docker.io" else host for host in hosts}
    asked = set()
    for image, answer in zip(IMAGES, node_judge.ask("hosts", folder, IMAGES), strict=True):
        # A name that is read as having no host at all ("a__b.c/x") leads to an address without one: nobody is asked.
        asked |= {host for address in answer.hosts if (host := urlsplit(address).netloc)}
        if judge(image, ELSEWHERE, sources).decision is Decision.ALLOW and spelled_in_lower_case(image):
            assert answer.allowed, image
        if answer.allowed and refused_as(image) is None:
            assert parse(image).host in hosts, image
    assert asked <= served
    assert len(asked) > 3


@pytest.mark.wide
def test_registries_conf_blocks_the_other_paths_of_hosts_with_sources(
    sources: ResolvedSources, node_judge: NodeJudge, tmp_path: Path
) -> None:
    path = written(NodeForm.PODMAN, sources, tmp_path) / "containers/registries.conf"
    hosts = {source.prefix.host for source in sources.everywhere.values()} | {"docker.io"}
    blocked = 0
    for image, answer in zip(IMAGES, node_judge.ask("registries", path, IMAGES), strict=True):
        if answer.error or not spelled_in_lower_case(image) or refused_as(image) is not None:
            continue
        reference = parse(image)
        allowed = judge(image, ELSEWHERE, sources).decision is Decision.ALLOW
        if allowed or reference.host in hosts:  # Others are refused by policy.json, whatever stands here.
            assert answer.allowed == allowed, image
        blocked += not answer.allowed
    assert blocked > 20


def test_a_wildcard_is_wider_there_as_the_gap_says(node_judge: NodeJudge, tmp_path: Path) -> None:
    held = resolve(
        RegistryPolicy("wild", stage=Stage.DENY, sources=(AllowedSource(parse_prefix("*.azurecr.io/base")),))
    )
    assert Width.WIDER in {gap.width for gap in node_files(NodeForm.PODMAN, held).gaps}
    path = written(NodeForm.PODMAN, held, tmp_path) / "containers/policy.json"
    images = ["a.azurecr.io/base/x", "a.azurecr.io/other/x", "a.b.azurecr.io/base/x", "azurecr.io/base/x", "evil.io/x"]
    assert [answer.allowed for answer in node_judge.ask("policy", path, images)] == [True, True, True, False, False]


def test_a_host_is_not_blocked_because_the_same_host_is_with_another_port(
    node_judge: NodeJudge, tmp_path: Path
) -> None:
    """A prefix of registries.conf without a port covers every port of the host."""
    allowed = ("registry.corp/team", "registry.corp:5000", "registry.corp:5001/x")
    held = resolve(
        RegistryPolicy("m", stage=Stage.DENY, sources=tuple(AllowedSource(parse_prefix(text)) for text in allowed))
    )
    conf = written(NodeForm.PODMAN, held, tmp_path) / "containers/registries.conf"
    images = ["registry.corp/team/a", "registry.corp:5000/a", "registry.corp:5001/x/a", "registry.corp/a"]
    assert [answer.allowed for answer in node_judge.ask("registries", conf, images)] == [True, True, True, False]


def test_a_mirror_is_asked_first_and_the_upstream_only_where_the_policy_names_it(
    node_judge: NodeJudge, tmp_path: Path
) -> None:
    allowed = ("harbor.corp", "docker.io/library")
    held = resolve(
        RegistryPolicy("m", stage=Stage.DENY, sources=tuple(AllowedSource(parse_prefix(text)) for text in allowed))
    )
    mirrors = ("docker.io=harbor.corp/hub", "registry.k8s.io=harbor.corp/k8s")
    images = ["nginx:1", "registry.k8s.io/pause:3.10", "quay.io/x:1"]
    certs = written(NodeForm.CONTAINERD, held, tmp_path, *mirrors) / "containerd/certs.d"
    assert [answer.hosts for answer in node_judge.ask("hosts", certs, images)] == [
        ("https://harbor.corp/v2/hub", "https://registry-1.docker.io/v2"),
        ("https://harbor.corp/v2/k8s",),
        (),
    ]
    (refused,) = node_judge.ask("hosts", certs, images[2:])
    assert diagnosed(f'Failed to pull image "quay.io/x:1": {refused.error}').cause is Cause.NODE_REFUSED
    conf = written(NodeForm.CRIO, held, tmp_path, *mirrors) / "containers/registries.conf"
    assert [answer.hosts for answer in node_judge.ask("registries", conf, images[:2])] == [
        ("harbor.corp/hub/library/nginx:1", "docker.io/library/nginx:1"),
        ("harbor.corp/k8s/pause:3.10",),
    ]

"""`portreeve suggest`: the narrowest policy that is safe to start from, and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from portreeve.cli.starter import as_yaml, coverage
from portreeve.core.manifests import ImageUse, Place
from portreeve.core.policy import is_public, lint
from portreeve.core.starter import Starter, suggest
from portreeve.wire.document import Document
from portreeve.wire.documents import read_documents
from portreeve.wire.yaml import read_documents as read_yaml
from tests.cli.program import Program


def use(image: str, namespace: str = "default") -> ImageUse:
    return ImageUse(image, Place.CONTAINERS, "f.yaml", 1, "Pod", namespace, "p", "c")


def sources(*images: str) -> list[str]:
    return [str(source.prefix) for source in suggest([use(image) for image in images]).sources]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["harbor.example.com/shop/api"], ["harbor.example.com/shop/api"]),
        (["harbor.example.com/shop/api:1", "harbor.example.com/shop/api:2"], ["harbor.example.com/shop/api"]),
        (["harbor.example.com/shop/api", "harbor.example.com/shop/web"], ["harbor.example.com/shop"]),
        (["gitlab.example.com/g/p/a/x", "gitlab.example.com/g/p/a/y"], ["gitlab.example.com/g/p/a"]),
        (["gitlab.example.com/g/p/a", "gitlab.example.com/g/p/a/y"], ["gitlab.example.com/g/p/a"]),
        (["registry.example.com/api", "registry.example.com/web"],
         ["registry.example.com/api", "registry.example.com/web"]),
        (["ghcr.io/acme/a", "ghcr.io/acme/b", "ghcr.io/other/c"], ["ghcr.io/acme", "ghcr.io/other/c"]),
        (["registry.k8s.io/pause", "registry.k8s.io/etcd"], ["registry.k8s.io/etcd", "registry.k8s.io/pause"]),
        (["nginx", "redis", "public.ecr.aws/docker/library/redis"], []),
        (["localhost/x", "localhost:5000/y", "127.0.0.1:5000/z"], []),
        (["deadbeef", "ko://x/y"], []),
        (["r.example.com/" + "/".join("abcdefghi")], ["r.example.com/a/b/c/d/e/f/g"]),
    ],
)  # fmt: skip
def test_the_narrowest_common_path_of_an_owner(images: list[str], expected: list[str]) -> None:
    assert sources(*images) == expected


def test_no_public_host_and_no_public_content_is_ever_suggested() -> None:
    images = [f"{host}/{path}" for host in ("docker.io", "ghcr.io", "quay.io", "public.ecr.aws", "gcr.io")
              for path in ("a", "b", "library/c", "library/d", "docker/library/e", "docker/f", "docker/g")]  # fmt: skip
    found = suggest([use(image) for image in images])
    assert not [str(source.prefix) for source in found.sources if is_public(source.prefix) or not source.prefix.path]


def test_public_content_is_listed_with_a_mirror_on_the_own_host() -> None:
    found = suggest([use("nginx"), use("nginx:1"), use("harbor.example.com/a/b")])
    assert [(one.repository, one.uses, one.mirror) for one in found.to_mirror] == [
        ("docker.io/library/nginx", 2, "harbor.example.com/mirror/docker.io/library/nginx")
    ]
    assert (
        suggest([use("nginx")], "m.example.com/hub").to_mirror[0].mirror == "m.example.com/hub/docker.io/library/nginx"
    )


def test_system_images_become_exact_and_scoped() -> None:
    found = suggest(
        [use("nginx", "kube-system"), use("quay.io/cni/a", "kube-system"), use("quay.io/cni/b", "kube-system")]
    )
    assert [(str(one.prefix), one.namespaces, one.note) for one in found.sources] == [
        ("docker.io/library/nginx", ("kube-system",), "system image, to mirror"),
        ("quay.io/cni/a", ("kube-system",), "system image, to mirror"),
        ("quay.io/cni/b", ("kube-system",), "system image, to mirror"),
    ]
    assert found.to_mirror == ()
    assert found.covered == 3


CASES = [
    [],
    ["nginx"],
    ["ghcr.io/acme/a", "ghcr.io/acme/b", "nginx", "deadbeef", "localhost/x", "harbor.example.com:8443/t/a"],
    ["evil\u001b[2J\n- prefix: docker.io"],
]


@pytest.mark.parametrize("images", CASES)
@pytest.mark.parametrize("stage", ["off", "audit", "warn", "deny"])
def test_the_text_is_a_policy_that_says_the_same(images: Sequence[str], stage: str) -> None:
    uses = [use(image, namespace) for image in images for namespace in ("default", "kube-system")]
    found = suggest(uses)
    text = as_yaml(found, "starter", stage)
    mappings = [(item.value, "s.yaml", item.line) for item in read_yaml(text.encode()) if isinstance(item, Document)]
    (policy,) = read_documents(mappings).policies  # type: ignore[arg-type] # a value that is no mapping would fail
    assert (policy.name, policy.stage) == ("starter", stage)
    assert [(one.prefix, one.namespaces, one.note) for one in policy.sources] == [
        (one.prefix, one.namespaces, one.note) for one in found.sources
    ]
    staged_off = stage == "off" and policy.sources
    assert [warning.code for warning in lint(policy)] == (["stage_off"] if staged_off else [])
    assert as_yaml(suggest(list(reversed(uses))), "starter", stage) == text
    assert "\x1b" not in text


def test_coverage_is_told_of_nothing_too() -> None:
    assert coverage(suggest([])) == "0 of 0 image uses covered by 0 sources"
    assert coverage(Starter((), (), (), (), 1, 3)) == "1 of 3 image uses (33 %) covered by 0 sources"


def test_what_was_suggested_judges_the_same_files(program: Program) -> None:
    done = program.run("suggest", "app.yaml")
    assert done.code == 0
    assert done.err == "1 of 3 image uses (33 %) covered by 1 source; to mirror: 1\n"
    program.write("suggested.yaml", done.out)
    judged = program.run("check", "app.yaml", "-p", "suggested.yaml", "-o", "json")
    assert judged.code == 0, "the stage is audit"
    assert judged.json["summary"] == {"allowed": 1, "denied": 2, "unknown": 0, "notEvaluated": 0}

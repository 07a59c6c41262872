"""What we say that a cluster answers is what its own expression makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portreeve.core.expressions import refusal
from portreeve.core.policy import PolicyType, RegistryPolicy, Stage
from portreeve.core.render import compile_policy
from portreeve.core.sources import resolve
from portreeve.core.why_link import why_url
from tests.tools.cel import CelChecker

IMAGES = [
    "nginx",
    "docker.io/library/nginx:1.25@sha256:" + "a" * 64,
    "registry.example.com:5000/team/app:1",
    "bad image; rm -rf ~",
    "$(touch /tmp/x)",
    "naïve",
    "a" * 250,
    "a" * 251,
    "",
]


@pytest.mark.wide
@pytest.mark.parametrize("why_url", ["", why_url("https://portreeve.example.com/here", "A" * 24)])
@pytest.mark.parametrize("image", IMAGES)
def test_the_text_is_that_of_the_compiled_policy(cel_checker: CelChecker, image: str, why_url: str) -> None:
    restricting = RegistryPolicy("prod-sources", stage=Stage.DENY, groups=("production",), type=PolicyType.KUBERNETES)
    sources = replace(resolve(restricting), why_url=why_url)
    policy = next(one for one in compile_policy(sources) if one["kind"] == "ValidatingAdmissionPolicy")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    with cel_checker.evaluator(policy) as evaluator:
        assert evaluator.review(pod, namespace="shop").message == refusal(image, "shop", sources)

"""Sources read back out of a compiled policy: the same verdicts, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portreeve.core.compiled import Compiled, sources_of
from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import compile_policy
from portreeve.core.sources import resolve
from portreeve.core.verdict import judge, lapsed

ENDS = datetime(2026, 11, 28, 12, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
POLICY = RegistryPolicy(
    "prod-sources",
    stage=Stage.DENY,
    generation=7,
    sources=(
        AllowedSource(parse_prefix("ghcr.io/acme")),
        AllowedSource(parse_prefix("*.azurecr.io")),
        AllowedSource(parse_prefix("registry.example.com:5000/team_a/x-y.z"), ("shop", "jobs")),
        *(AllowedSource(parse_prefix(f"quay.io/{'long' * 20}/n{number}")) for number in range(2000)),
    ),
)
EXEMPTIONS = (
    Exemption("a", "prod-sources", ENDS, parse_prefix("docker.io/library/redis"), state=ExemptionState.ACTIVE),
    Exemption("b", "prod-sources", ENDS, digest=DIGEST, namespaces=("shop",), state=ExemptionState.ACTIVE),
)
SOURCES = resolve(POLICY, exemptions=EXEMPTIONS)
IMAGES = ("ghcr.io/acme/a", "ghcr.io/acmeb/a", "x.azurecr.io/a", "registry.example.com:5000/team_a/x-y.z/w", "redis",
          f"nginx@{DIGEST}", f"quay.io/{'long' * 20}/n1999/a", "registry.k8s.io/pause", "UPPER/case")  # fmt: skip


def compiled(policy: RegistryPolicy = POLICY) -> Compiled:
    (rendered, *_) = compile_policy(resolve(policy, exemptions=EXEMPTIONS))
    variables = {one["name"]: one["expression"] for one in rendered["spec"]["variables"]}
    return Compiled(policy.name, policy.generation, policy.stage, variables)


@pytest.mark.parametrize("now", [ENDS.replace(hour=11), ENDS], ids=["before", "at the end"])
@pytest.mark.parametrize("namespace", ["shop", "other", "kube-system"])
def test_verdicts_are_those_of_the_documents(namespace: str, now: datetime) -> None:
    read = sources_of(compiled())
    assert read is not None
    assert (read.policy, read.generation, read.stage) == ("prod-sources", 7, Stage.DENY)
    for image in IMAGES:
        there, here = (judge(image, namespace, sources, now=now) for sources in (SOURCES, read))
        assert (there.decision, there.canonical, there.reasons[0].code) == (
            here.decision, here.canonical, here.reasons[0].code,
        )  # fmt: skip
        assert len(lapsed(image, namespace, read.exemptions, now)) == len(lapsed(image, namespace, EXEMPTIONS, now))


def test_an_exemption_has_lapsed_from_its_end_on_and_only_if_it_was_in_force() -> None:
    assert [one.name for one in lapsed("redis", "shop", EXEMPTIONS, ENDS)] == ["a"]
    assert [one.name for one in lapsed(f"x@{DIGEST}", "shop", EXEMPTIONS, ENDS)] == ["b"]
    assert lapsed(f"x@{DIGEST}", "other", EXEMPTIONS, ENDS) == ()
    for state in (ExemptionState.REQUESTED, ExemptionState.DENIED, ExemptionState.REVOKED):
        assert lapsed("redis", "shop", [replace(EXEMPTIONS[0], state=state)], ENDS) == ()
    assert lapsed("redis", "shop", [replace(EXEMPTIONS[0], state=ExemptionState.EXPIRED)], ENDS) != ()
    assert lapsed("UPPER/case", "shop", EXEMPTIONS, ENDS) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"everywhere0": "{'ghcr.io/acme/':false}"},
        {"everywhere0": "{'ghcr.io/acme/':true,}"},
        {"everywhere0": "{'ghcr.io/acme/':true} "},
        {"everywhere0": "{'not a prefix':true}"},
        {"scoped0": "{'ghcr.io/acme/':true}"},
        {"exempt0": "{' docker.io/library/redis/':'2026-13-28T12:00:00Z'}"},
        {"refused": None},
    ],
)
def test_another_spelling_is_not_guessed_at(change: dict[str, Any]) -> None:
    held = compiled()
    variables = {name: text for name, text in {**held.variables, **change}.items() if text is not None}
    assert sources_of(replace(held, variables=variables)) is None

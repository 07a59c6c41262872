"""Policies to start from, by what an environment is for: the tier decides stage and what may be public.

Each is a `RegistryPolicy` that a person completes; none approves a public host in staging or production (rule 11), and
all leave room for what a cluster and our agent need, which is part of every policy (rule 10).
Source: requirements A-03 and A-13; the maturity levels of the design.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from portreeve.core.manifests import ImageUse, Place
from portreeve.core.policy import AllowedSource, Registry, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix, parse_prefix
from portreeve.core.starter import Starter, suggest


class Template(StrEnum):
    """The templates, by name."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    AIR_GAPPED = "air-gapped"
    FROM_INVENTORY = "from-inventory"


@dataclass(frozen=True, slots=True)
class Description:
    """What a template is for, in a sentence, and the stage that it begins with."""

    text: str
    stage: Stage


DESCRIPTIONS: Final = {
    Template.PRODUCTION: Description("Granted registries alone; everything else is refused.", Stage.DENY),
    Template.STAGING: Description("Granted registries alone; everything else is warned of.", Stage.WARN),
    Template.DEVELOPMENT: Description("Granted registries and public official images; reported only.", Stage.AUDIT),
    Template.AIR_GAPPED: Description("One internal registry and nothing else; all else is refused.", Stage.DENY),
    Template.FROM_INVENTORY: Description("What runs now, by its owners; reported until you tighten it.", Stage.AUDIT),
}

PUBLIC_IN_DEVELOPMENT: Final = ("docker.io/library", "ghcr.io", "quay.io", "mcr.microsoft.com", "public.ecr.aws")


def template(
    which: Template,
    name: str,
    groups: Iterable[str],
    *,
    registries: Iterable[Registry] = (),
    uses: Iterable[ImageUse] = (),
    internal: str = "",
) -> tuple[RegistryPolicy, Starter | None]:
    """The policy, and what the inventory suggested besides (images to mirror), for the template that reads it.

    `registries` are those that may be used; of an air gap `internal` names the one that counts, or the only one does.
    """
    policy = RegistryPolicy(name, groups=tuple(groups), stage=DESCRIPTIONS[which].stage)
    if which is Template.DEVELOPMENT:
        return replace(policy, sources=_sources(map(parse_prefix, PUBLIC_IN_DEVELOPMENT), "public content")), None
    if which is Template.AIR_GAPPED:
        held = [one for one in registries if one.name == internal or not internal]
        chosen = [held[0].prefix] if len(held) == 1 else []
        sources = _sources(chosen, "the internal registry")
        return replace(policy, include_granted_registries=False, sources=sources), None
    if which is Template.FROM_INVENTORY:
        found = suggest(tuple(uses))
        placed = (replace(one, field=f"spec.restrict.allowedSources[{n}]") for n, one in enumerate(found.sources))
        return replace(policy, sources=tuple(placed)), found
    return policy, None


def use_of(image: str, namespace: str) -> ImageUse:
    """An image that runs, as a use that the starter policy can count."""
    return ImageUse(image, Place.CONTAINERS, "", 0, "Pod", namespace, "", "")


def _sources(prefixes: Iterable[SourcePrefix], note: str) -> tuple[AllowedSource, ...]:
    return tuple(
        AllowedSource(prefix, None, note, f"spec.restrict.allowedSources[{number}]")
        for number, prefix in enumerate(prefixes)
    )

"""Rules that hang on the tier of an environment: public sources (11) and credentials without expiry (13).

Each function returns problems and decides nothing else; `portreeve.core.plan` refuses or flags with them.
Left out: thresholds of gates (rule 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from portreeve.core.cluster import Tier
from portreeve.core.environments import Environment
from portreeve.core.estate import CredentialFacts
from portreeve.core.policy import AllowedSource, Exemption, RegistryPolicy, lint
from portreeve.errors import Problem

NO_PUBLIC_SOURCES: Final = frozenset({Tier.STAGING, Tier.PRODUCTION})
"""Tiers in which a public source is refused and not only named (rule 11)."""


def public_sources(
    policy: RegistryPolicy, environment: Environment, exemptions: Iterable[Exemption], now: datetime
) -> list[Problem]:
    """Public sources of the policy that are refused in this environment; in development `lint` names them.

    An exemption lets one pass if it is in force at `now`, is of this policy and of the environment's group, is for
    every namespace in which the source counts, and its prefix covers the source's.
    """
    if environment.tier not in NO_PUBLIC_SOURCES:
        return []
    in_force = [
        one
        for one in exemptions
        if one.in_force
        and one.policy == policy.name
        and now < one.expires_at
        and (not one.groups or environment.group in one.groups)
    ]
    return [
        problem
        for source in policy.sources
        for problem in lint(replace(policy, sources=(source,)), environment.tier)
        if problem.code == "public_source" and not any(_lets_pass(one, source) for one in in_force)
    ]


def _lets_pass(exemption: Exemption, source: AllowedSource) -> bool:
    covers = exemption.prefix is not None and source.prefix.key.startswith(exemption.prefix.key)
    named = source.namespaces is not None and set(source.namespaces) <= set(exemption.namespaces)
    return covers and (not exemption.namespaces or named)


def refused_credentials(environment: Environment, granted: Iterable[tuple[str, CredentialFacts]]) -> list[Problem]:
    """Credentials that never expire though their provider could make them: refused in production (rule 13).

    `granted` are registries with the facts of their credential; a registry that is granted twice is named once.
    """
    if environment.tier is not Tier.PRODUCTION:
        return []
    return list(_unending(environment, granted, "credential_without_expiry", supported=True))


def flagged_credentials(environment: Environment, granted: Iterable[tuple[str, CredentialFacts]]) -> list[Problem]:
    """Credentials that never expire and are not refused: outside production, or the provider knows no expiry."""
    granted = list(granted)
    found = list(_unending(environment, granted, "credential_never_expires", supported=False))
    if environment.tier is not Tier.PRODUCTION:
        found += _unending(environment, granted, "credential_never_expires", supported=True)
    return sorted(found, key=lambda problem: problem.field)


def _unending(
    environment: Environment, granted: Iterable[tuple[str, CredentialFacts]], code: str, *, supported: bool
) -> Iterator[Problem]:
    for registry, facts in sorted(dict(granted).items()):
        if facts.expires_at is None and facts.provider_supports_expiry is supported:
            yield Problem(
                code,
                f"the credential of {registry} never expires and is granted to {environment.name} ({environment.tier})",
                f"Registry/{registry} spec.credentials",
                "issue one with an expiry" if supported else "its provider knows no expiry: rotate it by hand",
            )

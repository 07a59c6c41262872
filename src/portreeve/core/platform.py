"""What holds for the whole control plane and is decided by its administrators: one document, `Settings/platform`.

Source: the design's mission, "Settled questions" (selectors) and rule 11 (Docker Hub without signing in).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from portreeve.core.cluster import LabelSelector, Tier
from portreeve.core.policy import RegistryAccess, RegistryPolicy
from portreeve.errors import Problem

NAME: Final = "platform"
"""The name of the one document."""

ALWAYS_SAFE: Final = frozenset({"kubernetes.io/metadata.name"})
"""Labels that the API server sets itself, so that nobody can move a namespace by them."""


@dataclass(frozen=True, slots=True)
class PlatformSettings:
    """The settings. `selector_labels` are the label keys that selectors on namespaces may use.

    Whoever may label a namespace moves it into a selector's reach, so a key counts only once an administrator has
    listed it, and a protecting policy keeps it from being changed by others.
    """

    name: str = NAME
    selector_labels: tuple[str, ...] = ()
    hide_anonymous_docker_hub: bool = False


def settings_problems(settings: PlatformSettings) -> Iterator[Problem]:
    """What makes the document unusable."""
    if settings.name != NAME:
        yield Problem("settings_name", f"is not {NAME}", "metadata.name", f"there is one: Settings/{NAME}")


def anonymous_docker_hub_shown(settings: PlatformSettings, tier: Tier) -> bool:
    """Whether Docker Hub without signing in may be chosen: never in staging and production."""
    return tier is Tier.DEVELOPMENT and not settings.hide_anonymous_docker_hub


def selector_problems(value: object, settings: PlatformSettings) -> Iterator[Problem]:
    """Selectors of an access or a policy that use labels which no administrator has listed."""
    match value:
        case RegistryAccess():
            yield from _unlisted(value.namespaces.selector, "spec.namespaces.selector", settings.selector_labels)
        case RegistryPolicy():
            for number, access in enumerate(value.access):
                path = f"spec.access[{number}].namespaces.selector"
                yield from _unlisted(access.namespaces.selector, path, settings.selector_labels)


def named(problems: Iterable[Problem], key: object) -> Iterator[Problem]:
    """Problems with their document in front of the field."""
    return (replace(problem, field=f"{key} {problem.field}") for problem in problems)


def _unlisted(selector: LabelSelector | None, path: str, listed: tuple[str, ...]) -> Iterator[Problem]:
    if selector is None:
        return
    used = {key for key, _ in selector.match_labels} | {line.key for line in selector.match_expressions}
    for key in sorted(used - ALWAYS_SAFE - set(listed)):
        yield Problem(
            "selector_label",
            f"selects by the label {key}, which no administrator has listed",
            path,
            "list it in Settings/platform spec.selectorLabels, or name the namespaces",
        )

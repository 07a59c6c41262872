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
    for path, selector in _selectors(value):
        for key in sorted(_used(selector) - ALWAYS_SAFE - set(settings.selector_labels)):
            yield Problem(
                "selector_label",
                f"selects by the label {key}, which no administrator has listed",
                path,
                "list it in Settings/platform spec.selectorLabels, or name the namespaces",
            )


def labels_taken_out(before: PlatformSettings, after: PlatformSettings) -> frozenset[str]:
    """The label keys that selectors may not use any more."""
    return frozenset(before.selector_labels) - set(after.selector_labels) - ALWAYS_SAFE


def in_use_problems(value: object, taken_out: frozenset[str]) -> Iterator[Problem]:
    """Selectors of an access or a policy that is stored, by labels which would not be listed any more.

    They would go on selecting: from then on by a label that nobody keeps from being changed.
    """
    for path, selector in _selectors(value):
        for key in sorted(_used(selector) & taken_out):
            yield Problem(
                "label_in_use",
                f"selects by the label {key}, which would not be listed any more",
                path,
                "name the namespaces there first, or keep the key in Settings/platform spec.selectorLabels",
            )


def named(problems: Iterable[Problem], key: object) -> Iterator[Problem]:
    """Problems with their document in front of the field."""
    return (replace(problem, field=f"{key} {problem.field}") for problem in problems)


def _selectors(value: object) -> Iterator[tuple[str, LabelSelector]]:
    """Path → selector on namespaces, of what has any."""
    match value:
        case RegistryAccess():
            held = [("spec.namespaces.selector", value.namespaces.selector)]
        case RegistryPolicy():
            held = [
                (f"spec.access[{number}].namespaces.selector", access.namespaces.selector)
                for number, access in enumerate(value.access)
            ]
        case _:
            held = []
    return ((path, selector) for path, selector in held if selector is not None)


def _used(selector: LabelSelector) -> set[str]:
    return {key for key, _ in selector.match_labels} | {line.key for line in selector.match_expressions}

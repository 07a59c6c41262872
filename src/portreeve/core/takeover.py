"""A policy that is given a group which another policy covers takes it over, and does nothing else.

Settled: without `replace` that is a conflict that names the other policy (409); with it the group leaves the other
policy. The preview shows the estate after the take-over either way, so that a person sees what replacing would do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from portreeve.core.estate import Estate, Key
from portreeve.core.policy import RegistryPolicy
from portreeve.errors import Problem


@dataclass(frozen=True, slots=True, order=True)
class Takeover:
    """A group that moves from one policy to another. `emptied` says that the old one covers nothing any more."""

    group: str
    taken_from: str
    taken_by: str
    emptied: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """An estate in which no group is covered twice, but for claims that nobody can settle.

    `conflicts` are those that replacing does not settle: two policies that both claim the group anew.
    """

    estate: Estate
    takeovers: tuple[Takeover, ...]
    conflicts: tuple[Problem, ...]


def settle(before: Estate, after: Estate) -> Settled:
    """Take every group that a policy newly claims out of the policy that covers it."""
    moved: dict[str, set[str]] = {}
    pairs: list[tuple[str, str, str]] = []
    conflicts: list[Problem] = []
    for (group, _), policies in after.policies_by_group.items():
        claiming = [policy for policy in policies if not _covered(before, policy, group)]
        if len(claiming) > 1:
            conflicts.append(_unsettled(group, policies))
        elif len(claiming) == 1:
            for policy in policies:
                if policy is not claiming[0]:
                    moved.setdefault(policy.name, set()).add(group)
    policies = tuple(_without(policy, moved.get(policy.name, set())) for policy in after.policies)
    settled = replace(after, policies=policies) if moved else after
    for (group, type_), held in sorted(before.policies_by_group.items()):
        new = settled.policies_by_group.get((group, type_), ())
        if len(held) == 1 and len(new) == 1 and held[0].name != new[0].name:
            pairs.append((group, held[0].name, new[0].name))
    return Settled(settled, tuple(_takeover(settled, *pair) for pair in pairs), tuple(conflicts))


def replace_problems(after: Estate, takeovers: tuple[Takeover, ...]) -> list[Problem]:
    """The conflicts that `replace` would settle: groups that the proposal leaves in both policies."""
    return [
        Problem(
            "group_covered",
            f"group {one.group} is covered by policy {one.taken_from} already",
            f"RegistryPolicy/{one.taken_by} spec.groups",
            "choose to replace it there, or leave the group out",
        )
        for one in takeovers
        if one.group in _groups(after, one.taken_from)
    ]


def _groups(estate: Estate, name: str) -> tuple[str, ...]:
    policy = estate.by_key.get(Key("RegistryPolicy", name))
    return policy.groups if policy is not None else ()


def _covered(before: Estate, policy: RegistryPolicy, group: str) -> bool:
    return group in _groups(before, policy.name)


def _without(policy: RegistryPolicy, groups: set[str]) -> RegistryPolicy:
    if not groups:
        return policy
    return replace(policy, groups=tuple(group for group in policy.groups if group not in groups))


def _takeover(settled: Estate, group: str, old: str, new: str) -> Takeover:
    return Takeover(group, old, new, emptied=not _groups(settled, old))


def _unsettled(group: str, policies: tuple[RegistryPolicy, ...]) -> Problem:
    names = " and ".join(policy.name for policy in policies)
    return Problem(
        "group_covered",
        f"policies {names} both claim group {group}",
        f"RegistryPolicy/{policies[-1].name} spec.groups",
        "take it out of all but one",
    )

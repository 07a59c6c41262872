"""Whether a change of the estate can reach an environment, told without deriving what it should hold.

Most changes reach few environments: a team, a title, one access. Deriving two desired states of 200 clusters to find
them equal would cost a second. What a desired state is made from is compared by identity: estates that follow one
another share every document that was not written. A false yes costs time and nothing else; a no is exact, which
tests/core/test_plan.py holds as a law.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Estate


@dataclass(frozen=True)
class Reached:
    """Two estates, and what of them is the same."""

    before: Estate
    after: Estate

    def environment(self, old: Environment, new: Environment) -> bool:
        """Whether the desired state of the environment may differ. Both are of one name."""
        before, after = self.before, self.after
        return not (
            self._shared
            and old is new
            and before.policy_of(old) is after.policy_of(new)
            and before.capabilities.get(old.name) is after.capabilities.get(old.name)
            and (old.type is EnvironmentType.KUBERNETES or self._people)
            and _same(before.accesses_by_environment.get(old.name, ()), after.accesses_by_environment.get(old.name, ()))
        )

    @cached_property
    def _shared(self) -> bool:
        """Whether what every environment is made from is the same."""
        before, after = self.before, self.after
        return (
            _same(before.registries, after.registries)
            and _same(before.exemptions, after.exemptions)
            and _same(before.projects, after.projects)
            and (before.credentials is after.credentials or before.credentials == after.credentials)
        )

    @cached_property
    def _people(self) -> bool:
        """Whether those that a Docker host's accesses may name are the same."""
        return _same(self.before.teams, self.after.teams) and _same(self.before.bindings, self.after.bindings)


def _same(one: Iterable[object], other: Iterable[object]) -> bool:
    return all(a is b for a, b in zip_longest(one, other, fillvalue=_MISSING))


_MISSING = object()

"""People and what they belong to, as documents say it: teams, projects, role bindings.

What a role may do is not said here but in `portreeve.core.authorization`; the shapes are on docs/spec/team.md,
project.md and role-binding.md. Left out: how people prove who they are.

Source: the design's mission, section "Roles".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portreeve.core.cluster import indexed, label_problems
from portreeve.errors import Problem


class Role(StrEnum):
    """The six roles. There are no others, and none can be defined."""

    PLATFORM_ADMIN = "platform-admin"
    ENVIRONMENT_ADMIN = "environment-admin"
    PROJECT_ADMIN = "project-admin"
    OPERATOR = "operator"
    DEVELOPER = "developer"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Subjects:
    """Teams and users by name. Empty means nobody, never everybody."""

    teams: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @property
    def nobody(self) -> bool:
        """Whether neither a team nor a user is named."""
        return not self.teams and not self.users

    def name(self, user: str, teams: Collection[str]) -> bool:
        """Whether they name this user, or one of these teams."""
        return user in self.users or any(team in teams for team in self.teams)


NOBODY: Final = Subjects()


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in here. A disabled one cannot, and keeps what names them."""

    name: str
    title: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Team:
    """Users by name, and groups of the identity provider whose bearers belong to it, too."""

    name: str
    title: str = ""
    members: tuple[str, ...] = ()
    oidc_groups: tuple[str, ...] = ()

    def has(self, user: str, oidc_groups: Collection[str]) -> bool:
        """Whether the user belongs to it, by name or by a group that the identity provider vouched for."""
        return user in self.members or any(group in oidc_groups for group in self.oidc_groups)


@dataclass(frozen=True, slots=True)
class ProjectNamespaces:
    """Namespaces of one environment that belong to a project."""

    environment: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """A named set of namespaces with its own admins; the only source of the role project-admin."""

    name: str
    admins: Subjects = NOBODY
    namespaces: tuple[ProjectNamespaces, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class BindingScope:
    """Where a role counts: the environments and those of the groups; both empty means everywhere.

    `namespaces` narrows Kubernetes environments to these; empty means whole environments.
    """

    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether nothing narrows it."""
        return not (self.environments or self.groups or self.namespaces)


EVERYWHERE: Final = BindingScope()


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """A role, for whom, and where."""

    name: str
    role: Role
    subjects: Subjects = NOBODY
    scope: BindingScope = EVERYWHERE


def binding_problems(binding: RoleBinding) -> Iterator[Problem]:
    """What makes a role binding unusable, its own name aside, in the order of its fields."""
    if binding.role is Role.PROJECT_ADMIN:
        hint = "name them in spec.admins of the Project"
        yield Problem("role_not_bound", "project-admin is not given by a binding", "spec.role", hint)
    if binding.subjects.nobody:
        yield Problem("subjects_missing", "neither a team nor a user is named", "spec.subjects", "name one")
    yield from label_problems(indexed("spec.subjects.teams", binding.subjects.teams), "a Team")
    if binding.role is Role.PLATFORM_ADMIN and not binding.scope.everywhere:
        hint = "leave the scope out, or bind environment-admin"
        yield Problem("role_scope", "platform-admin counts everywhere", "spec.scope", hint)
    yield from label_problems(indexed("spec.scope.environments", binding.scope.environments), "an Environment")
    yield from label_problems(indexed("spec.scope.groups", binding.scope.groups), "an EnvironmentGroup")
    yield from label_problems(indexed("spec.scope.namespaces", binding.scope.namespaces), "a namespace")


def project_problems(project: Project) -> Iterator[Problem]:
    """What makes a project unusable, its own name aside; whether another one has a namespace, too, is not seen."""
    yield from label_problems(indexed("spec.admins.teams", project.admins.teams), "a Team")
    seen: dict[tuple[str, str], str] = {}
    for index, part in enumerate(project.namespaces):
        path = f"spec.namespaces[{index}]"
        names = indexed(f"{path}.names", part.names)
        yield from label_problems({f"{path}.environment": part.environment}, "an Environment")
        yield from label_problems(names, "a namespace")
        for here, name in names.items():
            first = seen.setdefault((part.environment, name), here)
            if first != here:
                yield Problem("namespace_twice", f"is named already by {first}", here, "remove one")

"""The kinds that say who and where: environments and their groups, projects, accesses, teams and role bindings.

Shapes as in `models`, with `value()` for the core value; what fields mean together is checked in `reading` and core.
Pages: docs/spec/environment.md, environment-group.md, project.md, registry-access.md, team.md, role-binding.md,
user.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from portreeve.core.cluster import Tier
from portreeve.core.environments import Environment, EnvironmentGroup, EnvironmentType
from portreeve.core.people import BindingScope, Project, ProjectNamespaces, Role, RoleBinding, Team, User
from portreeve.core.platform import PlatformSettings
from portreeve.core.policy import RegistryAccess
from portreeve.wire.documents.models import (
    Bool,
    DeliveryModel,
    MetadataModel,
    Model,
    NamespacesModel,
    StatusModel,
    SubjectsModel,
    Text,
)


class TenancyDocument(Model):
    """The envelope; each kind adds `kind` and `spec`."""

    api_version: Literal["portreeve.io/v1"]
    kind: str
    metadata: MetadataModel
    status: StatusModel = StatusModel()

    def value(
        self,
    ) -> EnvironmentGroup | Environment | Project | RegistryAccess | Team | RoleBinding | User | PlatformSettings:
        """The core value."""
        raise AssertionError("each kind of document says what its value is")


class EnvironmentGroupSpecModel(Model):
    """What an EnvironmentGroup says."""

    type: EnvironmentType = EnvironmentType.KUBERNETES
    title: str = ""


class EnvironmentGroupDocument(TenancyDocument):
    """An EnvironmentGroup."""

    kind: Literal["EnvironmentGroup"]
    spec: EnvironmentGroupSpecModel = EnvironmentGroupSpecModel()

    def value(self) -> EnvironmentGroup:
        """The core value."""
        return EnvironmentGroup(self.metadata.name, self.spec.type, self.spec.title)


class EnvironmentSpecModel(Model):
    """What an Environment says. Tier and group have no default: they decide which policy covers it."""

    type: EnvironmentType = EnvironmentType.KUBERNETES
    tier: Tier
    group: Text
    title: str = ""


class EnvironmentDocument(TenancyDocument):
    """An Environment."""

    kind: Literal["Environment"]
    spec: EnvironmentSpecModel

    def value(self) -> Environment:
        """The core value."""
        spec = self.spec
        return Environment(self.metadata.name, spec.tier, spec.group, spec.type, spec.title)


class ProjectNamespacesModel(Model):
    """Namespaces of one environment."""

    environment: Text
    names: Annotated[tuple[Text, ...], Field(min_length=1)]


class ProjectSpecModel(Model):
    """What a Project says."""

    admins: SubjectsModel = SubjectsModel()
    namespaces: tuple[ProjectNamespacesModel, ...] = ()
    title: str = ""


class ProjectDocument(TenancyDocument):
    """A Project."""

    kind: Literal["Project"]
    spec: ProjectSpecModel = ProjectSpecModel()

    def value(self) -> Project:
        """The core value."""
        namespaces = tuple(ProjectNamespaces(part.environment, part.names) for part in self.spec.namespaces)
        return Project(self.metadata.name, self.spec.admins.value(), namespaces, self.spec.title)


class RegistryAccessSpecModel(Model):
    """What a RegistryAccess says."""

    registry: Text
    environment: Text | None = None
    project: Text | None = None
    namespaces: NamespacesModel = NamespacesModel()
    subjects: SubjectsModel = SubjectsModel()
    delivery: DeliveryModel = DeliveryModel()


class RegistryAccessDocument(TenancyDocument):
    """A RegistryAccess."""

    kind: Literal["RegistryAccess"]
    spec: RegistryAccessSpecModel

    def value(self) -> RegistryAccess:
        """The core value."""
        spec = self.spec
        return RegistryAccess(
            name=self.metadata.name,
            registry=spec.registry,
            environment=spec.environment or "",
            project=spec.project or "",
            namespaces=spec.namespaces.value(),
            subjects=spec.subjects.value(),
            delivery=spec.delivery.value(),
        )


class TeamSpecModel(Model):
    """What a Team says."""

    title: str = ""
    members: tuple[Text, ...] = ()
    oidc_groups: tuple[Text, ...] = ()


class TeamDocument(TenancyDocument):
    """A Team."""

    kind: Literal["Team"]
    spec: TeamSpecModel = TeamSpecModel()

    def value(self) -> Team:
        """The core value."""
        spec = self.spec
        return Team(self.metadata.name, spec.title, spec.members, spec.oidc_groups)


class UserSpecModel(Model):
    """What a User says. Passwords and identities are no part of any document."""

    title: str = ""
    disabled: Bool = False


class UserDocument(TenancyDocument):
    """A User."""

    kind: Literal["User"]
    spec: UserSpecModel = UserSpecModel()

    def value(self) -> User:
        """The core value."""
        return User(self.metadata.name, self.spec.title, self.spec.disabled)


class SettingsSpecModel(Model):
    """What the Settings say."""

    selector_labels: tuple[Text, ...] = ()
    hide_anonymous_docker_hub: Bool = False


class SettingsDocument(TenancyDocument):
    """The Settings."""

    kind: Literal["Settings"]
    spec: SettingsSpecModel = SettingsSpecModel()

    def value(self) -> PlatformSettings:
        """The core value."""
        spec = self.spec
        return PlatformSettings(self.metadata.name, spec.selector_labels, spec.hide_anonymous_docker_hub)


class BindingScopeModel(Model):
    """Where a role counts."""

    environments: tuple[Text, ...] = ()
    groups: tuple[Text, ...] = ()
    namespaces: tuple[Text, ...] = ()

    def value(self) -> BindingScope:
        """The core value."""
        return BindingScope(self.environments, self.groups, self.namespaces)


class RoleBindingSpecModel(Model):
    """What a RoleBinding says."""

    role: Role
    subjects: SubjectsModel = SubjectsModel()
    scope: BindingScopeModel = BindingScopeModel()


class RoleBindingDocument(TenancyDocument):
    """A RoleBinding."""

    kind: Literal["RoleBinding"]
    spec: RoleBindingSpecModel

    def value(self) -> RoleBinding:
        """The core value."""
        spec = self.spec
        return RoleBinding(self.metadata.name, spec.role, spec.subjects.value(), spec.scope.value())


TENANCY: Final[Mapping[str, type[BaseModel]]] = {
    "EnvironmentGroup": EnvironmentGroupDocument,
    "Environment": EnvironmentDocument,
    "Project": ProjectDocument,
    "RegistryAccess": RegistryAccessDocument,
    "Team": TeamDocument,
    "RoleBinding": RoleBindingDocument,
    "User": UserDocument,
    "Settings": SettingsDocument,
}
"""Kind → model, in the order in which they name each other."""

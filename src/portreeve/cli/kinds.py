"""The kinds of documents as the command line names and shows them. A test holds them to those of the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import click


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. Columns are title → path in the document; `wide` are those that -o wide adds.

    `plural` stands in URLs, is what `get` takes, and names the folder of an export. A `single` kind has one document.
    """

    name: str
    plural: str
    short: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    wide: tuple[tuple[str, str], ...] = ()
    single: bool = False

    @property
    def path(self) -> str:
        """Of the list, or of the one document."""
        return f"/api/v1/{self.plural}"

    def path_of(self, name: str) -> str:
        """Of the document of this name."""
        return self.path if self.single else f"{self.path}/{quote(name, safe='')}"


_TITLE: Final = ("TITLE", "spec.title")
_AGE: Final = ("AGE", "status.createdAt")

_ALL: Final = (
    Kind(
        "Settings", "settings", (),
        (("SELECTOR-LABELS", "spec.selectorLabels"), ("HIDE-DOCKER-HUB", "spec.hideAnonymousDockerHub"), _AGE),
        single=True,
    ),
    Kind("User", "users", (), (_TITLE, ("DISABLED", "spec.disabled"), _AGE)),
    Kind(
        "EnvironmentGroup", "groups", ("environmentgroup",),
        (("TYPE", "spec.type"), ("ENVIRONMENTS", "status.environments"), ("POLICY", "status.coveredBy"), _AGE),
        (_TITLE,),
    ),
    Kind(
        "Environment", "environments", ("env",),
        (("TYPE", "spec.type"), ("TIER", "spec.tier"), ("GROUP", "spec.group"), ("VERSION", "status.kubernetes"),
         ("POLICY", "status.policy"), ("ENFORCEMENT", "status.enforcement"), _AGE),
        (("PHASE", "status.phase"), ("NAMESPACES", "status.namespaces"), ("IMAGES", "status.images"), _TITLE),
    ),
    Kind("Team", "teams", (), (_TITLE, ("MEMBERS", "spec.members"), _AGE), (("OIDC-GROUPS", "spec.oidcGroups"),)),
    Kind(
        "RoleBinding", "rolebindings", ("binding",),
        (("ROLE", "spec.role"), ("TEAMS", "spec.subjects.teams"), ("USERS", "spec.subjects.users"),
         ("ENVIRONMENTS", "spec.scope.environments"), ("GROUPS", "spec.scope.groups"), _AGE),
        (("NAMESPACES", "spec.scope.namespaces"),),
    ),
    Kind("Project", "projects", (), (_TITLE, ("ADMINS", "spec.admins.teams"), _AGE)),
    Kind(
        "Registry", "registries", ("reg",),
        (("PROVIDER", "spec.provider"), ("HOST", "spec.host"), ("PATH", "spec.path"), ("AUTH", "status.auth"),
         ("READY", "status.ready"), ("EXPIRES", "status.expiresAt"), ("GRANTS", "status.grants"), _AGE),
        (("PROJECT", "spec.project"), _TITLE),
    ),
    Kind(
        "RegistryAccess", "access", ("regacc", "grant", "accesses"),
        (("REGISTRY", "spec.registry"), ("ENVIRONMENT", "spec.environment"), ("PROJECT", "spec.project"),
         ("NAMESPACES", "spec.namespaces.names"), ("MODE", "spec.delivery.mode"), ("MASKED", "status.maskedBy"), _AGE),
        (("SELECTOR", "spec.namespaces.selector"), ("TEAMS", "spec.subjects.teams"), ("USERS", "spec.subjects.users"),
         ("SERVICEACCOUNTS", "spec.delivery.serviceAccounts")),
    ),
    Kind(
        "RegistryPolicy", "policies", ("policy", "regpol"),
        (("TYPE", "spec.type"), ("GROUPS", "spec.groups"), ("STAGE", "spec.restrict.stage"),
         ("SOURCES", "status.sources"), ("ENVIRONMENTS", "status.environments"), _AGE),
        (("ENFORCED-BY", "status.enforcedBy"), ("REVISION", "status.observedGeneration")),
    ),
    Kind(
        "Exemption", "exemptions", ("regex",),
        (("POLICY", "spec.policy"), ("IMAGE", "spec.scope.image"), ("NAMESPACES", "spec.scope.namespaces"),
         ("OWNER", "spec.owner"), ("REQUESTER", "status.requestedBy"), ("APPROVER", "status.decidedBy"),
         ("STATE", "status.state"), ("EXPIRES", "spec.expiresAt")),
        (("REASON", "spec.reason"), ("TICKET", "spec.ticket"), _AGE),
    ),
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
"""Name → kind. What is named stands before what names it: the order of an export, and of what is applied."""

_WORDS: Final[Mapping[str, Kind]] = {
    word: kind for kind in _ALL for word in (kind.name.lower(), kind.plural, kind.plural.rstrip("s"), *kind.short)
}

PLURALS: Final = tuple(sorted(kind.plural for kind in _ALL))


class KindType(click.ParamType[Kind]):
    """A kind as users write it: registries, registry, Registry, reg."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Kind:
        """The kind that is meant; a near miss is named."""
        if isinstance(value, Kind):
            return value
        found = _WORDS.get(str(value).lower())
        if found is None:
            from difflib import get_close_matches

            near = get_close_matches(str(value).lower(), _WORDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"kinds: {', '.join(PLURALS)}"
            self.fail(f"there is no kind {value!r}; {hint}", param, ctx)
        return found

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 -- click's signature
        """How help shows it."""
        return "KIND"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """The plurals."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(plural) for plural in PLURALS if plural.startswith(incomplete)]


KIND: Final = KindType()


def at(document: Any, path: str) -> Any:
    """The value at a path like "spec.groups" of a document, None where there is nothing."""
    for step in path.split("."):
        document = document.get(step) if isinstance(document, Mapping) else None
    return document


def name_of(document: Mapping[str, Any]) -> str:
    """metadata.name of a document."""
    return str(at(document, "metadata.name") or "")


def title(document: Mapping[str, Any]) -> str:
    """Kind/name, as messages call a document."""
    return f"{document.get('kind')}/{name_of(document)}"

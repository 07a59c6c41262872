"""All documents at one revision, in memory: what every read is answered from, and what every change starts at.

Theory of operation. The database is the record; a snapshot is its image at a revision, immutable, and replaced by the
next one. Reading is then the same function on both engines, and sees exactly what `core.authorization` admits, as no
condition is written twice. A replica that is behind reads the changes since its own revision and no more.
Decision record: docs/adr/0013.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from portreeve import providers
from portreeve.core.access_requests import AccessRequest, Refusal
from portreeve.core.authorization import Principal, Resource, Scope
from portreeve.core.blast_radius import Inventory, RunningImage
from portreeve.core.credential import CredentialRef
from portreeve.core.environments import Environment
from portreeve.core.estate import Capabilities, CredentialFacts, Estate, Key
from portreeve.core.platform import NAME, PlatformSettings
from portreeve.core.policy import Registry
from portreeve.core.refresh import Held, Notice, Why
from portreeve.core.reported_secrets import HeldSecret
from portreeve.errors import Invalid
from portreeve.providers.contract import Method
from portreeve.server.documents.placement import parts
from portreeve.server.documents.stored import Stored

_FIELDS = {
    "EnvironmentGroup": "groups",
    "Environment": "environments",
    "Registry": "registries",
    "Project": "projects",
    "Team": "teams",
    "RoleBinding": "bindings",
    "RegistryAccess": "accesses",
    "RegistryPolicy": "policies",
    "Exemption": "exemptions",
}
"""Kind → field of the estate. Users are in none: what a role names need not be known here."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The version before that a rotation still delivers: until everybody has confirmed, at most until `until`.

    `declared` is how it signs in, as the registry's document said when it was the present one: its method and
    parameters. `expires_at` is its own end.
    """

    version: int
    declared: Mapping[str, Any]
    expires_at: datetime | None
    begun_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """What may be told of one credential of a registry."""

    registry: str
    purpose: str
    id: str
    owner: str
    version: int
    expires_at: Any
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """How minting from a credential stands. `held` is the stored token; `why` and `code` are those of the last failure.

    `told` is the highest notice of `core.refresh` since then.
    """

    credential: str
    held: Held | None
    why: Why | None = None
    code: str = ""
    told: Notice = Notice.RECOVERED


@dataclass(frozen=True, slots=True)
class Checked:
    """How the last validation of a registry ended: `reason` is the code of the first stage that failed, "" for none.

    `answered` is whether it was reached at all, whatever it said.
    """

    outcome: str
    reason: str
    at: datetime
    ms: int
    answered: bool = True


@dataclass(frozen=True, slots=True)
class AgentRow:
    """How an environment's agent stands. `seen_at` is not of the snapshot's revision: it comes in steps of seconds."""

    environment: str
    state: str
    cluster: str
    enrolled_at: datetime
    expires_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reported:
    """What an environment said last of itself: conditions in the form of Kubernetes.

    `inventory` is namespace → what the channel calls one, without images; None if no inventory is kept there.
    `requests` are registries that namespaces ask for.
    """

    generation: int
    at: datetime
    conditions: tuple[Mapping[str, Any], ...] = ()
    inventory: Mapping[str, Mapping[str, Any]] | None = None
    pull_secrets: int = 0
    """How many namespaces have a pull secret of ours."""
    phases: Mapping[str, int] = field(default_factory=dict)
    """Phase of a pull secret, as the agent words it → how many namespaces."""
    requests: tuple[AccessRequest, ...] = ()
    secrets: Mapping[str, HeldSecret] = field(default_factory=dict)
    """Namespace → what is in its pull secret, without any login."""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A request for a registry that somebody has decided against."""

    environment: str
    refusal: Refusal
    by: str
    at: datetime


@dataclass(frozen=True)
class Snapshot:
    """Everything at one revision. Mappings are not changed once a snapshot has them."""

    revision: int = 0
    documents: Mapping[Key, Stored] = field(default_factory=dict)
    credentials: Mapping[tuple[str, str], CredentialRow] = field(default_factory=dict)
    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    tokens: Mapping[str, TokenRow] = field(default_factory=dict)
    """Credential → how minting from it stands, for those that are minted from."""
    running: Mapping[str, tuple[RunningImage, ...]] = field(default_factory=dict)
    """Environment → what runs there, for those that have reported."""
    checks: Mapping[str, Checked] = field(default_factory=dict)
    """Registry → how its last validation ended, for those that were validated."""
    agents: Mapping[str, AgentRow] = field(default_factory=dict)
    """Environment → its agent, for those that were ever enrolled."""
    reports: Mapping[str, Reported] = field(default_factory=dict)
    """Environment → what it said last, for those that have reported."""
    refusals: Mapping[tuple[str, str, str], RefusalRow] = field(default_factory=dict)
    """Environment, namespace and name of a request → what was decided against it, also where it is gone."""

    def with_documents(self, revision: int, written: Iterable[Stored], deleted: Iterable[Key] = ()) -> Snapshot:
        """The snapshot after these changes."""
        documents = dict(self.documents)
        for key in deleted:
            documents.pop(key, None)
        documents.update((one.key, one) for one in written)
        return replace(self, revision=revision, documents=documents)

    def with_credentials(
        self, revision: int, rows: Iterable[CredentialRow], gone: Iterable[tuple[str, str]]
    ) -> Snapshot:
        """The snapshot after these credentials were set, or taken away."""
        held = {place: row for place, row in self.credentials.items() if place not in set(gone)}
        held.update(((row.registry, row.purpose), row) for row in rows)
        there = {row.id for row in held.values()}
        tokens = {name: token for name, token in self.tokens.items() if name in there}
        return self._carried(replace(self, revision=revision, credentials=held, tokens=tokens))

    def with_tokens(self, revision: int, rows: Iterable[TokenRow], gone: Iterable[str] = ()) -> Snapshot:
        """The snapshot after tokens were minted or missed, or are not wanted any more."""
        tokens = {name: token for name, token in self.tokens.items() if name not in set(gone)}
        return self._carried(
            replace(self, revision=revision, tokens={**tokens, **{row.credential: row for row in rows}})
        )

    def with_check(self, revision: int, registry: str, checked: Checked) -> Snapshot:
        """The snapshot after a registry was validated."""
        return self._carried(replace(self, revision=revision, checks={**self.checks, registry: checked}))

    def without_check(self, registry: str) -> Snapshot:
        """The snapshot without what was found of a registry."""
        return replace(self, checks={name: held for name, held in self.checks.items() if name != registry})

    def with_observed(
        self,
        revision: int,
        environment: str,
        capabilities: Capabilities,
        running: tuple[RunningImage, ...],
        reported: Reported,
    ) -> Snapshot:
        """The snapshot after an environment has reported."""
        found = replace(
            self,
            revision=revision,
            capabilities={**self.capabilities, environment: capabilities},
            running={**self.running, environment: running},
            reports={**self.reports, environment: reported},
        )
        return self._carried(found, but=environment)

    def with_agent(self, revision: int, row: AgentRow) -> Snapshot:
        """The snapshot after an agent was enrolled, renewed or shut out."""
        return self._carried(replace(self, revision=revision, agents={**self.agents, row.environment: row}))

    def without_agent(self, environment: str) -> Snapshot:
        """The snapshot without an environment's agent."""
        return replace(self, agents={name: held for name, held in self.agents.items() if name != environment})

    def with_refusal(self, revision: int, row: RefusalRow) -> Snapshot:
        """The snapshot after somebody has decided against a request."""
        place = (row.environment, row.refusal.namespace, row.refusal.name)
        return replace(self, revision=revision, refusals={**self.refusals, place: row})

    def without_refusals(self, environment: str) -> Snapshot:
        """The snapshot without what was decided in an environment."""
        return replace(self, refusals={at: row for at, row in self.refusals.items() if at[0] != environment})

    def with_agents_seen(self, agents: Mapping[str, AgentRow]) -> Snapshot:
        """The same snapshot with other times at which agents were seen, and with all that was worked out of it."""
        found = replace(self, agents=agents)
        kept = {name: held for name, held in vars(self).items() if name not in self.__dataclass_fields__}
        vars(found).update(kept)
        return found

    def without_observed(self, environment: str) -> Snapshot:
        """The snapshot without what an environment reported."""
        return replace(
            self,
            capabilities={name: held for name, held in self.capabilities.items() if name != environment},
            running={name: held for name, held in self.running.items() if name != environment},
            reports={name: held for name, held in self.reports.items() if name != environment},
        )

    def _carried(self, found: Snapshot, but: str = "") -> Snapshot:
        """The next snapshot, of the same documents, with what was worked out of each environment but for one."""
        for name in ("compared", "reached"):
            if (held := vars(self).get(name)) is not None:
                vars(found)[name] = {place: one for place, one in held.items() if place != but}
        return found

    @cached_property
    def by_kind(self) -> Mapping[str, Mapping[str, Stored]]:
        """Kind → name → document, sorted by name."""
        found: dict[str, dict[str, Stored]] = {}
        for key in sorted(self.documents):
            found.setdefault(key.kind, {})[key.name] = self.documents[key]
        return found

    def of_kind(self, kind: str) -> Mapping[str, Stored]:
        """Name → document, sorted by name."""
        return self.by_kind.get(kind, MappingProxyType({}))

    @cached_property
    def estate(self) -> Estate:
        """What decisions are made on."""
        held = {
            # Of one that is leaving nothing follows any more.
            name: tuple(one.value for one in self.of_kind(kind).values() if not one.leaving)
            for kind, name in _FIELDS.items()
        }
        return Estate(
            **held,  # type: ignore[arg-type] # each kind's reader gives that kind's value
            credentials=self._facts(),
            minted=self._minted(),
            older=self._older(),
            capabilities=self.capabilities,
            refusals=self._refused(),
            versions={key: one.version for key, one in self.documents.items()},
        )

    @cached_property
    def leaving(self) -> Mapping[str, Environment]:
        """Name → environment that was deleted, and whose agent still removes what it delivered."""
        held = ((one.leaving, one.value) for one in self.of_kind("Environment").values())
        return {value.name: value for leaving, value in held if leaving and isinstance(value, Environment)}

    def environment(self, name: str) -> Environment | None:
        """An environment, also one that is leaving."""
        return self.estate.environments_by_name.get(name) or self.leaving.get(name)

    @cached_property
    def settings(self) -> PlatformSettings:
        """What holds for the whole control plane."""
        stored = self.documents.get(Key("Settings", NAME))
        found = stored.value if stored else None
        return found if isinstance(found, PlatformSettings) else PlatformSettings()

    @cached_property
    def inventory(self) -> Inventory:
        """What runs everywhere that has reported."""
        return Inventory(tuple(image for images in self.running.values() for image in images), frozenset(self.running))

    @cached_property
    def principals(self) -> dict[object, Principal]:
        """What authenticators have worked out at this revision."""
        return {}

    @cached_property
    def seen(self) -> dict[tuple[str, Scope], Sequence[Stored]]:
        """Kind and scope → what may be seen of it, sorted by name; worked out by the documents' service."""
        return {}

    @cached_property
    def grants(self) -> Counter[str]:
        """Registry → in how many places it is granted, by accesses and by policies."""
        counted: Counter[str] = Counter(one.registry for one in self.estate.accesses)
        counted.update(access.registry for policy in self.estate.policies for access in policy.access)
        return counted

    @cached_property
    def seen_images(self) -> dict[Scope, tuple[RunningImage, ...]]:
        """Scope → what runs within it; worked out by the images' service."""
        return {}

    @cached_property
    def governed(self) -> dict[object, object]:
        """Environment and minute → its desired state; worked out by the images' service."""
        return {}

    @cached_property
    def drafted(self) -> dict[object, object]:
        """Draft of a policy, and for whom and which minute → what it would do; worked out by the policies' service."""
        return {}

    @cached_property
    def compared(self) -> dict[str, object]:
        """Environment → its grants beside what is used there; worked out by the inventory's service.

        It follows from documents and from what the environment has told, and from nothing else; so does `reached`.
        """
        return {}

    @cached_property
    def reached(self) -> dict[str, object]:
        """Environment → what is granted there, by registry; worked out by the calendar."""
        return {}

    @cached_property
    def restrictions(self) -> dict[str, object]:
        """Environment → what is allowed there; worked out by the images' service."""
        return {}

    @cached_property
    def overviews(self) -> dict[object, object]:
        """What is told of registries by what runs and what is granted; worked out by their overview."""
        return {}

    @cached_property
    def _parts(self) -> dict[Key, tuple[Resource, ...]]:
        return {}

    def parts(self, stored: Stored) -> tuple[Resource, ...]:
        """Where a document of this snapshot lies."""
        found = self._parts.get(stored.key)
        if found is None:
            found = self._parts[stored.key] = parts(stored.value, self.estate, stored.state)
        return found

    def _refused(self) -> dict[str, tuple[Refusal, ...]]:
        """Environment → what is refused of that which is asked for there now."""
        found: dict[str, list[Refusal]] = {}
        for (environment, namespace, name), row in sorted(self.refusals.items()):
            reported = self.reports.get(environment)
            asked = reported.requests if reported else ()
            if any((one.namespace, one.name) == (namespace, name) and row.refusal.about(one) for one in asked):
                found.setdefault(environment, []).append(row.refusal)
        return {environment: tuple(held) for environment, held in found.items()}

    def _pulling(self) -> Iterator[tuple[Stored, CredentialRow]]:
        for (registry, purpose), row in self.credentials.items():
            stored = self.documents.get(Key("Registry", registry))
            if purpose == PULL and stored is not None:
                yield stored, row

    def _facts(self) -> dict[str, CredentialFacts]:
        return {
            row.registry: CredentialFacts(row.id, row.version, row.expires_at, can_end(stored, PULL))
            for stored, row in self._pulling()
        }

    def _older(self) -> dict[str, CredentialRef]:
        return {
            row.registry: CredentialRef(row.id, row.overlap.version, row.overlap.expires_at)
            for _, row in self._pulling()
            if row.overlap is not None
        }

    def _minted(self) -> dict[str, CredentialRef | None]:
        found: dict[str, CredentialRef | None] = {}
        for stored, row in self._pulling():
            method = method_of(stored, PULL)
            if method is not None and method.life is None:
                continue  # it pulls as it is stored
            token = self.tokens.get(row.id)
            held = token.held if token and method else None
            found[row.registry] = CredentialRef(row.id, held.serial, held.expires_at) if held else None
        return found


PULL: Final = "pull"


def method_of(stored: Stored, purpose: str) -> Method | None:
    """How a registry's declared credential signs in; None where its provider is not known, or has no such way."""
    entry = next((one for one in stored.spec.get("credentials", ()) if one.get("purpose") == purpose), None)
    assert isinstance(stored.value, Registry)
    try:
        return providers.named(stored.value.provider).method(entry["method"]) if entry else None
    except Invalid:
        return None


def can_end(stored: Stored, purpose: str) -> bool:
    """Whether the provider lets such a credential end (rule 13); False where it is not known."""
    method = method_of(stored, purpose)
    return method is not None and method.ends

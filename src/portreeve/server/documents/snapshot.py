"""All documents at one revision, in memory: what every read is answered from, and what every change starts at.

Theory of operation. The database is the record; a snapshot is its image at a revision, immutable, and replaced by the
next one. Reading is then the same function on both engines, and sees exactly what `core.authorization` admits, as no
condition is written twice. A replica that is behind reads the changes since its own revision and no more.
Decision record: docs/adr/0013.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

from portreeve.core.authorization import Principal, Resource, Scope
from portreeve.core.blast_radius import Inventory, RunningImage
from portreeve.core.estate import Capabilities, CredentialFacts, Estate, Key
from portreeve.core.platform import NAME, PlatformSettings
from portreeve.core.policy import Registry
from portreeve.providers.declared import can_end
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
class CredentialRow:
    """What may be told of one credential of a registry."""

    registry: str
    purpose: str
    id: str
    owner: str
    version: int
    expires_at: Any


@dataclass(frozen=True, slots=True)
class Checked:
    """How the last validation of a registry ended: `reason` is the code of the first stage that failed, "" for none."""

    outcome: str
    reason: str
    at: datetime
    ms: int


@dataclass(frozen=True)
class Snapshot:
    """Everything at one revision. Mappings are not changed once a snapshot has them."""

    revision: int = 0
    documents: Mapping[Key, Stored] = field(default_factory=dict)
    credentials: Mapping[tuple[str, str], CredentialRow] = field(default_factory=dict)
    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    running: Mapping[str, tuple[RunningImage, ...]] = field(default_factory=dict)
    """Environment → what runs there, for those that have reported."""
    checks: Mapping[str, Checked] = field(default_factory=dict)
    """Registry → how its last validation ended, for those that were validated."""

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
        return replace(self, revision=revision, credentials=held)

    def with_check(self, revision: int, registry: str, checked: Checked) -> Snapshot:
        """The snapshot after a registry was validated."""
        return replace(self, revision=revision, checks={**self.checks, registry: checked})

    def without_check(self, registry: str) -> Snapshot:
        """The snapshot without what was found of a registry."""
        return replace(self, checks={name: held for name, held in self.checks.items() if name != registry})

    def with_observed(
        self, revision: int, environment: str, capabilities: Capabilities, running: tuple[RunningImage, ...]
    ) -> Snapshot:
        """The snapshot after an environment has reported."""
        return replace(
            self,
            revision=revision,
            capabilities={**self.capabilities, environment: capabilities},
            running={**self.running, environment: running},
        )

    def without_observed(self, environment: str) -> Snapshot:
        """The snapshot without what an environment reported."""
        return replace(
            self,
            capabilities={name: held for name, held in self.capabilities.items() if name != environment},
            running={name: held for name, held in self.running.items() if name != environment},
        )

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
        held = {name: tuple(one.value for one in self.of_kind(kind).values()) for kind, name in _FIELDS.items()}
        return Estate(
            **held,  # type: ignore[arg-type] # each kind's reader gives that kind's value
            credentials=self._facts(),
            capabilities=self.capabilities,
            versions={key: one.version for key, one in self.documents.items()},
        )

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
    def _parts(self) -> dict[Key, tuple[Resource, ...]]:
        return {}

    def parts(self, stored: Stored) -> tuple[Resource, ...]:
        """Where a document of this snapshot lies."""
        found = self._parts.get(stored.key)
        if found is None:
            found = self._parts[stored.key] = parts(stored.value, self.estate, stored.state)
        return found

    def _facts(self) -> dict[str, CredentialFacts]:
        found = {}
        for (registry, purpose), row in self.credentials.items():
            stored = self.documents.get(Key("Registry", registry))
            if purpose == "pull" and stored is not None and isinstance(stored.value, Registry):
                # What the document declares now; a row without a declaration is about to go.
                entries = stored.spec.get("credentials", [])
                method = next((str(one["method"]) for one in entries if one["purpose"] == purpose), "")
                supports = can_end(stored.value.provider, method)
                found[registry] = CredentialFacts(row.id, row.version, row.expires_at, supports)
        return found

"""Whether the plan that somebody confirmed is still the plan that would run (rule 9, docs/adr/0010).

A plan is confirmed by its digest. `basis` is what the digest is over: the versions of the documents that the plan
read or would write, who belongs to the groups, our objects before and after, and what would newly be denied. Equal
bases have equal digests and the other way round.

When the plan is made again at confirmation, a different digest alone refuses nothing: namespaces come and go. Only a
document at another version, or a running image that would newly be denied and was not shown, refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from portreeve.core.authorization import ENVIRONMENT_ROLES, covers
from portreeve.core.blast_radius import RunningImage
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Estate, Key
from portreeve.core.plan import Plan
from portreeve.core.render import digest
from portreeve.errors import Problem


@dataclass(frozen=True, slots=True, order=True)
class DocumentVersion:
    """A document before and after a plan. `content` is the digest of what would be written, "" if that is nothing."""

    key: Key
    before: int | None
    after: int | None
    content: str = ""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan stands on; every field is sorted. `groups`: group → environments; `objects`: environment → digest."""

    versions: tuple[DocumentVersion, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    objects: tuple[tuple[str, str], ...]
    newly_denied: tuple[RunningImage, ...]

    @property
    def digest(self) -> str:
        """`sha256:…`; what `Portreeve-Plan` carries."""
        return digest(_plain(self))


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether a confirmed plan may run; false with every reason why not."""

    reasons: tuple[Problem, ...] = ()

    def __bool__(self) -> bool:
        return not self.reasons


def basis(plan: Plan) -> Basis:
    """What this plan stands on."""
    before, after = plan.before, plan.proposal
    names = [one.environment for one in plan.environments]
    keys = set(_changed(before, after))
    for estate in (before, after):
        for name in names:
            environment = estate.by_key.get(Key("Environment", name))
            if environment is not None:
                keys.update(_read(estate, environment))
    return Basis(
        tuple(sorted(_versions(before, after, keys))),
        _memberships(after, keys),
        tuple((one.environment, one.objects_digest) for one in plan.environments),
        tuple(denial.image for denial in plan.radius.newly_denied),
    )


def still_valid(confirmed: Basis, recomputed: Basis) -> Validity:
    """Whether what was confirmed may run, now that the plan was made again."""
    old, new = ({one.key: one for one in each.versions} for each in (confirmed, recomputed))
    changed = [
        Problem("plan_outdated", _difference(old.get(key), new.get(key)), str(key), "look at the new plan")
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    grown = [
        Problem(
            "plan_denies_more",
            f"{one.image} of {one.owner} in {one.environment}/{one.namespace} would be denied too",
            f"Environment/{one.environment}",
            "look at the new plan",
        )
        for one in sorted(set(recomputed.newly_denied) - set(confirmed.newly_denied))
    ]
    return Validity((*changed, *grown))


def _difference(old: DocumentVersion | None, new: DocumentVersion | None) -> str:
    if old is None or new is None:
        return "the plan did not read it before" if old is None else "the plan does not read it any more"
    if old.before != new.before:
        return f"it was at {_shown(old.before)} and is at {_shown(new.before)}"
    return "what would be written is not what was confirmed"


def _shown(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _changed(before: Estate, after: Estate) -> Iterator[Key]:
    for key in before.by_key.keys() | after.by_key.keys():
        if not _same(before, after, key):
            yield key
    for registry in before.credentials.keys() | after.credentials.keys():
        if before.credentials.get(registry) != after.credentials.get(registry):
            yield Key("Credential", registry)


def _same(before: Estate, after: Estate, key: Key) -> bool:
    old, new = before.by_key.get(key), after.by_key.get(key)
    return (old is new or old == new) and before.version(key) == after.version(key)


def _read(estate: Estate, environment: Environment) -> Iterator[Key]:
    """The documents that the desired state of an environment is made from."""
    yield Key("Environment", environment.name)
    yield Key("EnvironmentGroup", environment.group)
    registries: list[str] = []
    policy = estate.policy_of(environment)
    if policy is not None:
        yield Key("RegistryPolicy", policy.name)
        yield from (Key("Exemption", one.name) for one in estate.exemptions if one.policy == policy.name)
        registries += [access.registry for access in policy.access]
    for access in estate.accesses_by_environment.get(environment.name, ()):
        yield Key("RegistryAccess", access.name)
        registries.append(access.registry)
        if access.project:
            yield Key("Project", access.project)
    for registry in registries:
        yield Key("Registry", registry)
        yield Key("Credential", registry)
    if environment.type is not EnvironmentType.KUBERNETES:
        there = (one for one in estate.bindings if one.role in ENVIRONMENT_ROLES and covers(one.scope, environment))
        yield from (Key("RoleBinding", one.name) for one in there)
        yield from (Key("Team", one.name) for one in estate.teams)


def _versions(before: Estate, after: Estate, keys: set[Key]) -> Iterator[DocumentVersion]:
    for key in keys:
        old, new = _version(before, key), _version(after, key)
        if key.kind == "Credential":
            changed, written = before.credentials.get(key.name), after.credentials.get(key.name)
        else:
            changed, written = before.by_key.get(key), after.by_key.get(key)
        if changed is None and written is None:
            continue
        content = "" if written is None or written == changed else digest(_plain(written))
        yield DocumentVersion(key, old, new, content)


def _version(estate: Estate, key: Key) -> int | None:
    if key.kind != "Credential":
        return estate.version(key)
    facts = estate.credentials.get(key.name)
    return None if facts is None else facts.version


def _memberships(estate: Estate, keys: set[Key]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    groups = {key.name for key in keys if key.kind == "EnvironmentGroup"}
    members: dict[str, list[str]] = {group: [] for group in groups}
    for environment in estate.environments:
        if environment.group in groups:
            members[environment.group].append(environment.name)
    return tuple((group, tuple(sorted(members[group]))) for group in sorted(groups))


def _plain(value: Any) -> Any:
    """A value of the core as plain values."""
    return _timeless(asdict(value))


def _timeless(value: Any) -> Any:
    """Times as text, so that JSON can hold them."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_timeless(each) for each in value]
    return value

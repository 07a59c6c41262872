"""What somebody proposes, and what would come of it: pure functions from a snapshot to the next one.

A proposal is documents to store and keys to delete. `proposed` says which of them would change anything, `planned`
makes the plan of it (`core.plan`) and adds the refusals of this house: rules that need to know what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from portreeve.core.confirmation import Basis, basis
from portreeve.core.estate import Key
from portreeve.core.people import Role
from portreeve.core.plan import Plan, plan
from portreeve.core.platform import in_use_problems, labels_taken_out, named, selector_problems
from portreeve.core.policy import Exemption, ExemptionState, Registry, RegistryPolicy, too_long
from portreeve.core.render import digest
from portreeve.errors import Conflict, Outdated, Problem, Unconfirmed
from portreeve.providers.declared import problems as declared_problems
from portreeve.providers.declared import steering
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.snapshot import CredentialRow, Snapshot
from portreeve.server.documents.stored import LEAVING, Stored
from portreeve.wire.documents import Read
from portreeve.wire.dump import dump

NEW: Final = "*"
"""As an expected version: the document must not be there yet."""

ANY: Final = "any"
"""As an expected version: whichever is there. A plan pins it by itself."""


@dataclass(frozen=True, slots=True)
class Put:
    """A document to store. `expected` is the ETag that was read, NEW, ANY, or None where none was named.

    `state` is laid over what only the control plane writes of it, if the document changes.
    """

    read: Read
    expected: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Which document."""
        return Key(self.read.kind, _name(self.read))


@dataclass(frozen=True, slots=True)
class Removal:
    """A document to delete, at the ETag that was read, if one was named."""

    key: Key
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to store and what to delete. `replacing` and `force` are consents (`core.plan`)."""

    puts: tuple[Put, ...] = ()
    removals: tuple[Removal, ...] = ()
    replacing: bool = False
    force: bool = False

    @property
    def created(self) -> frozenset[Key]:
        """The documents that must not be there yet."""
        return frozenset(put.key for put in self.puts if put.expected == NEW)


@dataclass(frozen=True, slots=True)
class Written:
    """One document before and after; `after` None is a deletion."""

    before: Stored | None
    after: Stored | None

    @property
    def leaves(self) -> bool:
        """Whether it is an environment that is deleted and begins to leave: its agent removes everything first."""
        return self.after is not None and self.after.leaving and not (self.before is not None and self.before.leaving)

    @property
    def key(self) -> Key:
        """Which document."""
        stored = self.after or self.before
        assert stored is not None
        return stored.key


@dataclass(frozen=True)
class Draft:
    """A proposal against a snapshot, before anybody has asked what it means. What would stay as it is, is left out."""

    before: Snapshot
    after: Snapshot
    changes: tuple[Written, ...]
    proposal: Proposal


@dataclass(frozen=True)
class Outcome(Draft):
    """What a proposal would do. `changes` has the policies that lose a group to another one, too."""

    plan: Plan
    basis: Basis

    @cached_property
    def content(self) -> str:
        """The digest of every document as it would be stored."""
        stored = [[str(one.key), one.after.document() if one.after else None] for one in self.changes]
        return digest(sorted(stored, key=lambda pair: str(pair[0])))

    @property
    def digest(self) -> str:
        """What a confirmation names: what the plan stands on, and what would be stored.

        The basis alone would not do. It knows of a registry what decisions need, and not its title or its TLS trust.
        """
        return digest([self.basis.digest, self.content])

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is legal and unwise in the documents; it refuses nothing."""
        return (
            *(replace(one, field=f"{put.key} {one.field}") for put in self.proposal.puts for one in put.read.warnings),
            *_departing(self.before, self.changes),
        )

    @property
    def needs_confirmation(self) -> bool:
        """Whether a person has to have seen it: kinds that are planned, and whatever denies or deletes much."""
        planned = any(KINDS[one.key.kind].planned for one in self.changes)
        planned = planned or any(True for _ in _departing(self.before, self.changes))
        return planned or bool(self.plan.radius.newly_denied or self.plan.valve)


def drafted(snapshot: Snapshot, proposal: Proposal, *, by: str, now: datetime, new_id: Callable[[], str]) -> Draft:
    """The proposal against a snapshot. `by` is the user who makes it."""
    changes = tuple(_changes(snapshot, proposal, by=by, now=now, new_id=new_id))
    return Draft(snapshot, _applied(snapshot, changes), changes, proposal)


def outcome(draft: Draft, *, now: datetime) -> Outcome:
    """What comes of it."""
    snapshot, proposal = draft.before, draft.proposal
    after = draft.after
    made = plan(snapshot.estate, after.estate, snapshot.inventory, now=now, replacing=proposal.replacing)
    changes, after = _with_takeovers(snapshot, draft.changes, after, made, now)
    made = replace(
        made,
        conflicts=(*made.conflicts, *_labels_in_use(snapshot, after, changes)),
        refusals=(*made.refusals, *_refusals(snapshot, after, changes)),
    )
    return Outcome(snapshot, after, changes, proposal, made, basis(made))


def check_versions(draft: Draft) -> None:
    """See that every document is at the version that was named. Only after the caller was found to be allowed.

    Raises:
        Outdated: `version_outdated`: a named version is not the present one.
        Unconfirmed: `version_needed`: a document is there already, would change, and no version was named.
        Conflict: `name_taken`.
    """
    snapshot = draft.before
    changed = {one.key for one in draft.changes}
    for put in draft.proposal.puts:
        before = snapshot.documents.get(put.key)
        check_version(before, put.expected, put.key)
        if before is not None and put.expected is None and put.key in changed:
            raise Unconfirmed(
                "version_needed", f"{put.key} is there already", hint=f"read it and send If-Match: {before.etag}"
            )
    for removal in draft.proposal.removals:
        check_version(snapshot.documents.get(removal.key), removal.expected, removal.key)


def check_version(stored: Stored | None, expected: str | None, key: Key) -> None:
    """See that the document is at the version that was named.

    Raises:
        Outdated, Conflict: as `check_versions`.
    """
    if expected in {None, ANY}:
        return
    if expected == NEW:
        if stored is not None:
            raise Conflict("name_taken", f"there is a {key} already", hint="choose another name, or change that one")
    elif stored is None:
        raise Outdated("version_outdated", f"{key} is not there any more", hint="read again")
    elif expected is not None and expected != stored.etag:
        message = f"{key} is at {stored.etag} and not at the version that was named"
        raise Outdated("version_outdated", message, hint="read it again, and merge")


def _name(read: Read) -> str:
    return read.value.name


def _changes(
    snapshot: Snapshot, proposal: Proposal, *, by: str, now: datetime, new_id: Callable[[], str]
) -> Iterator[Written]:
    for put in proposal.puts:
        before = snapshot.documents.get(put.key)
        after = _next(before, put.read, by=by, now=now, new_id=new_id)
        if after is not before and put.state:
            after = replace(after, state={**after.state, **put.state})
        if after is not before:
            yield Written(before, after)
    for removal in proposal.removals:
        gone = snapshot.documents.get(removal.key)
        if gone is None:
            continue
        if proposal.force or not _has_agent(snapshot, removal.key):
            yield Written(gone, None)
        elif not gone.leaving:
            yield Written(gone, _leaving(gone, by=by, now=now))


def _has_agent(snapshot: Snapshot, key: Key) -> bool:
    """Whether it is an environment where an agent was enrolled, which may have delivered something."""
    return key.kind == "Environment" and key.name in snapshot.agents


def _leaving(stored: Stored, *, by: str, now: datetime) -> Stored:
    state = {**stored.state, LEAVING: {"since": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "by": by}}
    return replace(stored, version=stored.version + 1, state=state, updated_at=now)


def _departing(snapshot: Snapshot, changes: tuple[Written, ...]) -> Iterator[Problem]:
    """What becomes of what is delivered in environments that are deleted."""
    for one in changes:
        if not _has_agent(snapshot, one.key) or not (one.leaves or one.after is None):
            continue
        said = snapshot.reports.get(one.key.name)
        there = f"{said.pull_secrets:,} pull secrets" if said else "what was delivered"
        if one.leaves:
            message = f"its agent removes {there} and the policy's objects; then it is gone"
            hint = "force deletes it at once, and leaves behind what is there"
            yield Problem("environment_leaves", message, str(one.key), hint)
        else:
            message = f"{there} and the policy's objects may be left behind in the cluster: nobody removes them"
            yield Problem("environment_left_behind", message, str(one.key), "without force its agent removes them")


def _next(before: Stored | None, read: Read, *, by: str, now: datetime, new_id: Callable[[], str]) -> Stored:
    """The document as it would be stored; `before` itself if nothing would change."""
    key = Key(read.kind, _name(read))
    if before is None:
        state: Mapping[str, Any] = {}
        value = read.value
        if isinstance(value, Exemption):
            state = {"state": str(ExemptionState.REQUESTED), "requestedBy": by}
            value = replace(value, state=ExemptionState.REQUESTED)
        elif isinstance(value, RegistryPolicy):
            value = replace(value, generation=1)
        return Stored(key, new_id(), 1, 0, read.labels, read.annotations, read.spec, state, now, now, value)
    if (read.labels, read.annotations, read.spec) == (before.labels, before.annotations, before.spec):
        return before
    return _revised(before, read, now)


def _revised(before: Stored, read: Read, now: datetime) -> Stored:
    version = before.version + 1
    value = read.value
    if isinstance(value, RegistryPolicy):
        value = replace(value, generation=version)
    elif isinstance(value, Exemption) and isinstance(before.value, Exemption):
        value = replace(value, state=before.value.state)
    return replace(
        before,
        version=version,
        labels=read.labels,
        annotations=read.annotations,
        spec=read.spec,
        updated_at=now,
        value=value,
    )


def _applied(snapshot: Snapshot, changes: tuple[Written, ...]) -> Snapshot:
    if not changes:
        return snapshot
    written = [one.after for one in changes if one.after is not None]
    revision = snapshot.revision + 1
    after = snapshot.with_documents(revision, written, [one.key for one in changes if one.after is None])
    rows, gone = _credentials(snapshot, changes)
    return after.with_credentials(revision, rows, gone) if rows or gone else after


def _credentials(snapshot: Snapshot, changes: tuple[Written, ...]) -> tuple[list[CredentialRow], list[tuple[str, str]]]:
    """What changed registries mean for the credentials stored for them.

    One that is no longer declared goes. One whose method or parameters change is delivered anew, so it is a new version
    of the same secret; and its end is the one that the document says.
    """
    rows: list[CredentialRow] = []
    gone: list[tuple[str, str]] = []
    for change in changes:
        held = [row for (registry, _), row in snapshot.credentials.items() if registry == change.key.name]
        if change.key.kind != "Registry" or not held:
            continue
        old, new = declared(change.before), declared(change.after)
        for row in held:
            entry = new.get(row.purpose)
            if entry is None:
                gone.append((row.registry, row.purpose))
            elif entry != old.get(row.purpose):
                sent = {"method", "parameters"}
                again = any(entry.get(part) != old.get(row.purpose, {}).get(part) for part in sent)
                rows.append(replace(row, version=row.version + again, expires_at=ends(entry)))
    return rows, gone


def declared(stored: Stored | None) -> dict[str, Mapping[str, Any]]:
    """Purpose → what a registry's document says of that credential."""
    entries = stored.spec.get("credentials", []) if stored is not None else []
    return {str(entry["purpose"]): entry for entry in entries}


def ends(entry: Mapping[str, Any]) -> datetime | None:
    """When a declared credential expires."""
    written = entry.get("expiresAt")
    return datetime.fromisoformat(written) if isinstance(written, str) else None


def _with_takeovers(
    snapshot: Snapshot, changes: tuple[Written, ...], after: Snapshot, made: Plan, now: datetime
) -> tuple[tuple[Written, ...], Snapshot]:
    """The changes with those that `core.takeover` made to policies which lose groups."""
    found = {one.key: one for one in changes}
    for policy in made.proposal.policies:
        key = Key("RegistryPolicy", policy.name)
        stored = after.documents[key]
        if policy == stored.value:
            continue
        before = snapshot.documents.get(key)
        version = stored.version if before is None or stored is not before else stored.version + 1
        value = replace(policy, generation=version)
        revised = replace(stored, version=version, spec=dump(value)["spec"], updated_at=now, value=value)
        found[key] = Written(before, revised)
    settled = tuple(found.values())
    return settled, (after if settled == changes else _applied(snapshot, settled))


def _refusals(snapshot: Snapshot, after: Snapshot, changes: tuple[Written, ...]) -> Iterator[Problem]:
    for one in changes:
        yield from _moved_registry(snapshot, one)
        if one.before is not None and one.before.leaving and one.after is not None:
            hint = "wait until it is gone, or delete it with force"
            yield Problem("environment_leaving", "it was deleted and is leaving", str(one.key), hint)
        if one.after is not None:
            yield from _misdeclared(one.after)
            yield from named(selector_problems(one.after.value, after.settings), one.key)
        if isinstance(one.after and one.after.value, Exemption) and one.before is not None:
            hint = "renew it, or revoke it and request another"
            yield Problem("exemption_fixed", "what was asked for does not change", f"{one.key} spec", hint)
        elif one.after is not None and isinstance(one.after.value, Exemption):
            problem = too_long(one.after.value.expires_at, one.after.updated_at)
            yield from named([problem] if problem else [], one.key)
    if _administered(snapshot) and not _administered(after):
        hint = "bind somebody else first"
        yield Problem("last_admin", "nobody would be platform-admin any more", "RoleBinding", hint)


def _labels_in_use(snapshot: Snapshot, after: Snapshot, changes: tuple[Written, ...]) -> Iterator[Problem]:
    """What still selects by a label that is taken out of the settings. What changes as well is refused by itself."""
    taken_out = labels_taken_out(snapshot.settings, after.settings)
    if not taken_out:
        return
    changed = {one.key for one in changes}
    for kind in ("RegistryAccess", "RegistryPolicy"):
        for stored in after.of_kind(kind).values():
            if stored.key not in changed:
                yield from named(in_use_problems(stored.value, taken_out), stored.key)


def _misdeclared(after: Stored) -> Iterator[Problem]:
    """What its provider finds wrong in a registry: the documents' shape knows no provider."""
    if after.key.kind == "Registry":
        yield from (replace(one, field=f"{after.key} {one.field}") for one in declared_problems(after.spec))


def _moved_registry(snapshot: Snapshot, change: Written) -> Iterator[Problem]:
    """A stored secret was given for one server. Pointing the registry elsewhere would send it there."""
    old, new = change.before, change.after
    if old is None or new is None or not isinstance(old.value, Registry) or not isinstance(new.value, Registry):
        return
    held = [purpose for registry, purpose in snapshot.credentials if registry == old.key.name]
    before, after = steering(old.spec), steering(new.spec)
    moved = {
        "spec.host": old.value.prefix.host != new.value.prefix.host,
        "spec.provider": old.value.provider != new.value.provider,
        "spec.project": old.value.project != new.value.project,
        "spec.tls": _trust(old) != _trust(new),
        "spec.tokenRealm": old.spec.get("tokenRealm") != new.spec.get("tokenRealm"),
        # A purpose that is declared no more takes its secret with it.
        "spec.credentials": any(before.get(one) != after[one] for one in held if one in after),
    }
    for place, differs in moved.items():
        if differs and held:
            hint = "delete the stored credentials first, change it, and set them again"
            message = "changes where a stored credential would be sent, or whose it is"
            yield Problem("credential_bound", message, f"{change.key} {place}", hint)


def _trust(stored: Stored) -> Mapping[str, Any]:
    found = stored.spec.get("tls", {})
    return found if isinstance(found, Mapping) else {}


def _administered(snapshot: Snapshot) -> bool:
    return any(one.role is Role.PLATFORM_ADMIN and not one.subjects.nobody for one in snapshot.estate.bindings)

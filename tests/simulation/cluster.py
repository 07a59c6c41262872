"""An API server in memory, as far as an agent can tell: resourceVersions, watches, server-side apply, JSON Patch.

What it claims is `tests.simulation.contract`, which the real API server has to fulfil, too.

It holds who made what, which no real server tells, so that `Broken` can be raised at the very write that touches what
is somebody else's (I3). Contents of Secrets are user names of the form `id-version`: what they say can be held against
the annotation without looking at a password.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from portreeve.core.agent_messages import (
    ApplySecret,
    DeleteSecret,
    Outcome,
    PatchServiceAccount,
    ReadSecret,
    ReadServiceAccount,
    Request,
)
from portreeve.core.credential import AuthEntry, CredentialRef, Login
from portreeve.core.observation import (
    MANAGER,
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    EntryFact,
    Kind,
    NamespaceSeen,
    SecretSeen,
    Seen,
    WorkloadSeen,
    facts,
)
from portreeve.core.secret import SecretValue

FOREIGN = (AuthEntry("theirs.example.com/", CredentialRef("theirs", 0), None),)
"""What a Secret holds whose content somebody else has written."""


class Broken(AssertionError):
    """An invariant that does not hold; the message begins with its name."""


@dataclass(frozen=True)
class Secret:
    """As stored. `owner` is who made it, and `edited` that somebody changed what we wrote; `opaque` is another type."""

    namespace: str
    uid: str
    rv: int
    owner: str
    labels: Mapping[str, str] = field(default_factory=dict)
    managers: frozenset[str] = frozenset()
    data: tuple[AuthEntry, ...] = ()
    told: tuple[EntryFact, ...] | None = None
    immutable: bool = False
    edited: bool = False
    opaque: bool = False

    @property
    def ours(self) -> bool:
        """The truth, which the agent can only infer."""
        return self.owner == "agent" and not self.edited

    def seen(self, *, read: bool = False) -> SecretSeen:
        logins = {entry.key: entry.login for entry in self.data if entry.login is not None} if read else None
        return SecretSeen(
            self.namespace, self.uid, str(self.rv), self.labels, self.managers, self.told, self.immutable, False, logins
        )


@dataclass(frozen=True)
class Account:
    """As stored. `ours` says whether the entry of our name is from the agent, `rewritten` whether somebody has written
    the list after it, and `taken` that the agent has taken our entry away.

    `managers` are those of the list of pull secrets; `labelled` that the server has recorded who set the labels. Where
    it has recorded nothing at all it begins to only by an apply, or by what it is given.
    """

    namespace: str
    name: str
    uid: str
    rv: int
    labels: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: tuple[str, ...] = ()
    ours: bool = False
    rewritten: bool = False
    taken: bool = False
    managers: frozenset[str] = frozenset()
    labelled: bool = False

    @property
    def tracked(self) -> bool:
        return self.labelled or bool(self.managers)

    def written(self, who: str, pull_secrets: tuple[str, ...], *, begun: bool = False) -> Account:
        """With another list, by somebody; the server tells who it was, if it tells that of the object at all."""
        changed, tracked = pull_secrets != self.pull_secrets, self.tracked or begun
        managers = frozenset({who}) if tracked and (changed or begun) else self.managers
        return replace(
            self,
            pull_secrets=pull_secrets,
            managers=managers if pull_secrets else frozenset(),
            rewritten=who != MANAGER if changed else self.rewritten,
            taken=self.taken and PULL_SECRET not in pull_secrets,
        )

    def applied(self, who: str) -> Account:
        """The same list, applied by somebody: he shares it with whoever holds it."""
        held = self.managers if self.tracked else frozenset({"before-first-apply"})
        return replace(self, managers=held | {who}, rewritten=True)

    def seen(self) -> AccountSeen:
        held = self.managers == {MANAGER}
        return AccountSeen(
            self.namespace, self.name, self.uid, str(self.rv), self.labels, self.pull_secrets, held, self.tracked
        )


Emit = Callable[[Kind, str, str, str, Seen | None], None]


class Api:
    """Objects by place; each change gets a version and is told to whoever watches."""

    def __init__(self, emit: Emit) -> None:
        self.rv = 100
        self.uids = 0
        self.emit = emit
        self.namespaces: dict[str, NamespaceSeen] = {}
        self.secrets: dict[str, Secret] = {}
        self.accounts: dict[tuple[str, str], Account] = {}
        self.workloads: dict[tuple[str, str], WorkloadSeen] = {}
        self.history: list[tuple[Any, ...]] = []
        self.writes = 0
        self.indistinct = False
        self.late = False
        self.judging = True
        """Whether a write that touches what is somebody else's raises."""

    # -- the store

    def snapshot(self) -> tuple[Any, ...]:
        return self.rv, dict(self.namespaces), dict(self.secrets), dict(self.accounts), dict(self.workloads)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """As from a backup of etcd: versions go back, too. UIDs do not: they are random."""
        self.rv, self.namespaces, self.secrets, self.accounts, self.workloads = (
            snapshot[0], *(dict(part) for part in snapshot[1:])
        )  # fmt: skip
        self.history.clear()

    def version(self) -> int:
        if len(self.history) < 400:
            self.history.append(self.snapshot())
        self.rv += 1
        return self.rv

    def uid(self) -> str:
        self.uids += 1
        return f"u{self.uids}"

    def items(self, kind: Kind, snapshot: tuple[Any, ...] | None = None) -> tuple[Seen, ...]:
        """A list, of now or of an earlier moment."""
        _, namespaces, secrets, accounts, workloads = snapshot or self.snapshot()
        match kind:
            case Kind.NAMESPACE:
                return tuple(namespaces.values())
            case Kind.SECRET:
                return tuple(secret.seen() for secret in secrets.values())
            case Kind.ACCOUNT:
                return tuple(account.seen() for account in accounts.values())
            case Kind.WORKLOAD:
                return tuple(workloads.values())

    # -- changes by anybody

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        old = self.namespaces.get(name)
        uid = old.uid if old else self.uid()
        space = NamespaceSeen(name, uid, str(self.version()), labels, old.terminating if old else False)
        self.namespaces[name] = space
        self.emit(Kind.NAMESPACE, name, name, uid, space)
        if old is None:
            self.put_account(name, "default")

    def terminate(self, name: str) -> None:
        space = replace(self.namespaces[name], terminating=True, resource_version=str(self.version()))
        self.namespaces[name] = space
        self.emit(Kind.NAMESPACE, name, name, space.uid, space)

    def remove_namespace(self, name: str) -> None:
        self.drop_secret(name)
        for place in [place for place in self.accounts if place[0] == name]:
            self.drop_account(*place)
        for place in [place for place in self.workloads if place[0] == name]:
            self.drop_workload(*place)
        self.version()  # what is remembered of this version still has it
        space = self.namespaces.pop(name)
        self.emit(Kind.NAMESPACE, name, name, space.uid, None)

    def put_secret(self, secret: Secret) -> Secret:
        stored = replace(secret, rv=self.version())
        self.secrets[secret.namespace] = stored
        self.emit(Kind.SECRET, secret.namespace, PULL_SECRET, secret.uid, stored.seen())
        return stored

    def drop_secret(self, namespace: str) -> None:
        secret = self.secrets.get(namespace)
        if secret is not None:
            self.version()
            del self.secrets[namespace]
            self.emit(Kind.SECRET, namespace, PULL_SECRET, secret.uid, None)

    def put_account(
        self, namespace: str, name: str, pull_secrets: tuple[str, ...] | None = None, **changes: Any
    ) -> Account:
        """By somebody. Of one that is made with fields the server tells who set them."""
        old = self.accounts.get((namespace, name))
        account = old or Account(namespace, name, self.uid(), 0)
        tracked = old is None or old.tracked
        account = replace(account, **changes)
        account = replace(account, labelled=tracked and bool(account.labels))
        if pull_secrets is not None:
            account = account.written("kubectl", pull_secrets, begun=old is None)
        return self.store_account(account)

    def apply_account(self, namespace: str, name: str) -> None:
        """Somebody applies the list as it is."""
        account = self.accounts[namespace, name]
        if account.pull_secrets and "helm" not in account.managers:
            self.store_account(account.applied("helm"))

    def store_account(self, account: Account) -> Account:
        """As it is, in a new version."""
        account = replace(account, rv=self.version())
        namespace, name = account.namespace, account.name
        self.accounts[namespace, name] = account
        self.emit(Kind.ACCOUNT, namespace, name, account.uid, account.seen())
        return account

    def drop_account(self, namespace: str, name: str) -> None:
        self.version()
        account = self.accounts.pop((namespace, name))
        self.emit(Kind.ACCOUNT, namespace, name, account.uid, None)

    def put_workload(self, workload: WorkloadSeen) -> None:
        old = self.workloads.get((workload.namespace, workload.name))
        uid = old.uid if old else self.uid()
        stored = replace(workload, uid=uid, resource_version=str(self.version()))
        self.workloads[workload.namespace, workload.name] = stored
        self.emit(Kind.WORKLOAD, workload.namespace, workload.name, uid, stored)

    def drop_workload(self, namespace: str, name: str) -> None:
        self.version()
        workload = self.workloads.pop((namespace, name))
        self.emit(Kind.WORKLOAD, namespace, name, workload.uid, None)

    # -- requests of the agent

    def carry_out(self, request: Request) -> tuple[Outcome, SecretSeen | AccountSeen | None]:
        match request:
            case ReadSecret(namespace):
                secret = self.secrets.get(namespace)
                return (Outcome.DONE, secret.seen(read=True)) if secret else (Outcome.NOT_FOUND, None)
            case ApplySecret():
                return self._apply(request)
            case DeleteSecret():
                return self._delete(request)
            case ReadServiceAccount(namespace, name):
                account = self.accounts.get((namespace, name))
                return (Outcome.DONE, account.seen()) if account else (Outcome.NOT_FOUND, None)
            case PatchServiceAccount():
                return self._patch(request)

    def _broken(self, message: str) -> None:
        if self.judging:
            raise Broken(message)

    def _apply(self, request: ApplySecret) -> tuple[Outcome, SecretSeen | None]:
        space = self.namespaces.get(request.namespace)
        if space is None:
            return Outcome.NOT_FOUND, None
        old, labels, told = self.secrets.get(request.namespace), dict(request.labels), facts(request.entries)
        for entry in request.entries:
            if entry.login is not None and entry.login.username != f"{entry.credential.id}-{entry.credential.version}":
                raise Broken(f"I10: {entry.key} says {entry.credential} and holds {entry.login.username}")
        if old is None:
            if request.uid or request.resource_version:
                return Outcome.CONFLICT, None
            if space.terminating:
                return Outcome.GONE, None
            self.writes += 1
            new = Secret(request.namespace, self.uid(), 0, "agent", labels, frozenset({MANAGER}), request.entries, told)
            return Outcome.DONE, self.put_secret(new).seen(read=True)
        force = getattr(request, "force", False)
        differs = told != old.told or told != facts(old.data) or old.opaque
        others = bool(old.managers - {MANAGER}) and not force
        if request.resource_version not in ("", str(old.rv)) or (differs and others):
            return Outcome.CONFLICT, None
        # Where the version is right, another UID is a field that cannot be changed, as a type is.
        if request.uid not in ("", old.uid) or (differs and (old.immutable or old.opaque)):
            return Outcome.REFUSED, None
        if not differs and labels.items() <= old.labels.items() and MANAGER in old.managers:
            return Outcome.DONE, old.seen(read=True)
        # A creation has no precondition; one that was under way for long may meet what somebody has done to ours since.
        if not old.ours and not (self.late and old.owner == "agent" and not request.uid):
            self._broken(f"I3: the Secret of somebody else in {request.namespace} was applied over")
        self.writes += 1
        managers = frozenset({MANAGER}) | (frozenset() if force else old.managers)
        # Whose label it put back, and whose fields nobody else holds, is as it was made.
        edited = old.edited and managers != {MANAGER}
        new = replace(
            old, labels={**old.labels, **labels}, managers=managers, data=request.entries, told=told, edited=edited
        )
        return Outcome.DONE, self.put_secret(new).seen(read=True)

    def _delete(self, request: DeleteSecret) -> tuple[Outcome, None]:
        old = self.secrets.get(request.namespace)
        if old is None:
            return Outcome.NOT_FOUND, None
        if request.uid not in ("", old.uid) or request.resource_version not in ("", str(old.rv)):
            return Outcome.CONFLICT, None
        if not old.ours:
            self._broken(f"I3: the Secret of somebody else in {request.namespace} was deleted")
        self.writes += 1
        self.drop_secret(request.namespace)
        return Outcome.DONE, None

    def _patch(self, request: PatchServiceAccount) -> tuple[Outcome, AccountSeen | None]:
        old = self.accounts.get((request.namespace, request.name))
        if old is None:
            return Outcome.NOT_FOUND, None
        patched = _patched(old, request.operations())
        if patched is None:
            return Outcome.CONFLICT, None
        names = list(patched)
        others = [name for name in old.pull_secrets if name != PULL_SECRET]
        # After a restore a version may be used again, and a list that is not there cannot be tested for (RFC 6902).
        untestable = self.indistinct and not request.pull_secrets
        if [name for name in names if name != PULL_SECRET] != others and not untestable:
            self._broken(f"I3: entries of others in {old.namespace}/{old.name} were lost")
        if names.count(PULL_SECRET) > 1:
            self._broken(f"L1: our entry is twice in {old.namespace}/{old.name}")
        if PULL_SECRET in old.pull_secrets and PULL_SECRET not in names and not (old.ours or self.indistinct):
            self._broken(f"I3: an entry of somebody else was removed from {old.namespace}/{old.name}")
        self.writes += 1
        begun = any(one["path"] == "/metadata/managedFields" for one in request.operations())
        has = PULL_SECRET in names
        new = replace(old.written(MANAGER, tuple(names), begun=begun), ours=has, taken=not has)
        return Outcome.DONE, self.store_account(new).seen()


def _patched(account: Account, operations: list[dict[str, Any]]) -> list[str] | None:
    """The names in `imagePullSecrets` after a JSON Patch; None if one of its operations fails."""
    names: list[str] | None = list(account.pull_secrets)
    for operation in operations:
        if names is None:
            return None
        path: str = operation["path"]
        if operation["op"] == "test":
            names = names if _as_tested(account, names, path, operation["value"]) else None
        elif path == "/metadata/managedFields":
            pass
        elif operation["op"] == "remove":
            at = int(path.split("/")[2])
            names = [*names[:at], *names[at + 1 :]] if at < len(names) else None
        elif path.endswith("/-"):
            # There is no list to append to before it has its first entry.
            names = [*names, operation["value"]["name"]] if names else None
        else:
            names = [one["name"] for one in operation["value"]]
    return names


def _as_tested(account: Account, names: list[str], path: str, value: Any) -> bool:
    if path == "/metadata/resourceVersion":
        return bool(value == str(account.rv))
    if path == "/imagePullSecrets":
        return [one["name"] for one in value] == names
    at = int(path.split("/")[2])
    return at < len(names) and names[at] == value


def labelled(secret: Secret) -> bool:
    """Whether a Secret carries our marks."""
    key, value = OWNER_LABEL
    return secret.labels.get(key) == value and secret.managers == {MANAGER}


def login(credential: str, version: int) -> Login:
    """A login that says which version it is."""
    return Login(f"{credential}-{version}", SecretValue(f"password of {credential}-{version}"))

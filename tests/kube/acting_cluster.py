"""The real API server as `tests.simulation.contract` asks for a cluster: the agent, and people beside it.

What the agent sends and how an answer is read is written here anew: a suite that went through the program that it
judges would prove little. That program may do it otherwise; these are the requests that `core.agent_messages` names.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from portreeve.core.agent_messages import (
    ApplySecret,
    Changed,
    Deleted,
    DeleteSecret,
    Outcome,
    PatchServiceAccount,
    ReadSecret,
    ReadServiceAccount,
    Request,
)
from portreeve.core.credential import AuthEntry, Login, render
from portreeve.core.observation import (
    ENTRIES_ANNOTATION,
    MANAGER,
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    Kind,
    NamespaceSeen,
    SecretSeen,
    Seen,
    decode_facts,
    encode_facts,
    facts,
)
from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Denied, Invalid, NotFound, PortreeveError
from portreeve.kube.client import FIELD_MANAGER, Client, Selection
from portreeve.kube.errors import NamespaceEnding, RefusedByAdmission
from portreeve.kube.objects import Namespace, OwnedMetadata, Secret, ServiceAccount
from portreeve.kube.resources import NAMESPACES, SECRETS, SERVICE_ACCOUNTS
from tests.simulation.contract import Answered
from tests.tools.kubeclient import KubeClient, wait_until

Object = dict[str, Any]
TYPE, KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
FIELDS = (
    ("f:data", f"f:{KEY}"),
    ("f:type",),
    ("f:metadata", "f:labels", f"f:{OWNER_LABEL[0]}"),
    ("f:metadata", "f:annotations", f"f:{ENTRIES_ANNOTATION}"),
)
"""Those that we write."""
OBJECTS: Mapping[Kind, tuple[Any, Any]] = {
    Kind.NAMESPACE: (NAMESPACES, Namespace),
    Kind.SECRET: (SECRETS, Secret),
    Kind.ACCOUNT: (SERVICE_ACCOUNTS, ServiceAccount),
}


class RealCluster:
    """One namespace of a real control plane; `person` has all rights."""

    def __init__(self, client: Client, person: KubeClient, namespace: str) -> None:
        self.client, self.person, self.namespace = client, person, namespace

    # The agent

    async def carry_out(self, request: Request) -> Answered:
        try:
            return Outcome.DONE, await self._asked(request)
        except PortreeveError as error:
            return _outcome(request, error), None

    async def _asked(self, request: Request) -> SecretSeen | AccountSeen | None:
        where = request.namespace
        match request:
            case ReadSecret():
                return _secret(await self.client.get(SECRETS, PULL_SECRET, Secret, namespace=where), read=True)
            case ApplySecret():
                answer = await self.client.apply(SECRETS, _manifest(request), Secret)
                return _secret(answer.object, read=True)
            case DeleteSecret(_, uid, version):
                await self.client.delete(SECRETS, PULL_SECRET, uid=uid, resource_version=version, namespace=where)
                return None
            case ReadServiceAccount(_, name):
                return _account(await self.client.get(SERVICE_ACCOUNTS, name, ServiceAccount, namespace=where))
            case PatchServiceAccount(_, name):
                operations = request.operations()
                patched = await self.client.patch(SERVICE_ACCOUNTS, name, operations, ServiceAccount, namespace=where)
                return _account(patched.object)

    async def items(self, kind: Kind, at: str = "") -> tuple[Seen, ...]:
        resource, into = OBJECTS[kind]
        if not at:
            listed = await self.client.list(resource, into, self._selection(kind))
            return tuple(_seen(one) for one in listed)
        # Only people ask for what was.
        path = resource.path(namespace="" if kind is Kind.NAMESPACE else self.namespace)
        query = self._selection(kind).query() | {"resourceVersion": at, "resourceVersionMatch": "Exact"}
        body = self.person.request("GET", path, query=query).expect(200).body
        decoder = self.client._decoders._decoder(into)
        return tuple(_seen(decoder.decode(json.dumps(one))) for one in body["items"])

    async def events(self, kind: Kind, after: str, count: int | None = None) -> list[tuple[Changed | Deleted, int]]:
        resource, into = OBJECTS[kind]
        told: list[tuple[Changed | Deleted, int]] = []
        selection = self._selection(kind)
        watched = self.client.watch(resource, into, selection, resource_version=after, timeout_s=60)
        async with asyncio.timeout(90), aclosing(watched) as events:
            async for event in events:
                if event.object is None:
                    continue
                seen = _seen(event.object)
                name = getattr(seen, "name", PULL_SECRET)
                gone = Deleted(kind, self.namespace, name, seen.uid)
                told.append((gone if event.type == "DELETED" else Changed(seen), int(event.resource_version)))
                if len(told) == count or (count is None and event.type == "DELETED"):
                    break
        return told

    def _selection(self, kind: Kind) -> Selection:
        if kind is Kind.NAMESPACE:
            return Selection(fields=f"metadata.name={self.namespace}")
        return Selection(self.namespace, fields=f"metadata.name={PULL_SECRET}" if kind is Kind.SECRET else "")

    # Somebody else

    async def creates_secret(self, *entries: AuthEntry, opaque: bool = False) -> None:
        made = _decoded(_manifest(ApplySecret(self.namespace, "", "", entries, ())))
        self.person.create(made | {"type": "Opaque" if opaque else TYPE}).expect(201)

    async def edits_secret(self) -> None:
        other = base64.b64encode(b'{"auths":{"theirs.example.com/":{"auth":"dTpw"}}}').decode()
        self.person.replace(self._stored() | {"data": {KEY: other}}).expect(200)

    async def touches_secret(self) -> None:
        stored = self._stored()
        stored["metadata"]["annotations"]["team"] = "payments"
        self.person.replace(stored).expect(200)

    async def adds_to_secret(self) -> None:
        stored = self._stored()
        stored["data"]["more"] = "eA=="
        self.person.replace(stored).expect(200)

    async def strips_secret(self) -> None:
        stored = self._stored()
        del stored["metadata"]["labels"]
        self.person.replace(stored).expect(200)

    async def freezes_secret(self) -> None:
        self.person.replace(self._stored() | {"immutable": True}).expect(200)

    async def deletes_secret(self) -> None:
        self.person.delete(self._stored()).expect(200)

    async def writes_account(self, name: str, *pull_secrets: str, labels: dict[str, str] | None = None) -> None:
        metadata = {"name": name, "namespace": self.namespace, "labels": labels or {}}
        listed = [{"name": one} for one in pull_secrets]
        made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": listed}
        if self.person.replace(made).status == 404:
            self.person.create(made).expect(201)

    async def applies_account(self, name: str) -> None:
        there = self.person.get("v1", "ServiceAccount", name, self.namespace).expect(200).body
        metadata = {"name": name, "namespace": self.namespace}
        listed = {"imagePullSecrets": there["imagePullSecrets"]}
        made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, **listed}
        self.person.server_side_apply(made, "helm").expect(200)

    async def deletes_account(self, name: str) -> None:
        self.person.delete(self.person.get("v1", "ServiceAccount", name, self.namespace).body).expect(200)

    async def begins_to_delete_namespace(self) -> None:
        """An object with a finalizer holds it."""
        held = {"name": "held", "namespace": self.namespace, "finalizers": ["example.com/held"]}
        self.person.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held}).expect(201)
        self.person.delete(self._space()).expect(200)

    async def deletes_namespace(self) -> None:
        self.person.delete(self._space()).expect(200)
        await asyncio.to_thread(wait_until, self._gone, f"{self.namespace} to be gone")

    def _gone(self) -> bool:
        return self.person.get("v1", "Namespace", self.namespace).status == 404

    def let_go(self) -> None:
        """Of a namespace that is held; it goes when the controller comes to it again."""
        path = self.person.path("v1", "ConfigMap", "held", self.namespace)
        self.person.request("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")

    async def creates_namespace(self) -> None:
        self.person.create(self._space()).expect(201)
        self.person.wait_for("v1", "ServiceAccount", "default", self.namespace)

    def _stored(self) -> Object:
        body: Object = self.person.get("v1", "Secret", PULL_SECRET, self.namespace).expect(200).body
        return body

    def _space(self) -> Object:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}


def _outcome(request: Request, error: PortreeveError) -> Outcome:
    match error:
        case NamespaceEnding():
            return Outcome.GONE
        case Conflict():
            return Outcome.CONFLICT
        case NotFound():
            return Outcome.NOT_FOUND
        case Invalid() if isinstance(request, PatchServiceAccount):
            return Outcome.CONFLICT
        case Invalid() | RefusedByAdmission():
            return Outcome.REFUSED
        case Denied():
            return Outcome.FORBIDDEN
    raise error


def _manifest(request: ApplySecret) -> Object:
    metadata: Object = {
        "name": PULL_SECRET,
        "namespace": request.namespace,
        "labels": dict(request.labels),
        "annotations": {ENTRIES_ANNOTATION: encode_facts(facts(request.entries))},
    }
    metadata |= {"uid": request.uid} if request.uid else {}
    metadata |= {"resourceVersion": request.resource_version} if request.resource_version else {}
    data = {KEY: SecretValue(base64.b64encode(render(request.entries).reveal()))}
    return {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "data": data}


def _decoded(manifest: Object) -> Object:
    return manifest | {"data": {key: value.reveal().decode() for key, value in manifest["data"].items()}}


def _seen(one: Namespace | Secret | ServiceAccount) -> Seen:
    match one:
        case Namespace():
            meta = one.metadata
            return NamespaceSeen(meta.name, meta.uid, meta.resource_version, meta.labels or {}, one.ending)
        case Secret():
            return _secret(one)
        case ServiceAccount():
            return _account(one)


def _secret(one: Secret, *, read: bool = False) -> SecretSeen:
    meta = one.metadata
    told = (meta.annotations or {}).get(ENTRIES_ANNOTATION)
    seen = SecretSeen(
        meta.namespace, meta.uid, meta.resource_version, meta.labels or {}, _managers(meta),
        None if told is None else decode_facts(told), one.immutable, meta.deletion_timestamp is not None,
    )  # fmt: skip
    return replace(seen, logins=_logins(one)) if read else seen


def _managers(meta: OwnedMetadata) -> frozenset[str]:
    """Those that hold one of our fields."""
    found = set()
    for one in meta.managed_fields or ():
        for path in FIELDS:
            held: Any = one.fields
            for part in path:
                held = held.get(part) if isinstance(held, dict) else None
            if held is not None:
                found.add(MANAGER if one.manager == FIELD_MANAGER else one.manager)
    return frozenset(found)


def _logins(one: Secret) -> Mapping[str, Login]:
    content = (one.data or {}).get(KEY)
    auths = json.loads(content.reveal())["auths"] if content is not None else {}
    return {
        key: Login(auth["username"], SecretValue(auth["password"]))
        for key, auth in auths.items()
        if auth.get("username")
    }


def _account(one: ServiceAccount) -> AccountSeen:
    meta = one.metadata
    managed = meta.managed_fields or []
    holding = [(by.manager, by.operation) for by in managed if "f:imagePullSecrets" in by.fields]
    held, tracked = holding == [(FIELD_MANAGER, "Update")], bool(managed)
    return AccountSeen(
        meta.namespace, meta.name, meta.uid, meta.resource_version, meta.labels or {}, one.pull_secrets, held, tracked
    )

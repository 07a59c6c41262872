"""What anybody may write into a cluster, and what no server should answer: told or passed over, and nothing stops."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.agent_messages import ApplySecret, Outcome
from portreeve.core.credential import AuthEntry, CredentialRef, Login
from portreeve.core.secret import SecretValue
from portreeve.kube.answers import shallow
from portreeve.kube.client import Client, Selection
from portreeve.kube.identity import FixedIdentity, Identity
from portreeve.kube.kubeconfig import Connection
from portreeve.kube.objects import LabelledMetadata, Namespace, OwnedMetadata, Secret, ServiceAccount
from portreeve.kube.reflector import Added, Deleted, Synced
from portreeve.kube.resources import NAMESPACES, SERVICE_ACCOUNTS, Resource
from portreeve.reconciler import watching as watching_module
from portreeve.reconciler.requests import Requests
from portreeve.reconciler.seen import secret_read
from portreeve.reconciler.watching import Watching
from portreeve.transport import streaming
from portreeve.transport.trust import Trust
from tests.reconciler.keeping import PULL, Kept, attached, auths_in, grant, keeping, secret_in, until
from tests.tools.kubeclient import KubeClient

KEY = "r.example.com/team/"


class Taker:
    """Remembers what it was told; `fails` names an object over which it makes a mistake."""

    def __init__(self, fails: str = "") -> None:
        self.told: list[str] = []
        self.fails = fails

    def seen(self, resource: Resource, found: Any) -> None:
        self._took(found.metadata.name)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self._took(name)

    def complete(self, resource: Resource, *, went_back: bool) -> None:
        self.told.append("complete")

    def _took(self, name: str) -> None:
        if name == self.fails:
            raise ValueError(name)
        self.told.append(name)


async def test_an_object_that_one_taker_fails_over_blinds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Taker("poison"), Taker()
    client = Client(Connection("https://127.0.0.1:1", Trust(), FixedIdentity(Identity())))
    watching = Watching(client, (first, second), uniform=random.Random(1).uniform)
    for name in ("a", "poison", "b"):
        found = Namespace(LabelledMetadata(name=name, uid=name, resource_version="1"))
        watching._told(NAMESPACES, Added(found))
    watching._told(NAMESPACES, Synced("1"))
    watching._told(NAMESPACES, Deleted(("", "poison"), "poison"))
    assert first.told == ["a", "b", "complete"]
    assert second.told == ["a", "poison", "b", "complete", "poison"]
    assert caplog.text.count("was not understood") == 2


ENTRIES = "portreeve.io/entries"
BOMB = [
    {"key": f"k{number}/", "credential": f"c{number}", "version": number, "live": True, "expiresAt": None}
    for number in range(2_900)
]


def forged(namespace: str, password: str, entries: Any = ()) -> dict[str, Any]:
    """A Secret of somebody's with all marks that can be written into it."""
    content = {"auths": {"r.example.com/team/": {"username": "mine", "password": password}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": PULL,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "portreeve"},
            "annotations": {ENTRIES: json.dumps(entries, separators=(",", ":"))},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(json.dumps(content).encode()).decode()},
    }


def nested(kube: KubeClient, path: str) -> None:
    """Managed fields deeper than Python reads; the API server takes 9,900 levels, in ten seconds."""
    managed = {"manager": "deep", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    patch = json.dumps({"metadata": {"managedFields": [{**managed, "fieldsV1": "HERE"}]}})
    body = patch.replace('"HERE"', '{"f:a":' * 2_000 + "{}" + "}" * 2_000)
    with contextlib.suppress(RecursionError):
        kube.request("PATCH", path, body, "application/merge-patch+json").expect(200)


def has_ours(kube: KubeClient, namespace: str) -> bool:
    return auths_in(kube, namespace).get(KEY) == ("robot", "ours")


def has_none(kube: KubeClient, namespace: str) -> bool:
    return secret_in(kube, namespace) is None


def has_phase(kept: Kept, namespace: str, phase: str) -> bool:
    return bool(kept.told().get(namespace, {}).get("phase") == phase)


@pytest.fixture
def spaces(kube_client: KubeClient) -> Iterator[tuple[str, ...]]:
    """Five namespaces."""
    names = tuple(f"hostile-{number}-{secrets.token_hex(3)}" for number in range(5))
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    for one in objects:
        kube_client.create(one).expect(201)
    for name in names:
        kube_client.wait_for("v1", "ServiceAccount", "default", name)
    yield names
    for one in objects:
        kube_client.delete(one)


@pytest.mark.wide
async def test_what_people_write_into_a_cluster_is_told_or_passed_over(
    client: Client, kube_client: KubeClient, spaces: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kube = kube_client
    borrowed, claimed, frozen, crowded, plain = spaces
    # Somebody calls himself by our name. By an ordinary write that is told from us; by an apply it cannot be.
    kube.create(forged(borrowed, "theirs"), query={"fieldManager": "portreeve"}).expect(201)
    kube.server_side_apply(forged(claimed, "theirs", BOMB), "portreeve").expect(201)
    kube.server_side_apply({**forged(frozen, "theirs", [{"a": "b" * 200_000}]), "immutable": True}, "portreeve").expect(
        201
    )
    many = {"imagePullSecrets": [{"name": f"theirs-{number}"} for number in range(10_000)]}
    account = f"/api/v1/namespaces/{crowded}/serviceaccounts/default"
    kube.request("PATCH", account, many, "application/merge-patch+json").expect(200)
    labels = {"metadata": {"labels": {f"l{number}": "v" for number in range(1_500)}}}
    kube.request("PATCH", f"/api/v1/namespaces/{crowded}", labels, "application/merge-patch+json").expect(200)
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deep", "namespace": crowded}}
    kube.create(made).expect(201)
    nested(kube, f"/api/v1/namespaces/{crowded}/serviceaccounts/deep")
    odd = 'r.example.com/team/\u202e"\\\u0007;$(id)' + "x" * 3_000
    pod = {"metadata": {"name": "odd", "annotations": {"portreeve.io/registry.x": "a\n\u0007" * 500}}}
    spec = {"containers": [{"name": "main", "image": odd}], "imagePullSecrets": [{"name": "ö" * 300}]}
    for where in (crowded, plain):
        body = {"apiVersion": "v1", "kind": "Pod", **pod, "spec": spec}
        kube.request("POST", f"/api/v1/namespaces/{where}/pods", body).expect(201)
        event = {"metadata": {"name": "odd"}, "reason": "Failed", "message": f'Failed to pull image "{odd}": not found'}
        about = {"kind": "Pod" * 50, "name": odd, "namespace": where, "uid": "u" * 500}
        kube.request(
            "POST", f"/api/v1/namespaces/{where}/events", {**event, "count": 7, "involvedObject": about}
        ).expect(201)

    async with keeping(client, tmp_path) as kept:
        await kept.want(*(grant("r", "r.example.com/team", name, password="ours") for name in spaces))
        nested(kube, f"/api/v1/namespaces/{crowded}/serviceaccounts/deep")  # by the watch this time
        for name in (claimed, crowded, plain):
            await until(partial(has_ours, kube, name), f"delivered to {name}")
        await until(lambda: attached(kube, crowded)[-1] == PULL, "attached")
        assert len(attached(kube, crowded)) == 10_001
        await until(lambda: kept.told().get(borrowed, {}).get("phase") == "NameTaken", "told")
        await until(lambda: kept.told().get(frozen, {}).get("phase") == "Immutable", "told")
        await until(lambda: kept.told().get(plain, {}).get("phase") == "Delivered", "told")
        assert kept.told()[frozen]["entries"] == ()
        assert auths_in(kube, borrowed)[KEY] == ("mine", "theirs")
        # Taken back: what is somebody's stays, what claims to be ours goes.
        await kept.want()
        for name in (claimed, frozen, plain):
            await until(partial(has_none, kube, name), f"removed from {name}")
        await until(lambda: len(attached(kube, crowded)) == 10_000, "detached")
        assert auths_in(kube, borrowed)[KEY] == ("mine", "theirs")
    assert "was not understood" not in caplog.text
    assert "failed" not in caplog.text


@pytest.mark.wide
async def test_a_secret_that_cannot_be_made_is_told_as_what_it_is(
    client: Client, kube_client: KubeClient, spaces: tuple[str, ...], tmp_path: Path
) -> None:
    large, many, _, _, plain = spaces
    async with keeping(client, tmp_path) as kept:
        await kept.want(
            *(grant(f"l{n}", f"r{n}.example.com/team", large, password="x" * 60_000) for n in range(10)),
            *(grant(f"m{n}", f"r.example.com/{'p' * 200}/{n}", many, password="x") for n in range(900)),
            grant("r", "r.example.com/team", plain, password="ours"),
        )
        for name, phase in ((large, "TooLarge"), (many, "TooLarge"), (plain, "Delivered")):
            await until(partial(has_phase, kept, name, phase), phase)
        assert [secret_in(kube_client, name) for name in (large, many)] == [None] * 2
        assert "larger than a Secret" in kept.told()[large]["conflict"]
        assert kept.conditions()["Delivered"] == "False"


@pytest.mark.parametrize("login", [Login("a:b", SecretValue("x")), Login("a", SecretValue(b"\xff"))])
async def test_a_login_that_no_pull_secret_can_hold_is_not_blamed_on_the_cluster(login: Login) -> None:
    client = Client(Connection("https://127.0.0.1:1", Trust(), FixedIdentity(Identity())))
    requests = Requests(client, monotonic=lambda: 0.0, chance=lambda: 0.5)
    entry = AuthEntry(KEY, CredentialRef("c", 1), login)
    answer = await requests.carried_out(ApplySecret("a", "", "", (entry,)))
    assert answer.outcome is Outcome.UNFIT


async def test_what_somebody_writes_as_a_login_is_one_or_none() -> None:
    found = {
        "ok/": {"username": "robot", "password": "päss"},
        "list/": {"username": ["robot"], "password": "p"},
        "number/": {"username": "robot", "password": 1},
        "half/": {"username": "\ud800", "password": "p"},
        "auth/": {"auth": base64.b64encode(b"robot:p").decode()},
        "no/": {"auth": "§"},
    }
    for key, entry in found.items():
        content = SecretValue(json.dumps({"auths": {key: entry}}))
        metadata = OwnedMetadata(name=PULL, namespace="a", uid="u", resource_version="1")
        logins = secret_read(Secret(metadata, data={".dockerconfigjson": content})).logins or {}
        assert bool(logins) == (key in {"ok/", "auth/"}), key


@pytest.mark.wide
async def test_a_list_of_large_objects_is_asked_for_in_smaller_pages(
    client: Client, kube_client: KubeClient, spaces: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = spaces[0]
    for number in range(24):
        meta = {"name": f"large-{number}", "namespace": where, "annotations": {"a": "x" * 100_000}}
        kube_client.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}).expect(201)
    monkeypatch.setattr(streaming, "BODY_BYTES", 1_500_000)
    found = await client.list(SERVICE_ACCOUNTS, ServiceAccount, Selection(where))
    assert len({one.metadata.name for one in found}) == len(found) == 25


@pytest.mark.parametrize("deep", [1, 99, 100, 101, 5_000, 100_000])
def test_what_nests_too_deep_is_emptied_and_nothing_else(deep: int) -> None:
    text = '{"a":"[{\\"","b":' + '{"c":[' * deep + '{"d":1}' + "]}" * deep + ',"e":[{}]}'
    found = json.loads(shallow(text.encode()))
    assert (found["a"], found["e"]) == ('[{"', [{}])
    assert (found == json.loads(text)) if deep < 100 else found["b"]


@pytest.mark.wide
async def test_what_goes_while_a_watch_fails_for_a_mistake_is_missed_by_nobody(
    client: Client, kube_client: KubeClient, spaces: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, kube = spaces[0], kube_client
    monkeypatch.setattr(watching_module, "AGAIN_S", 0.2)
    good, broken = client._decoders.event, [1]

    def event(line: bytes, into: type[Any], what: str) -> Any:
        if broken and what == "watch secrets" and b"DELETED" in line:
            broken.clear()
            raise RuntimeError("a mistake")
        return good(line, into, what)

    monkeypatch.setattr(client._decoders, "event", event)
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", name, password="ours"))
        await until(partial(has_phase, kept, name, "Delivered"), "told")
        kube.request("DELETE", f"/api/v1/namespaces/{name}/secrets/{PULL}").expect(200)
        await until(lambda: not broken, "it failed")
        await until(partial(has_ours, kube, name), "made again")
        await until(lambda: kept.conditions().get("ClusterSeen") == "True", "seen again")

"""What an API server does, as far as what we write hangs on it: one suite for the real one and for every fake.

    class TestRealServer(KubernetesBehaviour): ...      # fixtures `api`, `stranger`, `namespace` in conftest
    class TestFake(KubernetesBehaviour):
        @pytest.fixture
        def api(self) -> ...                            # the methods of `kube.client.Client`
        @pytest.fixture
        def stranger(self) -> ...                       # somebody else's writes, as `tests.tools.kubeclient` has them
        @pytest.fixture
        def namespace(self) -> str                      # empty, with the ServiceAccount `default`

Sources: kubernetes.md 2.4, 3.2 to 3.4 (measured on 1.36); reliability F-08 to F-19.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.kube import attachment, pull_secret
from portreeve.kube.attachment import Attached, Detached
from portreeve.kube.client import Client, Selection
from portreeve.kube.objects import Secret, ServiceAccount
from portreeve.kube.ownership import Ownership
from portreeve.kube.pull_secret import Immutable, Kept, NamespaceLeaving, NotOurs, PullSecret, Removed
from portreeve.kube.resources import SECRETS, SERVICE_ACCOUNTS

Object = dict[str, Any]
Json = Mapping[str, Any]

CONTENT = b'{"auths":{"registry.example.com/":{"auth":"dTpw","password":"p","username":"u"}}}'
ROTATED = b'{"auths":{"registry.example.com/":{"auth":"dTpx","password":"q","username":"u"}}}'
STRANGE = b'{"auths":{"theirs.example.com/":{"auth":"dTpy","password":"r","username":"u"}}}'


class Response(Protocol):
    """What the stranger gets."""

    status: int
    body: Any


class Stranger(Protocol):
    """Somebody else with all rights: a user, a GitOps tool."""

    def create(self, obj: Object) -> Any: ...
    def replace(self, obj: Object) -> Any: ...
    def delete(self, obj: Object) -> Any: ...
    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Any: ...
    def server_side_apply(self, obj: Object, field_manager: str, query: Any = None) -> Any: ...


def wanted(namespace: str, content: bytes = CONTENT, uid: str = "", **annotations: str) -> PullSecret:
    named = {f"portreeve.io/{name}": value for name, value in annotations.items()}
    return PullSecret(namespace, SecretValue(content), named, uid)


def secret(namespace: str, content: bytes, **more: Any) -> Object:
    """A Secret of our name and type that somebody else makes."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": pull_secret.NAME, "namespace": namespace},
        "type": pull_secret.TYPE,
        "data": {pull_secret.KEY: base64.b64encode(content).decode()},
        **more,
    }


def account(namespace: str, *secrets: str, name: str = "builder") -> Object:
    metadata = {"name": name, "namespace": namespace}
    listed = [{"name": one} for one in secrets]
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": listed}


def stored(stranger: Stranger, namespace: str) -> Object:
    body: Object = stranger.get("v1", "Secret", pull_secret.NAME, namespace).body
    return body


async def kept(api: Client, one: PullSecret) -> Kept:
    outcome = await pull_secret.keep(api, one)
    assert isinstance(outcome, Kept), outcome
    return outcome


async def listed(api: Client, namespace: str, name: str = "builder") -> tuple[str, ...]:
    return (await api.get(SERVICE_ACCOUNTS, name, ServiceAccount, namespace=namespace)).pull_secrets


class KubernetesBehaviour:
    """See the module."""

    # Our Secret

    async def test_it_is_made_once_and_then_left_alone(self, api: Client, namespace: str) -> None:
        first = await kept(api, wanted(namespace))
        assert (first.created, first.written, first.altered) == (True, True, False)
        again = await kept(api, wanted(namespace, uid=first.uid))
        assert again == Kept(first.uid, first.resource_version)

    async def test_it_is_what_a_kubelet_reads(self, api: Client, stranger: Stranger, namespace: str) -> None:
        await kept(api, wanted(namespace, generation="7"))
        seen = stored(stranger, namespace)
        assert seen["type"] == "kubernetes.io/dockerconfigjson"
        assert base64.b64decode(seen["data"][".dockerconfigjson"]) == CONTENT
        assert seen["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "portreeve"}
        assert seen["metadata"]["annotations"] == {"portreeve.io/generation": "7"}
        assert [one["manager"] for one in seen["metadata"]["managedFields"]] == ["portreeve"]

    async def test_a_rotation_changes_the_content_and_keeps_the_object(self, api: Client, namespace: str) -> None:
        first = await kept(api, wanted(namespace, generation="1", gone="soon"))
        second = await kept(api, wanted(namespace, ROTATED, first.uid, generation="2"))
        assert (second.uid, second.created, second.written) == (first.uid, False, True)
        seen = await pull_secret.observe(api, namespace)
        assert seen is not None
        assert seen.data is not None
        assert seen.data[pull_secret.KEY].reveal() == ROTATED
        assert seen.metadata.annotations == {"portreeve.io/generation": "2"}

    @pytest.mark.parametrize("content", [STRANGE, CONTENT], ids=["other content", "the same content"])
    async def test_one_of_somebody_else_s_is_not_touched(
        self, api: Client, stranger: Stranger, namespace: str, content: bytes
    ) -> None:
        stranger.create(secret(namespace, content)).expect(201)
        before = stored(stranger, namespace)
        for uid in ("", before["metadata"]["uid"]):
            outcome = await pull_secret.keep(api, wanted(namespace, uid=uid))
            assert outcome == NotOurs(before["metadata"]["uid"], Ownership.FOREIGN)
            assert await pull_secret.remove(api, namespace, recorded_uid=uid) == outcome
        assert stored(stranger, namespace) == before

    @pytest.mark.parametrize("content", [STRANGE, CONTENT], ids=["other content", "the same content"])
    async def test_one_that_somebody_makes_between_our_reading_and_our_writing_is_not_touched(
        self, api: Client, stranger: Stranger, namespace: str, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def nothing(client: Client, namespace: str) -> Secret | None:
            return None

        stranger.create(secret(namespace, content)).expect(201)
        before = stored(stranger, namespace)
        with monkeypatch.context() as patched:
            patched.setattr(pull_secret, "observe", nothing)
            outcome = await pull_secret.keep(api, wanted(namespace))
        assert not isinstance(outcome, Kept)
        after = stored(stranger, namespace)
        for one in (before, after):
            for volatile in ("resourceVersion", "managedFields"):
                one["metadata"].pop(volatile)
            one["metadata"].pop("labels", None) if one["metadata"].get("labels") == {} else None
        assert after == before
        assert "portreeve" not in str(stored(stranger, namespace)["metadata"].get("labels", {}))

    async def test_one_of_another_type_is_not_touched(self, api: Client, stranger: Stranger, namespace: str) -> None:
        stranger.create(secret(namespace, CONTENT, type="Opaque")).expect(201)
        before = stored(stranger, namespace)
        assert isinstance(await pull_secret.keep(api, wanted(namespace)), NotOurs)
        assert stored(stranger, namespace) == before

    async def test_a_copy_of_ours_is_marked_and_not_recorded(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        first = await kept(api, wanted(namespace))
        stranger.delete(secret(namespace, CONTENT)).expect(200)
        second = await kept(api, wanted(namespace))
        outcome = await pull_secret.keep(api, wanted(namespace, uid=first.uid))
        assert outcome == NotOurs(second.uid, Ownership.MARKED)
        assert await pull_secret.remove(api, namespace, recorded_uid=first.uid) == outcome
        assert await pull_secret.remove(api, namespace, recorded_uid=second.uid) == Removed(written=True)

    async def test_what_a_user_edits_in_ours_is_set_back(self, api: Client, stranger: Stranger, namespace: str) -> None:
        first = await kept(api, wanted(namespace, generation="1"))
        edited = stored(stranger, namespace)
        edited["data"] = {pull_secret.KEY: base64.b64encode(STRANGE).decode(), "more": "eA=="}
        edited["metadata"]["annotations"]["team"] = "payments"
        stranger.replace(edited).expect(200)
        repaired = await kept(api, wanted(namespace, uid=first.uid, generation="1"))
        assert (repaired.uid, repaired.written, repaired.altered) == (first.uid, True, False)
        seen = stored(stranger, namespace)
        assert seen["data"] == {pull_secret.KEY: base64.b64encode(CONTENT).decode()}
        assert seen["metadata"]["annotations"] == {"portreeve.io/generation": "1", "team": "payments"}
        assert not (await kept(api, wanted(namespace, uid=first.uid, generation="1"))).written

    async def test_a_key_that_a_user_adds_to_ours_is_taken_out(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        first = await kept(api, wanted(namespace))
        edited = stored(stranger, namespace)
        edited["data"]["more"] = "eA=="
        stranger.replace(edited).expect(200)
        assert (await kept(api, wanted(namespace, uid=first.uid))).written
        assert list(stored(stranger, namespace)["data"]) == [pull_secret.KEY]

    async def test_an_annotation_of_ours_that_is_wanted_no_more_goes(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        first = await kept(api, wanted(namespace, generation="1", expires="soon"))
        second = await kept(api, wanted(namespace, uid=first.uid, generation="1"))
        assert (second.written, second.altered) == (True, False)
        assert stored(stranger, namespace)["metadata"]["annotations"] == {"portreeve.io/generation": "1"}

    async def test_one_that_was_made_immutable_is_told(self, api: Client, stranger: Stranger, namespace: str) -> None:
        first = await kept(api, wanted(namespace))
        stranger.replace(stored(stranger, namespace) | {"immutable": True}).expect(200)
        assert not (await kept(api, wanted(namespace, uid=first.uid))).written
        assert await pull_secret.keep(api, wanted(namespace, ROTATED, first.uid)) == Immutable(first.uid)

    async def test_one_that_was_deleted_is_made_again(self, api: Client, stranger: Stranger, namespace: str) -> None:
        first = await kept(api, wanted(namespace))
        stranger.delete(secret(namespace, CONTENT)).expect(200)
        second = await kept(api, wanted(namespace, uid=first.uid))
        assert second.created
        assert second.uid != first.uid

    async def test_removing_is_done_once(self, api: Client, namespace: str) -> None:
        first = await kept(api, wanted(namespace))
        assert await pull_secret.remove(api, namespace, recorded_uid=first.uid) == Removed(written=True)
        assert await pull_secret.remove(api, namespace, recorded_uid=first.uid) == Removed(written=False)

    async def test_a_namespace_that_is_not_there_takes_nothing(self, api: Client) -> None:
        assert await pull_secret.keep(api, wanted("never-made")) == NamespaceLeaving()
        assert await pull_secret.remove(api, "never-made", recorded_uid="x") == Removed(written=False)

    async def test_the_sweep_finds_those_of_our_name_whoever_s_they_are(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        stranger.create(secret(namespace, STRANGE)).expect(201)
        other = secret(namespace, STRANGE)
        other["metadata"]["name"] = "theirs"
        stranger.create(other).expect(201)
        found = [one for one in await pull_secret.sweep(api) if one.namespace == namespace]
        assert [one.name for one in found] == [pull_secret.NAME]

    # ServiceAccounts

    async def test_our_entry_is_added_beside_the_others_and_taken_away_alone(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        stranger.create(account(namespace, "theirs", "more")).expect(201)
        attached = await attachment.attach(api, namespace, "builder")
        assert isinstance(attached, Attached)
        assert attached.written
        assert await attachment.attach(api, namespace, "builder") == replace(attached, written=False)
        assert await listed(api, namespace) == ("theirs", "more", pull_secret.NAME)
        assert await attachment.detach(api, namespace, "builder") == Detached(written=True)
        assert await attachment.detach(api, namespace, "builder") == Detached(written=False)
        assert await listed(api, namespace) == ("theirs", "more")

    async def test_a_list_that_is_empty_is_begun_and_left_empty(self, api: Client, namespace: str) -> None:
        assert await attachment.attach(api, namespace, "default")
        assert await listed(api, namespace, "default") == (pull_secret.NAME,)
        await attachment.detach(api, namespace, "default")
        assert await listed(api, namespace, "default") == ()

    async def test_entries_of_ours_that_stand_twice_all_go(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        ours = pull_secret.NAME
        stranger.create(account(namespace, ours, "theirs", ours, "more", ours)).expect(201)
        assert await attachment.detach(api, namespace, "builder") == Detached(written=True)
        assert await listed(api, namespace) == ("theirs", "more")

    async def test_a_service_account_that_is_not_there_is_no_failure(self, api: Client, namespace: str) -> None:
        assert await attachment.attach(api, namespace, "missing") == Detached(written=False)
        assert await attachment.detach(api, namespace, "missing") == Detached(written=False)

    async def test_an_entry_that_is_added_between_our_reading_and_our_writing_stays(
        self, api: Client, stranger: Stranger, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty list has to be written whole, which is where an entry of theirs could get lost."""
        stranger.create(account(namespace)).expect(201)
        read, late = attachment._observe, ["theirs"]

        async def and_then_somebody_writes(client: Client, where: str, name: str) -> ServiceAccount | None:
            seen = await read(client, where, name)
            if late:
                stranger.replace(account(namespace, late.pop())).expect(200)
            return seen

        monkeypatch.setattr(attachment, "_observe", and_then_somebody_writes)
        assert isinstance(await attachment.attach(api, namespace, "builder"), Attached)
        assert await listed(api, namespace) == ("theirs", pull_secret.NAME)

    async def test_two_writers_at_once_lose_nothing(self, api: Client, stranger: Stranger, namespace: str) -> None:
        """Each of theirs is a read and a replace, as `kubectl edit` does it, repeated when it conflicts."""
        stranger.create(account(namespace)).expect(201)

        def theirs() -> None:
            for number in range(20):
                while True:
                    seen = stranger.get("v1", "ServiceAccount", "builder", namespace).body
                    seen.setdefault("imagePullSecrets", []).append({"name": f"theirs-{number}"})
                    if stranger.replace(seen).status == 200:
                        break

        async def ours() -> None:
            for _ in range(10):
                await attachment.attach(api, namespace, "builder")
                await attachment.detach(api, namespace, "builder")
            while not isinstance(await attachment.attach(api, namespace, "builder"), Attached):
                pass

        await asyncio.gather(asyncio.to_thread(theirs), ours())
        assert sorted(await listed(api, namespace)) == sorted(
            [pull_secret.NAME, *(f"theirs-{number}" for number in range(20))]
        )

    # What the two rest on

    async def test_an_apply_without_a_change_writes_nothing(self, api: Client, namespace: str) -> None:
        manifest = secret(namespace, CONTENT)
        first = await api.apply(SECRETS, manifest, Secret)
        again = await api.apply(SECRETS, manifest, Secret)
        assert (first.created, again.created) == (True, False)
        assert first.object.metadata.resource_version == again.object.metadata.resource_version

    async def test_an_apply_on_another_version_is_a_conflict(self, api: Client, namespace: str) -> None:
        manifest = secret(namespace, CONTENT)
        await api.apply(SECRETS, manifest, Secret)
        manifest["metadata"]["resourceVersion"] = "1"
        with pytest.raises(Conflict):
            await api.apply(SECRETS, manifest, Secret)

    async def test_an_apply_on_a_uid_that_is_not_there_makes_nothing(self, api: Client, namespace: str) -> None:
        manifest = secret(namespace, CONTENT)
        manifest["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1"}
        with pytest.raises((Conflict, Invalid, NotFound)):
            await api.unsafe_force_apply(SECRETS, manifest, Secret)
        assert await pull_secret.observe(api, namespace) is None

    async def test_a_dry_run_changes_nothing(self, api: Client, namespace: str) -> None:
        await api.apply(SECRETS, secret(namespace, CONTENT), Secret, dry_run=True)
        assert await pull_secret.observe(api, namespace) is None
        first = await kept(api, wanted(namespace))
        await api.delete(
            SECRETS,
            pull_secret.NAME,
            uid=first.uid,
            resource_version=first.resource_version,
            namespace=namespace,
            dry_run=True,
        )
        assert await pull_secret.observe(api, namespace) is not None

    async def test_a_deletion_names_uid_and_version(self, api: Client, namespace: str) -> None:
        first = await kept(api, wanted(namespace))
        right = {"uid": first.uid, "resource_version": first.resource_version}
        for wrong in ({**right, "resource_version": "1"}, {**right, "uid": "other"}):
            with pytest.raises(Conflict):
                await api.delete(SECRETS, pull_secret.NAME, namespace=namespace, dry_run=False, **wrong)

    async def test_a_patch_whose_test_fails_changes_nothing(self, api: Client, namespace: str) -> None:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
        add = {"op": "add", "path": "/imagePullSecrets", "value": [{"name": "x"}]}
        with pytest.raises(Invalid):
            await api.patch(SERVICE_ACCOUNTS, "default", [test, add], ServiceAccount, namespace=namespace)
        assert await listed(api, namespace, "default") == ()

    async def test_a_watch_tells_in_order_what_came_after_a_version(
        self, api: Client, stranger: Stranger, namespace: str
    ) -> None:
        first = await kept(api, wanted(namespace))
        await kept(api, wanted(namespace, ROTATED, first.uid))
        stranger.delete(secret(namespace, CONTENT)).expect(200)
        selection = Selection(fields=f"metadata.name={pull_secret.NAME},metadata.namespace={namespace}")
        watched = api.watch(SECRETS, Secret, selection, resource_version=first.resource_version, timeout_s=30)
        async with asyncio.timeout(60), aclosing(watched) as events:
            told = [await anext(events) for _ in range(2)]
        assert [one.type for one in told] == ["MODIFIED", "DELETED"]
        versions = [int(one.resource_version) for one in told]
        assert int(first.resource_version) < versions[0] < versions[1]

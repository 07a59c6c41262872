"""Every operation against the real API server, and its refusals, as errors that repeat nothing of what was sent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    PortreeveError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from portreeve.kube.client import METADATA, METADATA_LIST, Client, Selection
from portreeve.kube.errors import Exists, Gone, NamespaceEnding, RefusedByAdmission
from portreeve.kube.resources import EVENTS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS, Resource
from tests.fakes.fault_proxy import FaultProxy, LosesAnswer, Resets, Says, Truncates
from tests.kube.conftest import as_token
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.slow

Object = dict[str, Any]
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps")
CANARY = "hunter2-hunter2-hunter2"


def config_map(namespace: str, name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_the_version_is_that_of_the_server(client: Client, kubernetes: Cluster) -> None:
    assert await client.version() == kubernetes.version


async def test_an_object_is_made_read_and_deleted(client: Client, namespace: str) -> None:
    made = await client.create(CONFIG_MAPS, config_map(namespace, "one", a="b"), Object, namespace=namespace)
    assert made.created
    read = await client.get(CONFIG_MAPS, "one", Object, namespace=namespace)
    assert read["data"] == {"a": "b"}
    metadata = read["metadata"]
    assert metadata["managedFields"][0]["manager"] == "portreeve"
    stands = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"], "namespace": namespace}
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "one", **{**stands, "uid": "00000000-0000-0000-0000-000000000000"})
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "one", **{**stands, "resource_version": "1"})
    await client.delete(CONFIG_MAPS, "one", **stands, dry_run=True)
    await client.delete(CONFIG_MAPS, "one", **stands)
    with pytest.raises(NotFound, match="get configmaps one in"):
        await client.get(CONFIG_MAPS, "one", Object, namespace=namespace)


async def test_a_name_that_is_taken_is_told_from_a_conflict(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace, "one"), Object, namespace=namespace)
    with pytest.raises(Exists) as why:
        await client.create(CONFIG_MAPS, config_map(namespace, "one"), Object, namespace=namespace)
    assert why.value.code == "kube_exists"


async def test_an_apply_takes_no_field_of_another_manager(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    kube_client.server_side_apply(config_map(namespace, "one", a="theirs"), "somebody").expect(201)
    with pytest.raises(Conflict):
        await client.apply(CONFIG_MAPS, config_map(namespace, "one", a="ours"), Object)
    applied = await client.apply(CONFIG_MAPS, config_map(namespace, "one", b="ours"), Object)
    assert not applied.created
    assert applied.object["data"] == {"a": "theirs", "b": "ours"}
    same = await client.apply(CONFIG_MAPS, config_map(namespace, "one", b="ours"), Object)
    assert same.object["metadata"]["resourceVersion"] == applied.object["metadata"]["resourceVersion"]


async def test_an_apply_can_be_answered_with_metadata_alone(client: Client, namespace: str) -> None:
    applied = await client.apply(CONFIG_MAPS, config_map(namespace, "one", a="b"), Object, accept=METADATA)
    again = await client.apply(CONFIG_MAPS, config_map(namespace, "one", a="c"), Object, accept=METADATA)
    assert (applied.created, again.created) == (True, False)
    assert set(again.object) == {"kind", "apiVersion", "metadata"}
    assert again.object["metadata"]["uid"] == applied.object["metadata"]["uid"]
    assert again.object["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {"f:a": {}}}


async def test_what_yaml_would_read_otherwise_is_stored_as_it_is(client: Client, namespace: str) -> None:
    text = 'é \u2028\u2029\x85\x7f\x80\ufeff\U0001f600 "\\/\t\n\r\b\f\x01 %s: {}'
    await client.apply(CONFIG_MAPS, config_map(namespace, "one", a=text), Object)
    assert (await client.get(CONFIG_MAPS, "one", Object, namespace=namespace))["data"] == {"a": text}
    await client.create(CONFIG_MAPS, config_map(namespace, "two", a="half \ud800"), Object, namespace=namespace)
    assert (await client.get(CONFIG_MAPS, "two", Object, namespace=namespace))["data"] == {"a": "half \ufffd"}


async def test_an_apply_by_force_names_what_it_stands_on(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    kube_client.server_side_apply(config_map(namespace, "one", a="theirs"), "somebody").expect(201)
    wanted = config_map(namespace, "one", a="ours")
    with pytest.raises(Invalid, match="neither UID nor version"):
        await client.unsafe_force_apply(CONFIG_MAPS, wanted, Object)
    metadata = (await client.get(CONFIG_MAPS, "one", Object, namespace=namespace))["metadata"]
    conditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    for wrong in ({**conditions, "uid": "1"}, {**conditions, "resourceVersion": "1"}):
        with pytest.raises((Conflict, Invalid)):  # another UID is 422 to the server, another version 409
            await client.unsafe_force_apply(CONFIG_MAPS, {**wanted, "metadata": wanted["metadata"] | wrong}, Object)
    forced = await client.unsafe_force_apply(
        CONFIG_MAPS, {**wanted, "metadata": wanted["metadata"] | conditions}, Object
    )
    assert forced.object["data"] == {"a": "ours"}


async def test_a_patch_is_made_whole_or_not_at_all(client: Client, namespace: str) -> None:
    made = await client.create(CONFIG_MAPS, config_map(namespace, "one", a="b"), Object, namespace=namespace)
    version = made.object["metadata"]["resourceVersion"]
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    change = {"op": "replace", "path": "/data/a", "value": "c"}
    await client.patch(CONFIG_MAPS, "one", [test, change], Object, namespace=namespace, dry_run=True)
    patched = await client.patch(CONFIG_MAPS, "one", [test, change], Object, namespace=namespace)
    assert patched.object["data"] == {"a": "c"}
    with pytest.raises(Invalid) as why:
        await client.patch(CONFIG_MAPS, "one", [test, {**change, "value": CANARY}], Object, namespace=namespace)
    assert why.value.code == "kube_invalid"
    assert CANARY not in why.value.diagnostics()


async def test_a_refusal_repeats_nothing_of_what_was_sent(client: Client, namespace: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "portreeve-pull", "namespace": namespace, "labels": {"a": f"{CANARY}!"}},
        "data": {".dockerconfigjson": SecretValue(CANARY)},
    }
    with pytest.raises(PortreeveError) as why:
        await client.create(SECRETS, secret, Object, namespace=namespace)
    assert CANARY not in why.value.diagnostics()
    assert CANARY not in repr(why.value.__context__)


async def test_a_list_comes_in_pages_of_one_version(client: Client, namespace: str) -> None:
    for number in range(7):
        await client.create(CONFIG_MAPS, config_map(namespace, f"n{number}"), Object, namespace=namespace)
    selection = Selection(namespace, fields="metadata.name!=kube-root-ca.crt")
    seen = [page async for page in client.pages(CONFIG_MAPS, Object, selection, limit=3)]
    assert [len(page.items) for page in seen] == [3, 3, 1]
    assert [page.first for page in seen] == [True, False, False]
    assert len({page.resource_version for page in seen}) == 1
    whole = await client.list(CONFIG_MAPS, Object, Selection(namespace), accept=METADATA_LIST)
    assert {one["kind"] for one in whole} == {"PartialObjectMetadata"}
    assert all("data" not in one for one in whole)


async def test_a_list_whose_page_is_gone_begins_anew(through_proxy: Client, proxy: FaultProxy, namespace: str) -> None:
    for number in range(4):
        await through_proxy.create(CONFIG_MAPS, config_map(namespace, f"n{number}"), Object, namespace=namespace)
    gone = Says(410, body={"kind": "Status", "reason": "Expired", "code": 410})
    proxy.inject(gone, "GET", contains="continue=")
    names = [one["metadata"]["name"] for one in await through_proxy.list(CONFIG_MAPS, Object, Selection(namespace))]
    assert names == ["kube-root-ca.crt", "n0", "n1", "n2", "n3"]
    pages = [page async for page in through_proxy.pages(CONFIG_MAPS, Object, Selection(namespace), limit=2)]
    assert [page.first for page in pages] == [True, True, False, False]
    proxy.inject(gone, "GET", contains="continue=", times=10)
    with pytest.raises(Gone):
        _ = [page async for page in through_proxy.pages(CONFIG_MAPS, Object, Selection(namespace), limit=2)]


async def test_a_watch_gives_what_changes_after_a_version(client: Client, namespace: str) -> None:
    made = await client.create(CONFIG_MAPS, config_map(namespace, "one"), Object, namespace=namespace)
    version = made.object["metadata"]["resourceVersion"]
    await client.apply(CONFIG_MAPS, config_map(namespace, "one", a="b"), Object)
    selection = Selection(namespace, fields="metadata.name=one")
    watched = client.watch(CONFIG_MAPS, Object, selection, resource_version=version, timeout_s=60)
    async with aclosing(watched) as events:
        changed = await anext(events)
        assert (changed.type, changed.object and changed.object["data"]) == ("MODIFIED", {"a": "b"})
        metadata = (await client.get(CONFIG_MAPS, "one", Object, namespace=namespace))["metadata"]
        assert changed.resource_version == metadata["resourceVersion"]
        await client.delete(
            CONFIG_MAPS,
            "one",
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            namespace=namespace,
        )
        assert (await anext(events)).type == "DELETED"


async def test_a_watch_ends_when_its_time_is_over(client: Client, namespace: str) -> None:
    page = await anext(client.pages(CONFIG_MAPS, Object, Selection(namespace)))
    watched = client.watch(
        CONFIG_MAPS, Object, Selection(namespace), resource_version=page.resource_version, timeout_s=1
    )
    assert {event.type async for event in watched} <= {"BOOKMARK"}


async def test_a_version_that_is_gone_is_told_within_the_stream(
    client: Client, kubernetes: Cluster, namespace: str
) -> None:
    """Events are the one kind whose watches go to etcd itself."""
    page = await anext(client.pages(EVENTS, Object, Selection(namespace)))
    for number in range(5):
        await client.create(CONFIG_MAPS, config_map(namespace, f"n{number}"), Object, namespace=namespace)
    kubernetes.compact()
    watched = client.watch(EVENTS, Object, Selection(namespace), resource_version=page.resource_version, timeout_s=30)
    with pytest.raises(Gone) as why:
        _ = [event async for event in watched]
    assert why.value.code == "kube_gone"


async def test_a_version_that_is_still_to_come_is_told(client: Client, namespace: str) -> None:
    with pytest.raises(Unavailable) as why:
        await anext(client.pages(CONFIG_MAPS, Object, Selection(namespace), not_older_than="99999999999"))
    assert why.value.code == "kube_version_ahead"


async def test_who_is_not_known_and_who_may_not_are_told_apart(kubernetes: Cluster, namespace: str) -> None:
    async with Client(as_token(kubernetes, "nobody-knows-this")) as stranger:
        with pytest.raises(Unauthenticated) as unknown:
            await stranger.get(SECRETS, "x", Object, namespace=namespace)
    assert unknown.value.code == "kube_unauthorized"
    async with Client(as_token(kubernetes, kubernetes.token("developer"))) as developer:
        with pytest.raises(Denied) as denied:
            await developer.list(SECRETS, Object)
        assert denied.value.code == "kube_forbidden"
        assert not await developer.can_i("list", SECRETS)


async def test_what_we_may_do_is_asked_and_not_tried(client: Client, namespace: str) -> None:
    assert await client.can_i("create", SERVICE_ACCOUNTS, namespace=namespace, subresource="token")


async def test_a_namespace_that_is_ending_takes_nothing_new(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    kept = config_map(namespace, "kept")
    kept["metadata"]["finalizers"] = ["test.portreeve.io/kept"]
    await client.create(CONFIG_MAPS, kept, Object, namespace=namespace)
    kube_client.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    with pytest.raises(NamespaceEnding):
        await client.apply(CONFIG_MAPS, config_map(namespace, "late"), Object)
    await client.patch(
        CONFIG_MAPS, "kept", [{"op": "remove", "path": "/metadata/finalizers"}], Object, namespace=namespace
    )


@pytest.mark.parametrize(
    ("status", "headers", "kind", "code", "wait_s"),
    [
        (429, {"Retry-After": "7"}, Throttled, "kube_throttled", 7.0),
        (429, {}, Throttled, "kube_throttled", None),
        (503, {"Retry-After": "2"}, Unavailable, "kube_unavailable", 2.0),
        (500, {}, Unavailable, "kube_unavailable", None),
        (504, {"Retry-After": "999999999999"}, Unavailable, "kube_unavailable", None),
        (302, {"Location": "http://127.0.0.1:1/"}, Invalid, "kube_unexpected", None),
    ],
)
async def test_a_server_in_trouble_is_a_kind_with_the_wait_that_it_names(
    through_proxy: Client,
    proxy: FaultProxy,
    status: int,
    headers: dict[str, str],
    kind: type[PortreeveError],
    code: str,
    wait_s: float | None,
) -> None:
    proxy.inject(Says(status, headers, {"kind": "Status", "message": CANARY}), "GET /api/v1/namespaces")
    with pytest.raises(kind) as why:
        await through_proxy.list(NAMESPACES, Object)
    assert (why.value.code, why.value.retry_after_s) == (code, wait_s)
    assert CANARY not in why.value.diagnostics()


async def test_a_lost_answer_to_a_write_is_an_error_and_the_write_is_not_sent_again(
    through_proxy: Client, proxy: FaultProxy, namespace: str
) -> None:
    proxy.inject(LosesAnswer(), "POST")
    with pytest.raises(Unavailable) as why:
        await through_proxy.create(CONFIG_MAPS, config_map(namespace, "one"), Object, namespace=namespace)
    assert why.value.code == "no_answer"
    assert sum(asked.startswith("POST") for asked in proxy.asked) == 1
    assert await through_proxy.get(CONFIG_MAPS, "one", Object, namespace=namespace)


async def test_a_read_is_sent_again_once_when_its_connection_ended(through_proxy: Client, proxy: FaultProxy) -> None:
    proxy.inject(Resets(), "GET /version")
    assert await through_proxy.version()
    proxy.inject(Resets(), "GET /version", times=2)
    with pytest.raises(Unavailable):
        await through_proxy.version()


async def test_an_answer_that_ends_early_is_no_answer(through_proxy: Client, proxy: FaultProxy) -> None:
    proxy.inject(Truncates(10), "GET /version", times=2)
    with pytest.raises(Unavailable) as why:
        await through_proxy.version()
    assert why.value.code == "no_answer"


async def test_many_tasks_share_a_client(client: Client, namespace: str) -> None:
    async def one(number: int) -> None:
        await client.create(CONFIG_MAPS, config_map(namespace, f"n{number}"), Object, namespace=namespace)
        await client.get(CONFIG_MAPS, f"n{number}", Object, namespace=namespace)

    await asyncio.gather(*(one(number) for number in range(100)))


async def test_an_apply_without_a_change_writes_nothing_and_a_dry_run_never_does(
    client: Client, namespace: str
) -> None:
    wanted = config_map(namespace, "one", a="b")
    await client.apply(CONFIG_MAPS, wanted, Object, dry_run=True)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "one", Object, namespace=namespace)
    first, again = [await client.apply(CONFIG_MAPS, wanted, Object) for _ in range(2)]
    assert (first.created, again.created) == (True, False)
    assert first.object["metadata"]["resourceVersion"] == again.object["metadata"]["resourceVersion"]


async def test_by_force_nothing_is_made_that_was_not_there(client: Client, namespace: str) -> None:
    wanted = config_map(namespace, "one", a="b")
    wanted["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1"}
    with pytest.raises((Conflict, Invalid, NotFound)):
        await client.unsafe_force_apply(CONFIG_MAPS, wanted, Object)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "one", Object, namespace=namespace)


ADMISSION = {"apiVersion": "admissionregistration.k8s.io/v1"}


async def test_who_refuses_is_named_and_what_they_say_is_not(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    """A policy of somebody's, and a quota that is used up."""
    name = f"none-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "validations": [{"expression": "false", "message": "hunter2"}],
    }
    policy = {**ADMISSION, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    bound = {"policyName": name, "validationActions": ["Deny"]}
    binding = {**ADMISSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": bound}
    for one in (policy, binding):
        kube_client.create(one).expect(201)
    try:
        refusal = await refused(client, namespace, RefusedByAdmission)
    finally:
        for one in (binding, policy):
            kube_client.delete(one)
    assert isinstance(refusal, RefusedByAdmission)
    assert (refusal.policy, refusal.binding) == (name, name)
    assert "hunter2" not in refusal.diagnostics()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": namespace}}
    kube_client.create({**quota, "spec": {"hard": {"secrets": "0"}}}).expect(201)
    path = kube_client.path("v1", "ResourceQuota", "none", namespace, "status")
    counted = {"status": {"hard": {"secrets": "0"}, "used": {"secrets": "0"}}}  # as the controller of quotas counts
    kube_client.request("PATCH", path, counted, "application/merge-patch+json").expect(200)
    assert (await refused(client, namespace, Denied, SECRETS)).code == "kube_quota"


async def refused(
    client: Client, namespace: str, kind: type[PortreeveError], resource: Resource = CONFIG_MAPS
) -> PortreeveError:
    """The error, once the server has taken the policy or the quota in."""
    wanted = config_map(namespace, "tried") | {"kind": resource.kind}
    async with asyncio.timeout(60):
        while True:
            try:
                await client.create(resource, wanted, Object, namespace=namespace, dry_run=True)
            except kind as error:
                return error
            await asyncio.sleep(0.05)

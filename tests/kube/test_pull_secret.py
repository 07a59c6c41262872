"""Our Secret and our entries as the agent makes them: with its few rights, and through a server in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from portreeve.errors import Denied, Throttled, Unavailable
from portreeve.kube import attachment, pull_secret
from portreeve.kube.attachment import Attached, Detached
from portreeve.kube.client import Client
from portreeve.kube.errors import RefusedByAdmission
from portreeve.kube.objects import Secret
from portreeve.kube.pull_secret import Kept, NamespaceLeaving, NotOurs, Raced, Removed
from portreeve.kube.resources import SECRETS
from tests.fakes.fault_proxy import FaultProxy, LosesAnswer, Says
from tests.kube.behaviour import CONTENT, ROTATED, STRANGE, account, kept, listed, secret, wanted
from tests.kube.conftest import as_token
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient, wait_until

pytestmark = pytest.mark.slow

RULES = [
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [pull_secret.NAME],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["default"], "verbs": ["get", "patch"]},
]
"""The agent's whole role for Secrets and ServiceAccounts. Source: kubernetes.md 2.4."""


@pytest.fixture
def agent_token(kubernetes: Cluster, kube_client: KubeClient, namespace: str) -> Iterator[str]:
    """A token of a ServiceAccount that has the agent's role."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    name = f"agent-{namespace}"
    role = {**rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": RULES}
    binding = {
        **rbac,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": namespace}],
    }
    for one in (role, binding, {**account(namespace, name="agent"), "imagePullSecrets": []}):
        kube_client.create(one).expect(201)
    path = kube_client.path("v1", "ServiceAccount", "agent", namespace, "token")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    yield kube_client.request("POST", path, asked).expect(201).body["status"]["token"]
    for one in (binding, role):
        kube_client.delete(one)


@pytest.fixture
async def agent(kubernetes: Cluster, agent_token: str) -> AsyncIterator[Client]:
    async with Client(as_token(kubernetes, agent_token)) as client:
        async with asyncio.timeout(60):
            # The authorizer sees a new role a moment later.
            while not await client.can_i("get", SECRETS, name=pull_secret.NAME):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.05)
        yield client


async def test_the_agent_s_role_is_enough_and_reaches_no_other_secret(
    agent: Client, kube_client: KubeClient, namespace: str
) -> None:
    theirs = secret(namespace, STRANGE)
    theirs["metadata"]["name"] = "theirs"
    kube_client.create(theirs).expect(201)
    first = await kept(agent, wanted(namespace))
    await kept(agent, wanted(namespace, ROTATED, first.uid))
    assert isinstance(await attachment.attach(agent, namespace, "default"), Attached)
    assert await attachment.detach(agent, namespace, "default") == Detached(written=True)
    assert first.uid in {one.uid for one in await pull_secret.sweep(agent)}
    assert await pull_secret.remove(agent, namespace, recorded_uid=first.uid) == Removed(written=True)
    with pytest.raises(Denied):
        await agent.get(SECRETS, "theirs", Secret, namespace=namespace)
    with pytest.raises(Denied):
        await agent.list(SECRETS, Secret)
    with pytest.raises(Denied):
        await attachment.attach(agent, namespace, "builder")


async def test_nothing_is_written_when_nothing_changes(kubernetes: Cluster, client: Client, namespace: str) -> None:
    """Counted in the server's own audit log."""
    first = await kept(client, wanted(namespace))
    await attachment.attach(client, namespace, "default")

    def writes() -> int:
        events = [one for one in kubernetes.all_audit_events() if one["verb"] not in {"get", "list", "watch"}]
        return sum(namespace == one.get("objectRef", {}).get("namespace") for one in events)

    before = wait_until(writes, "the audit log to have our writes")
    for _ in range(20):
        await kept(client, wanted(namespace, uid=first.uid))
        await attachment.attach(client, namespace, "default")
    # The log is written in order: what is seen of a later request was preceded by all earlier ones.
    await client.apply(
        SECRETS, {**secret(namespace, STRANGE), "metadata": {"name": "mark", "namespace": namespace}}, Secret
    )
    wait_until(lambda: writes() > before, "the mark")
    assert writes() == before + 1


async def test_an_answer_that_is_lost_is_made_good_by_the_next_call(
    through_proxy: Client, proxy: FaultProxy, namespace: str
) -> None:
    proxy.inject(LosesAnswer(), "PATCH")
    with pytest.raises(Unavailable):
        await pull_secret.keep(through_proxy, wanted(namespace))
    seen = await pull_secret.observe(through_proxy, namespace)
    assert seen is not None
    outcome = await pull_secret.keep(through_proxy, wanted(namespace))
    assert isinstance(outcome, NotOurs)  # ours by its marks; whoever decides records its UID
    assert not (await kept(through_proxy, wanted(namespace, uid=outcome.uid))).written
    proxy.inject(LosesAnswer(), "PATCH")
    with pytest.raises(Unavailable):
        await attachment.attach(through_proxy, namespace, "default")
    assert await attachment.attach(through_proxy, namespace, "default") == Attached(
        (await attachment_version(through_proxy, namespace)), written=False
    )
    assert await listed(through_proxy, namespace, "default") == (pull_secret.NAME,)


async def attachment_version(client: Client, namespace: str) -> str:
    again = await attachment.attach(client, namespace, "default")
    assert isinstance(again, Attached)
    return again.resource_version


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Throttled), (500, Unavailable), (503, Unavailable), (504, Unavailable)]
)
async def test_a_server_in_trouble_leaves_the_secret_as_it_is(
    status: int, kind: type[Exception], through_proxy: Client, proxy: FaultProxy, namespace: str
) -> None:
    first = await kept(through_proxy, wanted(namespace))
    for verb in ("GET /api/v1/namespaces", "PATCH"):
        proxy.inject(Says(status), verb)
        with pytest.raises(kind):
            await pull_secret.keep(through_proxy, wanted(namespace, ROTATED, first.uid))
        seen = await pull_secret.observe(through_proxy, namespace)
        assert seen is not None
        assert seen.data is not None
        assert seen.data[pull_secret.KEY].reveal() == CONTENT


async def test_conflicts_without_end_are_told_as_a_race(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, namespace: str
) -> None:
    conflict = Says(409, body={"kind": "Status", "reason": "Conflict", "code": 409})
    first = await kept(through_proxy, wanted(namespace))
    proxy.inject(conflict, "PATCH")
    assert await pull_secret.keep(through_proxy, wanted(namespace, ROTATED, first.uid)) == Raced()
    proxy.inject(conflict, "PATCH", times=attachment.ATTEMPTS - 1)
    assert isinstance(await attachment.attach(through_proxy, namespace, "default"), Attached)
    proxy.inject(conflict, "PATCH", times=attachment.ATTEMPTS)
    assert await attachment.detach(through_proxy, namespace, "default") == Raced()
    proxy.inject(conflict, "DELETE")
    assert await pull_secret.remove(through_proxy, namespace, recorded_uid=first.uid) == Raced()


async def test_a_namespace_that_is_ending_and_one_that_was_made_again(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    name = f"{namespace}-b"
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kube_client.create(obj).expect(201)
    first = await kept(client, wanted(name))
    metadata = {"name": "held", "namespace": name, "finalizers": ["test.portreeve.io/held"]}
    kube_client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).expect(201)
    kube_client.delete(obj)
    await asyncio.to_thread(
        wait_until, lambda: kube_client.get("v1", "Secret", pull_secret.NAME, name).status == 404, "the Secret to go"
    )
    assert await pull_secret.keep(client, wanted(name, uid=first.uid)) == NamespaceLeaving()
    path = kube_client.path("v1", "ConfigMap", "held", name)
    kube_client.request("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json").expect(200)
    await asyncio.to_thread(
        wait_until, lambda: kube_client.get("v1", "Namespace", name).status == 404, "the namespace to be gone"
    )
    assert await pull_secret.keep(client, wanted(name, uid=first.uid)) == NamespaceLeaving()
    kube_client.create(obj).expect(201)
    second = await kept(client, wanted(name, uid=first.uid))
    assert second.created
    assert second.uid != first.uid
    kube_client.delete(obj)


async def test_a_quota_that_is_used_up_is_told_as_such(client: Client, kube_client: KubeClient, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"secrets": "0"}},
    }
    kube_client.create(quota).expect(201)
    path = kube_client.path("v1", "ResourceQuota", "none", namespace, "status")
    status = {"status": {"hard": {"secrets": "0"}, "used": {"secrets": "0"}}}  # as the controller of quotas counts
    kube_client.request("PATCH", path, status, "application/merge-patch+json").expect(200)
    async with asyncio.timeout(60):
        while True:
            try:
                outcome = await kept(client, wanted(namespace))
            except Denied as error:
                refusal = error
                break
            await pull_secret.remove(client, namespace, recorded_uid=outcome.uid)
    assert refusal.code == "kube_quota"


ADMISSION = {"apiVersion": "admissionregistration.k8s.io/v1"}


def matching(namespace: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {"resourceRules": [rule], "namespaceSelector": selector}


async def test_somebody_s_policy_that_refuses_our_secret_is_named(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    name = f"no-secrets-{namespace}"
    spec = {"matchConstraints": matching(namespace), "validations": [{"expression": "false", "message": "hunter2"}]}
    policy = {**ADMISSION, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    bound = {"policyName": name, "validationActions": ["Deny"]}
    binding = {**ADMISSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": bound}
    for one in (policy, binding):
        kube_client.create(one).expect(201)
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    outcome = await kept(client, wanted(namespace))
                except RefusedByAdmission as error:
                    refusal = error
                    break
                await pull_secret.remove(client, namespace, recorded_uid=outcome.uid)
    finally:
        for one in (binding, policy):
            kube_client.delete(one)
    assert (refusal.policy, refusal.binding) == (name, name)
    assert "hunter2" not in refusal.diagnostics()


async def test_somebody_s_mutation_of_our_secret_is_told_and_not_fought(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    name = f"mutate-{namespace}"
    changed = "JSONPatch{op: 'add', path: '/data/more', value: 'eA=='}"
    spec = {
        "matchConstraints": matching(namespace),
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{changed}]"}}],
        "reinvocationPolicy": "Never",
        "failurePolicy": "Ignore",
    }
    policy = {**ADMISSION, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    bound = {"policyName": name}
    binding = {**ADMISSION, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": bound}
    for one in (policy, binding):
        kube_client.create(one).expect(201)
    try:
        async with asyncio.timeout(60):
            while not (made := await kept(client, wanted(namespace))).altered:
                await pull_secret.remove(client, namespace, recorded_uid=made.uid)
        again = await pull_secret.keep(client, wanted(namespace, uid=made.uid))
    finally:
        for one in (binding, policy):
            kube_client.delete(one)
    assert isinstance(again, Kept)
    assert again.altered

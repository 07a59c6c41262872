"""What the agent may and may not do, asked of the real API server with its own token.

Source: kubernetes.md 2.4; threats AG-06, AG-07.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from portreeve.core.admission_objects import Admitted, Refused
from portreeve.core.agent_messages import ApplySecret, DeleteSecret, Outcome, PatchServiceAccount, ReadServiceAccount
from portreeve.core.cluster_events import Event, Subject, pull_secret_attached
from portreeve.core.credential import AuthEntry, CredentialRef, Login
from portreeve.core.observation import AccountSeen, SecretSeen
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import compile_policy
from portreeve.core.secret import SecretValue
from portreeve.core.sources import resolve
from portreeve.kube import admission
from portreeve.kube.admission import Applied, Gone, Probe
from portreeve.kube.client import Client
from portreeve.reconciler.requests import Requests
from portreeve.reconciler.telling import manifest
from tests.deploy.installed import AGENT, CHART, MANAGER, Installed, pod, secret
from tests.kube.conftest import as_token
from tests.tools.cel import CelChecker
from tests.tools.charts import Charts
from tests.tools.kubeclient import DRY_RUN, wait_until

pytestmark = pytest.mark.slow

SERVER = {"server": "https://portreeve.example.com"}
ADMISSION = "admissionregistration.k8s.io"
POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
READ = ("get", "list", "watch")
WRITE = (*READ, "create", "patch", "delete")
ALL = (*WRITE, "update", "deletecollection")


def may(scene: Installed, verb: str, resource: str, name: str = "", namespace: str = "") -> bool:
    """Whether the API server would authorise it; `resource` is group/plural or group/plural/subresource."""
    group, plural, subresource = (*resource.split("/"), "")[:3]
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": {**attributes, "namespace": namespace}},
    }
    return bool(scene.agent.create(review).expect(201).body["status"]["allowed"])


NEEDED = [
    ("/secrets", "portreeve-pull", WRITE),
    ("/serviceaccounts", "", READ),
    ("/serviceaccounts", "default", ("get", "patch")),
    ("/namespaces", "", READ),
    ("/pods", "", (*READ, "create")),
    ("/events", "", READ),
    *[(f"apps/{one}", "", READ) for one in ("daemonsets", "deployments", "replicasets", "statefulsets")],
    *[(f"batch/{one}", "", READ) for one in ("cronjobs", "jobs")],
    ("events.k8s.io/events", "", ("create",)),
    (f"{ADMISSION}/{POLICIES}", "portreeve-images", WRITE),
    *[(f"{ADMISSION}/{BINDINGS}", f"portreeve-images-{one}", WRITE) for one in ("deny", "warn", "system")],
    *[(f"{ADMISSION}/{one}", "portreeve-agent-guard", ("get",)) for one in (POLICIES, BINDINGS)],
    ("portreeve.io/registryaccesses", "", READ),
    ("portreeve.io/registryaccesses/status", "any", ("patch",)),
    ("authorization.k8s.io/selfsubjectaccessreviews", "", ("create",)),
]

REFUSED = [
    ("/secrets", "", ALL),
    ("/secrets", "theirs", ALL),
    ("/secrets", "portreeve-pull", ("update", "deletecollection")),
    ("/serviceaccounts", "builder", ("patch", "update", "delete", "impersonate")),
    ("/serviceaccounts", "default", ("update", "delete")),
    ("/serviceaccounts", "", ("create", "patch")),
    ("/serviceaccounts/token", "default", ("create",)),
    ("/pods", "any", ("patch", "update", "delete")),
    *[
        (f"/pods/{one}", "any", ("create", "get"))
        for one in ("exec", "attach", "portforward", "log", "ephemeralcontainers")
    ],
    ("/namespaces", "any", ("create", "patch", "update", "delete")),
    ("/configmaps", "", ALL),
    ("/nodes", "", READ),
    ("/nodes/proxy", "any", ("get", "create")),
    ("/users", "", ("impersonate",)),
    ("apps/deployments", "any", ("create", "patch", "update", "delete")),
    (f"{ADMISSION}/{POLICIES}", "", READ),
    (f"{ADMISSION}/{POLICIES}", "theirs", WRITE),
    *[
        (f"{ADMISSION}/{one}", name, ("list", "watch", "create", "patch", "update", "delete"))
        for one in (POLICIES, BINDINGS)
        for name in ("portreeve-agent-guard", "portreeve-no-read")
    ],
    *[
        (f"{ADMISSION}/mutatingadmissionpolic{one}", "portreeve-attach", ("create", "patch", "update", "delete"))
        for one in ("ies", "ybindings")
    ],
    *[(f"{ADMISSION}/{one}webhookconfigurations", "", ALL) for one in ("validating", "mutating")],
    *[
        (f"rbac.authorization.k8s.io/{one}", "any", (*ALL, "bind", "escalate"))
        for one in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    ],
    ("certificates.k8s.io/certificatesigningrequests", "", ("create", "approve")),
    ("portreeve.io/registryaccesses", "any", ("create", "patch", "update", "delete")),
]


def test_the_agent_may_do_what_it_needs_and_nothing_of_what_it_must_not(scene: Installed) -> None:
    missing = [(verb, *one[:2]) for one in NEEDED for verb in one[2] if not may(scene, verb, one[0], one[1])]
    given = [(verb, *one[:2]) for one in REFUSED for verb in one[2] if may(scene, verb, one[0], one[1])]
    assert (missing, given) == ([], [])


def test_of_secrets_it_reaches_its_own_in_every_namespace_and_no_other(scene: Installed) -> None:
    """The measured table."""
    theirs = secret(scene.namespace, "theirs", labels={})
    scene.admin.create(theirs).expect(201)
    named = "fieldSelector=metadata.name%3D"
    everywhere, here = "/api/v1/secrets", f"/api/v1/namespaces/{scene.namespace}/secrets"
    assert scene.agent.create(secret(scene.namespace)).status == 403
    assert scene.apply_secret(name="other").status == 403
    assert scene.apply_secret().status == 201
    for refused in (
        f"{here}/theirs",
        here,
        everywhere,
        f"{everywhere}?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dportreeve",
        f"{everywhere}?{named}theirs",
        f"{everywhere}?{named}theirs&watch=1&timeoutSeconds=1",
    ):
        assert scene.agent.request("GET", refused).status == 403, refused
    for allowed in (f"{everywhere}?{named}portreeve-pull", f"{here}?{named}portreeve-pull"):
        found = scene.agent.request("GET", allowed).expect(200).body["items"]
        # Other tests have left their own elsewhere; of no other name there is one.
        assert {one["metadata"]["name"] for one in found} == {"portreeve-pull"}
        assert scene.namespace in {one["metadata"]["namespace"] for one in found}
    watched = scene.agent.request("GET", f"{everywhere}?{named}portreeve-pull&watch=1&timeoutSeconds=1")
    assert watched.status == 200
    assert "theirs" not in str(watched.body)
    assert scene.agent.delete(theirs).status == 403
    assert scene.agent.delete(secret(scene.namespace)).status == 200


def test_policies_are_listed_one_by_one(scene: Installed) -> None:
    path = f"/apis/{ADMISSION}/v1/{POLICIES}"
    statuses = {
        query: scene.agent.request("GET", f"{path}?{query}").status
        for query in (
            "",
            "fieldSelector=metadata.name%3Dportreeve-images",
            "fieldSelector=metadata.name%3Dportreeve-agent-guard",
        )
    }
    assert list(statuses.values()) == [403, 200, 403]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "Opaque"}, "must be of type"),
        (
            {
                "type": "kubernetes.io/service-account-token",
                "annotations": {"kubernetes.io/service-account.name": "default"},
            },
            "must be of type",
        ),
        ({"annotations": {"kubernetes.io/service-account.name": "default"}}, "annotated for a ServiceAccount"),
        ({"annotations": {"kubernetes.io/service-account.uid": "1"}}, "annotated for a ServiceAccount"),
        ({"labels": {}}, "must have the label"),
        ({"labels": {"app.kubernetes.io/managed-by": "helm"}}, "must have the label"),
        ({"data": {".dockerconfigjson": "e30=", "token": "eA=="}}, "and nothing else"),
        ({"stringData": {"token": "x"}}, "and nothing else"),
        ({"namespace": "kube-system"}, "system namespace"),
        ({"namespace": "kube-public"}, "system namespace"),
    ],
)
def test_the_guard_refuses_a_secret_that_is_not_a_pull_secret(
    changes: dict[str, Any], says: str, scene: Installed
) -> None:
    answer = scene.apply_secret(**changes)
    assert answer.status == 422
    assert "portreeve-agent-guard" in answer.message
    assert says in answer.message


@pytest.mark.parametrize(("verb", "force"), [("apply", True), ("patch", False), ("delete", False)])
def test_somebody_s_secret_of_our_name_is_neither_taken_over_nor_deleted(
    verb: str, force: bool, scene: Installed
) -> None:
    theirs = secret(scene.namespace, labels={"team": "payments"})
    scene.admin.create(theirs).expect(201)
    try:
        if verb == "apply":
            answer = scene.apply_secret(force=force)
        elif verb == "patch":
            path = scene.agent.path("v1", "Secret", "portreeve-pull", scene.namespace)
            ours = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "portreeve"}}}
            answer = scene.agent.request("PATCH", path, ours, "application/merge-patch+json")
        else:
            answer = scene.agent.delete(theirs)
        assert answer.status == 422
        assert "somebody else's" in answer.message
        kept = scene.admin.get("v1", "Secret", "portreeve-pull", scene.namespace).expect(200).body
        assert kept["metadata"]["labels"] == {"team": "payments"}
    finally:
        scene.admin.delete(theirs).expect(200)


def test_pods_are_made_as_dry_runs_only(scene: Installed) -> None:
    assert scene.agent.create(pod(scene.namespace), DRY_RUN).status == 201
    refused = scene.agent.create(pod(scene.namespace))
    assert refused.status == 422
    assert "only as dry runs" in refused.message
    assert scene.admin.get("v1", "Pod", "p", scene.namespace).status == 404
    assert scene.admin.create(pod(scene.namespace)).status == 201, "the guard binds nobody else"
    scene.admin.delete(pod(scene.namespace), {"gracePeriodSeconds": "0"}).expect(200)


ADD = {"op": "add", "path": "/imagePullSecrets", "value": [{"name": "portreeve-pull"}]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/imagePullSecrets", "value": [{"name": "theirs"}]},
        {"op": "add", "path": "/imagePullSecrets", "value": [{"name": "mine"}, {"name": "other"}]},
        {"op": "remove", "path": "/imagePullSecrets"},
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        {
            "op": "add",
            "path": "/metadata/annotations",
            "value": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"},
        },
        {
            "op": "add",
            "path": "/metadata/ownerReferences",
            "value": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}],
        },
        {"op": "add", "path": "/metadata/finalizers", "value": ["portreeve.io/x"]},
        {"op": "add", "path": "/automountServiceAccountToken", "value": True},
        {"op": "add", "path": "/secrets", "value": [{"name": "portreeve-pull"}]},
    ],
)
def test_of_a_service_account_nothing_changes_but_our_entry(operation: dict[str, Any], scene: Installed) -> None:
    path = scene.admin.path("v1", "ServiceAccount", "default", scene.namespace)
    own = {"imagePullSecrets": [{"name": "mine"}], "automountServiceAccountToken": False}
    before = scene.admin.request("PATCH", path, own, "application/merge-patch+json").expect(200).body
    refused = scene.patch_account("default", operation)
    assert refused.status == 422
    assert "portreeve-agent-guard" in refused.message
    assert scene.admin.request("GET", path).body == before


def test_our_entry_comes_and_goes_beside_those_of_others(scene: Installed) -> None:
    path = scene.admin.path("v1", "ServiceAccount", "default", scene.namespace)
    own = {"imagePullSecrets": [{"name": "mine"}]}
    scene.admin.request("PATCH", path, own, "application/merge-patch+json").expect(200)
    added = scene.patch_account("default", {**ADD, "path": "/imagePullSecrets/-", "value": {"name": "portreeve-pull"}})
    assert added.expect(200).body["imagePullSecrets"] == [{"name": "mine"}, {"name": "portreeve-pull"}]
    gone = scene.patch_account("default", {"op": "remove", "path": "/imagePullSecrets/1"})
    assert gone.expect(200).body["imagePullSecrets"] == [{"name": "mine"}]


def test_other_service_accounts_take_the_optional_role(scene: Installed, charts: Charts) -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "builder", "namespace": scene.namespace},
    }
    scene.admin.create(account).expect(201)
    assert scene.patch_account("builder", ADD).status == 403
    values = {
        "server": "https://portreeve.example.com",
        "attach": {"enabled": True},
        "rbac": {"patchAllServiceAccounts": True},
    }
    wider = charts.render(CHART, values, namespace=scene.home)
    role = [wider.of(kind, f"{AGENT}-serviceaccounts") for kind in ("ClusterRole", "ClusterRoleBinding")]
    assert wider.names - scene.rendered.names == {(one["kind"], one["metadata"]["name"]) for one in role}
    for one in role:
        scene.admin.create(one).expect(201)
    try:
        wait_until(lambda: may(scene, "patch", "/serviceaccounts", "builder"), "the optional role")
        assert scene.patch_account("builder", ADD).status == 200
        refused = scene.patch_account("builder", {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}})
        assert refused.status == 422
    finally:
        for one in role:
            scene.admin.delete(one).expect(200)


def test_the_guard_and_the_no_read_policy_are_out_of_the_agent_s_reach(scene: Installed) -> None:
    for one in scene.rendered.objects:
        if one["kind"].startswith("Validating"):
            assert scene.agent.delete(one).status == 403
            assert scene.agent.server_side_apply(one, MANAGER, {"force": "true"}).status == 403


def test_its_own_policy_cannot_read_secrets_as_parameters(scene: Installed) -> None:
    """A policy may quote its parameters in its messages; the server asks whether its author may read them."""
    policy = {
        "apiVersion": f"{ADMISSION}/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "portreeve-images"},
        "spec": {
            "paramKind": {"apiVersion": "v1", "kind": "Secret"},
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "validations": [{"expression": "false", "messageExpression": "string(params.data.token)"}],
        },
    }
    refused = scene.agent.server_side_apply(policy, MANAGER, DRY_RUN)
    assert refused.status == 422
    assert "on all objects of the referenced paramKind" in refused.message
    del policy["spec"]["paramKind"]  # type: ignore[attr-defined]
    policy["spec"]["validations"] = [{"expression": "true"}]  # type: ignore[index]
    assert scene.agent.server_side_apply(policy, MANAGER, DRY_RUN).expect(201).ok


PROVED = Probe(Refused("portreeve-images", "portreeve-images-deny", 1), Admitted())


async def test_what_the_agent_s_code_does_its_rights_suffice_for(scene: Installed) -> None:
    """Secret, attachment, policy and probe, by the code that runs in the agent and under the guard."""
    # That of the other tests' pods: the server goes on with a policy for a moment once it is gone.
    source = AllowedSource(parse_prefix("registry.example.com"))
    policy = RegistryPolicy("prod", stage=Stage.DENY, generation=1, sources=(source,))
    manifests = compile_policy(resolve(policy))
    async with Client(as_token(scene.cluster, scene.token)) as client:
        requests = Requests(client, monotonic=time.monotonic, chance=lambda: 0.5)
        entry = AuthEntry("r.example.com/", CredentialRef("c", 1), Login("robot", SecretValue("pw")))
        kept = await requests.carried_out(ApplySecret(scene.namespace, "", "", (entry,)))
        assert isinstance(kept.seen, SecretSeen)
        assert kept.seen.marked
        account = await requests.carried_out(ReadServiceAccount(scene.namespace, "default"))
        assert isinstance(account.seen, AccountSeen)
        assert not account.seen.tracked
        # As of an account that began bare: the managed fields that our patch brings along pass the guard, too.
        at = account.seen.resource_version, account.seen.pull_secrets, account.seen.tracked
        attached = await requests.carried_out(PatchServiceAccount(scene.namespace, "default", True, *at))
        assert isinstance(attached.seen, AccountSeen)
        assert attached.seen.shows_ours
        assert attached.seen.pull_secrets[-1] == "portreeve-pull"
        applied = await admission.apply(client, manifests, recorded_uids={})
        assert all(isinstance(one, Applied) for one in applied), applied
        asked = {"refused": "ghcr.io/other/a:1", "allowed": "registry.example.com/a:1"}
        async with asyncio.timeout(60):
            while (probe := await admission.probe(client, scene.namespace, **asked)) != PROVED:
                assert "Untold" not in str(probe)
                await asyncio.sleep(0.05)
        uids = {one.name: one.uid for one in applied if isinstance(one, Applied)}
        for one in reversed(manifests):
            name = one["metadata"]["name"]
            assert isinstance(await admission.remove(client, one["kind"], name, recorded_uid=uids[name]), Gone)
        after = attached.seen.resource_version, attached.seen.pull_secrets
        detached = await requests.carried_out(PatchServiceAccount(scene.namespace, "default", False, *after))
        removing = DeleteSecret(scene.namespace, kept.seen.uid, kept.seen.resource_version)
        removed = await requests.carried_out(removing)
        assert (detached.outcome, removed.outcome) == (Outcome.DONE, Outcome.DONE)


def test_the_guard_holds_even_for_a_role_that_is_wider(charts: Charts, cel_checker: CelChecker) -> None:
    """What the role refuses already, and the oldest release: somebody may have given the agent more."""
    guard = charts.render(CHART, SERVER).of("ValidatingAdmissionPolicy", "portreeve-agent-guard")
    agent = {"username": f"system:serviceaccount:portreeve-system:{AGENT}", "groups": ["system:authenticated"]}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "shop"}}
    running = pod("shop")
    with cel_checker.evaluator(guard) as evaluator:
        other = evaluator.review(secret("shop", "other"), user=agent)
        assert "no Secret but portreeve-pull" in other.message
        for operation in ("CREATE", "DELETE"):
            old = account if operation == "DELETE" else None
            made = evaluator.review(None if old else account, old, operation=operation, user=agent)
            assert "makes and deletes no ServiceAccounts" in made.message
        changed = evaluator.review(running, running, operation="UPDATE", user=agent, dry_run=True)
        assert "only as dry runs" in changed.message
        assert evaluator.review(secret("shop"), user=agent).allowed
        assert evaluator.review(running, user=agent, dry_run=True).allowed
        assert evaluator.review(secret("shop", "other", type="Opaque")).allowed, "of somebody else"


def test_without_its_guard_the_agent_makes_no_pods_at_all(charts: Charts) -> None:
    role = charts.render(CHART, {"server": "https://x.example", "guard": {"enabled": False}}).of("ClusterRole", AGENT)
    assert not [rule for rule in role["rules"] if "pods" in rule["resources"] and "create" in rule["verbs"]]


def test_it_says_what_it_has_to_say_as_events(scene: Installed) -> None:
    """Repeated ones are new ones with a series: the role lets it create Events, and not change them."""
    subject = Subject(scene.namespace, "ServiceAccount", "default", "any")
    for count in (1, 2):
        said = manifest(Event(pull_secret_attached(subject), datetime.now(UTC), count))
        made = scene.agent.create(said).expect(201).body
        assert made.get("series", {}).get("count", 1) == count
        path = f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events/{made['metadata']['name']}"
        changed = scene.agent.request("PATCH", path, {"note": "other"}, "application/merge-patch+json")
        assert changed.status == 403

"""Other people's pull secrets on the real API server, taken over into a real control plane, and taken away."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portreeve.cli.retiring import removed
from portreeve.core.retirement import Removal
from portreeve.errors import Invalid
from portreeve.kube.client import Client
from portreeve.kube.retiring import Done
from tests.canary import Canary, Finder
from tests.cli.conftest import Operator, operator_of
from tests.cli.program import Outcome
from tests.kube.conftest import connected
from tests.server.plane import document
from tests.server.served import Served, served
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient
from tests.tools.registry import PASSWORD, USER, Access, DockerRegistry

pytestmark = pytest.mark.slow

CANARY = f"canary-{secrets.token_hex(12)}"
OTHER = f"canary-{secrets.token_hex(12)}"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ENDED = 1_600_000_000
ECR_TOKEN = base64.b64encode(
    json.dumps({"payload": CANARY, "version": "2", "type": "DATA_KEY", "expiration": ENDED}).encode()
).decode()
SECRETS = (CANARY, OTHER, ECR_TOKEN)


ALONE = """
import sys
def _alone(event, arguments):
    if event in {"subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system"}:
        raise AssertionError("the program started another one")
sys.addaudithook(_alone)
"""
"""What is started by no one has no arguments for everybody to see."""


def login(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


@dataclass
class Estate:
    """A cluster with two namespaces of its own, and an operator who uses it."""

    kube: KubeClient
    operator: Operator
    kubeconfig: Path
    shop: str
    jobs: str

    def adopt(self, *arguments: str, env: dict[str, str] | None = None) -> Outcome:
        """Run the verb. No password may stand in anything that it writes."""
        done = self.operator.run("adopt", *arguments, env={"KUBECONFIG": str(self.kubeconfig), **(env or {})})
        for secret in SECRETS:
            for form in (secret, base64.b64encode(secret.encode()).decode()):
                assert form not in done.out + done.err
        return done

    def secret(self, namespace: str, name: str, auths: Any, **metadata: Any) -> None:
        self.put(namespace, name, "kubernetes.io/dockerconfigjson", ".dockerconfigjson", {"auths": auths}, **metadata)

    def put(self, namespace: str, name: str, kind: str, key: str, content: Any, **metadata: Any) -> None:
        data = {key: base64.b64encode(json.dumps(content).encode()).decode()}
        about = {"name": name, "namespace": namespace, **metadata}
        obj = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": about, "data": data}
        self.kube.create(obj).expect(201)

    def deliver(self, namespace: str, auths: Any) -> None:
        """What an agent would have made."""
        content = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
        metadata = {"name": "portreeve-pull", "namespace": namespace,
                    "labels": {"app.kubernetes.io/managed-by": "portreeve"}}  # fmt: skip
        obj = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": metadata,
               "data": {".dockerconfigjson": content}}  # fmt: skip
        path = f"/api/v1/namespaces/{namespace}/secrets/portreeve-pull"
        query = {"fieldManager": "portreeve"}
        self.kube.request("PATCH", path, obj, "application/apply-patch+yaml", query).expect(201)

    def account(self, namespace: str, *names: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        patch = [{"op": "add", "path": "/imagePullSecrets", "value": [{"name": name} for name in names]}]
        self.kube.request("PATCH", path, patch, "application/json-patch+json").expect(200)

    def entries(self, namespace: str) -> list[str]:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        body = self.kube.request("GET", path).expect(200).body
        return [one["name"] for one in body.get("imagePullSecrets", ())]

    def names(self, namespace: str) -> set[str]:
        body = self.kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets").expect(200).body
        return {one["metadata"]["name"] for one in body["items"]}

    def pod(self, namespace: str, name: str, *pulls: str, image: str = "nginx") -> dict[str, Any]:
        spec: dict[str, Any] = {"containers": [{"name": "main", "image": image}]}
        spec |= {"imagePullSecrets": [{"name": one} for one in pulls]} if pulls else {}
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
        self.kube.create(obj).expect(201)
        return obj


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("plane")
    with served(f"sqlite:///{folder / 'portreeve.db'}", folder) as started:
        started.put(
            document("EnvironmentGroup", "production", type="kubernetes"),
            document("Environment", "prod-eu", type="kubernetes", tier="production", group="production"),
        )
        yield started


@pytest.fixture
def estate(plane: Served, kubernetes: Cluster, kube_client: KubeClient, tmp_path: Path) -> Iterator[Estate]:
    names = [f"{word}-{secrets.token_hex(4)}" for word in ("shop", "jobs")]
    made = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    for obj, name in zip(made, names, strict=True):
        kube_client.create(obj).expect(201)
        kube_client.wait_for("v1", "ServiceAccount", "default", name)
    operator = operator_of(plane, tmp_path / "operator", f"user-{secrets.token_hex(4)}")
    guard = operator.program.folder / "guard" / "sitecustomize.py"
    guard.write_text(guard.read_text() + ALONE)
    yield Estate(kube_client, operator, kubernetes.kubeconfig, *names)
    for obj in made:
        kube_client.delete(obj)


def test_a_report_of_many_kinds_of_secrets(estate: Estate) -> None:
    shop, jobs = estate.shop, estate.jobs
    harbor = {"harbor.example.com": login("robot$shop", CANARY)}
    estate.secret(shop, "harbor", harbor)
    estate.secret(jobs, "copy", {"https://harbor.example.com/v2/": login("robot$shop", CANARY)})
    estate.secret(shop, "two", {"https://index.docker.io/v1/": login("acme", OTHER), "quay.io/acme": login("a", OTHER)})
    estate.secret(shop, "ecr", {ECR: login("AWS", ECR_TOKEN)})
    estate.secret(shop, "fresh", {ECR: login("AWS", "opaque")})
    estate.secret(shop, "garbage", "none")
    estate.secret(shop, "broken", {"r.example.com": {"auth": "???"}, "s.example.com": login("u", OTHER)})
    estate.put(shop, "old", "kubernetes.io/dockercfg", ".dockercfg", {"old.example.com": login("u", OTHER)})
    estate.put(shop, "opaque", "Opaque", ".dockerconfigjson", {"auths": harbor})
    estate.account(shop, "harbor", "absent")
    estate.pod(shop, "direct", "two", "opaque")
    estate.deliver(jobs, harbor)
    done = estate.adopt("-n", shop, "-n", jobs, "-o", "json")
    assert done.code == 0, done.err
    found = {(one["namespace"], one["name"]): one for one in done.json["secrets"]}
    states = {key: set(one["states"]) for key, one in found.items()}
    assert states == {
        (jobs, "copy"): {"orphaned", "duplicate"},
        (jobs, "portreeve-pull"): {"ours"},
        (shop, "harbor"): {"duplicate"},
        (shop, "two"): {"several-hosts"},
        (shop, "ecr"): {"orphaned", "expired"},
        (shop, "fresh"): {"orphaned"},
        (shop, "garbage"): {"orphaned", "invalid"},
        (shop, "broken"): {"orphaned", "invalid", "several-hosts"},
        (shop, "old"): {"orphaned"},
        (shop, "opaque"): {"wrong-type"},
    }
    assert [(one["host"], one["username"]) for one in found[shop, "two"]["logins"]] == [
        ("docker.io", "acme"),
        ("quay.io", "a"),
    ]
    assert found[shop, "ecr"]["logins"][0]["expiresAt"] == "2020-09-13T12:26:40Z"
    fresh = found[shop, "fresh"]
    life = datetime.fromisoformat(fresh["logins"][0]["expiresAt"]) - datetime.fromisoformat(fresh["createdAt"])
    assert (fresh["logins"][0]["expiryFrom"], life.total_seconds()) == ("age", 12 * 3600)
    (group,) = done.json["groups"]
    assert set(group["secrets"]) == {f"{jobs}/copy", f"{shop}/harbor"}
    assert found[shop, "harbor"]["logins"][0]["group"] == group["group"]
    assert [(one["kind"], one["name"]) for one in found[shop, "harbor"]["usedBy"]] == [("ServiceAccount", "default")]
    assert [(one["kind"], one["name"]) for one in found[shop, "two"]["usedBy"]] == [("Pod", "direct")]
    assert [(one["namespace"], one["name"]) for one in done.json["dangling"]] == [(shop, "absent")]
    text = estate.adopt("-n", shop)
    assert "robot$shop@harbor.example.com" in text.out
    assert "its token ended at 2020-09-13T12:26:40Z" in text.err


def test_what_no_role_allows_is_said_and_skipped(estate: Estate, kubernetes: Cluster, tmp_path: Path) -> None:
    shop, jobs = estate.shop, estate.jobs
    rules = [{"apiGroups": [""], "resources": ["secrets", "serviceaccounts", "pods"], "verbs": ["list"]}]
    rbac, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    metadata = {"name": "reader", "namespace": shop}
    role = {"apiVersion": rbac, "kind": "Role", "rules": rules, "metadata": metadata}
    reference = {"apiGroup": group, "kind": "Role", "name": "reader"}
    developer = [{"kind": "User", "name": "developer", "apiGroup": group}]
    binding = {"apiVersion": rbac, "kind": "RoleBinding", "metadata": metadata, "roleRef": reference,
               "subjects": developer}  # fmt: skip
    estate.kube.create(role).expect(201)
    estate.kube.create(binding).expect(201)
    estate.secret(shop, "harbor", {"harbor.example.com": login("u", CANARY)})
    cluster = {"server": kubernetes.url, "certificate-authority": str(kubernetes.ca_file)}
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": kubernetes.token("developer")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": shop}}],
        "current-context": "c",
    }  # fmt: skip
    file = tmp_path / "reader.kubeconfig"
    file.write_text(json.dumps(config))
    done = estate.adopt("-n", shop, "-n", jobs, "-o", "json", env={"KUBECONFIG": str(file)})
    assert done.code == 0, done.err
    assert [(one["name"], one["states"]) for one in done.json["secrets"]] == [("harbor", ["use-unknown"])]
    unseen = {one["namespace"]: one["resources"] for one in done.json["unseen"]}
    assert "secrets" in unseen[jobs]
    assert "secrets" not in unseen[shop]
    assert "deployments" in unseen[shop]
    # Without names of namespaces, which it may not list either: the one of its context.
    text = estate.adopt(env={"KUBECONFIG": str(file)})
    assert (text.code, "harbor" in text.out, "namespaces" in text.err) == (0, True, True)
    # Nothing is taken away where not everything is seen.
    estate.account(shop, "portreeve-pull", "harbor")
    estate.deliver(shop, {"harbor.example.com/": login("u", CANARY)})
    kept = estate.adopt("--retire", f"{shop}/harbor", "--environment", "prod-eu", "-n", shop, "-y",
                        env={"KUBECONFIG": str(file)})  # fmt: skip
    assert (kept.code, "not all that may name it can be listed" in kept.err) == (0, True)
    assert estate.entries(shop) == ["portreeve-pull", "harbor"]


def test_secrets_become_registries_with_access_and_then_go(estate: Estate, capfd: pytest.CaptureFixture[str]) -> None:
    shop, jobs, operator = estate.shop, estate.jobs, estate.operator
    host = f"{shop}.example.com"
    estate.secret(shop, "regcred", {f"{host}/team": login("robot$shop", CANARY)})
    estate.secret(jobs, "regcred", {f"https://{host}/v2/team": login("robot$shop", CANARY)})
    estate.secret(shop, "ecr", {ECR: login("AWS", ECR_TOKEN)})
    estate.account(shop, "regcred", "other")
    estate.pod(jobs, "worker", "regcred", image=f"{host}/team/api:1")
    picked = (f"{shop}/regcred", f"{jobs}/regcred", f"{shop}/ecr")
    asked = estate.adopt(*picked, "--environment", "prod-eu")
    assert (asked.code, "answer_needed" in asked.err) == (2, True), asked.err
    proposed = estate.adopt(*picked, "--environment", "prod-eu", "--dry-run=client", "-o", "json")
    assert [one["kind"] for one in proposed.json["documents"]] == ["Registry", "RegistryAccess"]
    planned = estate.adopt(*picked, "--environment", "prod-eu", "--dry-run=server", "-o", "json")
    assert (planned.code, planned.json["state"]) == (0, "planned")
    assert host not in operator.run("get", "registries", "-o", "json").out
    done = estate.adopt(*picked, "--environment", "prod-eu", "-y", "-o", "json")
    assert (done.code, done.json["state"]) == (0, "confirmed"), done.err
    assert [(one["name"], one["reason"]) for one in done.json["leftOut"]] == [("ecr", "expired")]
    name = done.json["credentials"][0]["registry"]
    registry = operator.run("get", "registry", name, "-o", "json").json
    assert (registry["spec"]["host"], registry["spec"]["path"]) == (host, "team")
    assert registry["status"]["credentials"][0]["state"] == "stored"
    access = operator.run("get", "access", f"{name}-prod-eu", "-o", "json").json
    assert access["spec"]["namespaces"]["names"] == sorted([shop, jobs])
    # It was sent, and is in no log of the control plane, no answer of it, and no file that the program left.
    logs = "".join(capfd.readouterr())
    assert "/api/v1/registries/{name}/credentials/{purpose}" in logs
    finder = Finder([Canary("pull", CANARY)])
    audit = operator.run("audit", "-o", "json").out
    for sink, text in (("logs", logs), ("export", operator.run("export").out), ("audit", audit)):
        assert finder.search(text, sink) == []
    left = [file for file in operator.program.folder.rglob("*") if file.is_file()]
    assert [hit for file in left for hit in finder.search(file.read_bytes(), str(file))] == []
    again = estate.adopt(*picked[:2], "--environment", "prod-eu", "-y")
    assert (again.code, again.out, "which stays" in again.err) == (0, "", True), again.err

    retiring = ("--retire", *picked[:2], "--environment", "prod-eu", "-y", "-n", shop, "-n", jobs)
    early = estate.adopt(*retiring)
    assert (early.code, early.err.count("Portreeve delivers nothing")) == (0, 2), early.err
    for namespace in (shop, jobs):
        estate.deliver(namespace, {f"{host}/team/": login("robot$shop", CANARY)})
    estate.account(shop, "regcred", "portreeve-pull", "other")
    for how in ("client", "server"):
        dry = estate.adopt(*retiring, f"--dry-run={how}")
        assert (dry.code, f"delete {shop}/regcred" in dry.out) == (0, True), dry.err
    assert estate.entries(shop) == ["regcred", "portreeve-pull", "other"]
    assert "regcred" in estate.names(shop)
    gone = estate.adopt(*retiring, "-o", "json")
    assert (gone.code, [one["outcome"] for one in gone.json["steps"]]) == (0, ["done", "done"]), gone.out + gone.err
    assert [(one["namespace"], one["reason"], one["about"]) for one in gone.json["kept"]] == [
        (jobs, "used", "Pod/worker")
    ]
    assert estate.entries(shop) == ["portreeve-pull", "other"]
    assert "regcred" not in estate.names(shop)
    assert {"ecr", "portreeve-pull"} <= estate.names(shop)
    assert "regcred" in estate.names(jobs)


async def test_a_secret_that_is_named_meanwhile_is_not_deleted(estate: Estate, kubernetes: Cluster) -> None:
    shop = estate.shop
    estate.secret(shop, "old", {"harbor.example.com": login("u", CANARY)})
    about = estate.kube.request("GET", f"/api/v1/namespaces/{shop}/secrets/old").expect(200).body["metadata"]
    step = Removal(shop, "old", about["uid"], about["resourceVersion"])
    late = estate.pod(shop, "late", "old")
    async with Client(connected(kubernetes)) as client:
        assert await removed(client, step, dry_run=False) == "it is still named by Pod/late"
        assert "old" in estate.names(shop)
        estate.kube.delete(late)
        assert await removed(client, step, dry_run=False) is Done.DONE
    assert "old" not in estate.names(shop)


def test_what_is_not_ours_to_take_away_stays(estate: Estate) -> None:
    shop = estate.shop
    auths = {"harbor.example.com": login("u", CANARY)}
    delivered = {"harbor.example.com/": login("u", CANARY)}
    estate.secret(shop, "helm", auths, annotations={"meta.helm.sh/release-name": "shop"})
    estate.secret(shop, "wider", {**auths, "quay.io": login("u", OTHER)})
    estate.secret(shop, "orphan", auths)
    estate.put(shop, "opaque", "Opaque", "key", "value")
    estate.account(shop, "portreeve-pull", "helm", "wider", "opaque")
    estate.deliver(shop, delivered)
    done = estate.adopt("--retire", "--all", "--environment", "prod-eu", "-n", shop, "-y", "-o", "json")
    assert (done.code, done.json["steps"]) == (0, []), done.err
    assert {one["name"]: one["reason"] for one in done.json["kept"]} == {
        "helm": "managed",
        "wider": "not_covered",
        "orphan": "orphan_not_named",
        "opaque": "wrong_type",
        "portreeve-pull": "ours",
    }
    assert estate.entries(shop) == ["portreeve-pull", "helm", "wider", "opaque"]
    assert {"helm", "wider", "orphan", "opaque", "portreeve-pull"} <= estate.names(shop)
    named = estate.adopt("--retire", f"{shop}/orphan", "--environment", "prod-eu", "-n", shop, "-y")
    assert (named.code, named.out) == (0, f"delete {shop}/orphan: done\n")
    assert "orphan" not in estate.names(shop)


def test_every_host_of_a_secret_becomes_a_registry(estate: Estate) -> None:
    shop, unique = estate.shop, estate.shop.removeprefix("shop-")
    key = json.dumps({"type": "service_account", "client_email": "pull@acme.example.com", "private_key": CANARY})
    auths = {
        "https://index.docker.io/v1/": login(f"acme{unique}", OTHER),
        f"quay.io/{unique}": login(f"{unique}+pull", OTHER),
        f"ghcr.io/{unique}": login("acmebot", OTHER),
        f"europe-docker.pkg.dev/{unique}/shop": login("_json_key", key),
        f"{unique}.azurecr.io": login("00000000-0000-0000-0000-000000000001", OTHER),
        f"{unique}.example.com:5000": login("DOMAIN\\user", OTHER),
    }
    estate.secret(shop, "many", auths)
    done = estate.adopt("--all", "-n", shop, "--environment", "prod-eu", "-y")
    assert (done.code, "name it to take it over" in done.err) == (2, True)
    endless = estate.adopt(f"{shop}/many", "--environment", "prod-eu", "-y")
    assert (endless.code, endless.err.split(":")[0], unique in endless.err) == (2, "adopt_endless", True)
    assert unique not in estate.operator.run("get", "registries", "-o", "name").out
    done = estate.adopt(f"{shop}/many", "--environment", "prod-eu", "-y", "-o", "json",
                        "--expires-at", "2027-06-01T00:00:00Z")  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert (done.json["leftOut"], len(done.json["credentials"])) == ([], 6)
    told = estate.operator.run("get", "registries", "-o", "json").json["items"]
    mine = {one["spec"]["provider"] for one in told if unique in json.dumps(one["spec"])}
    assert {"docker-hub", "quay", "ghcr", "gar", "acr", "generic"} == mine


def test_logins_are_tried_at_their_registry(
    estate: Estate, docker_registry: Callable[[Access], DockerRegistry]
) -> None:
    registry = docker_registry(Access.HTPASSWD)
    estate.operator.program.write("ca.pem", registry.authority)
    host = f"127.0.0.1:{registry.port}"
    estate.secret(estate.shop, "good", {host: login(USER, PASSWORD)})
    estate.secret(estate.shop, "wrong", {host: login(USER, CANARY)})
    estate.secret(estate.shop, "nowhere", {"127.0.0.1:1": login(USER, OTHER)})
    done = estate.adopt("-n", estate.shop, "--probe", "--registry-ca", "ca.pem", "-o", "json")
    found = {one["name"]: (one["logins"][0]["probe"], "refused" in one["states"]) for one in done.json["secrets"]}
    assert found.pop("nowhere")[0] not in {"accepted", "refused"}
    assert found == {"good": ("accepted", False), "wrong": ("refused", True)}
    assert PASSWORD not in done.out + done.err
    # What is refused is not taken over, so that two passwords of one user are no question.
    words = ("-n", estate.shop, "--probe", "--registry-ca", "ca.pem", "--environment", "prod-eu", "--dry-run=client")
    taken = estate.adopt(f"{estate.shop}/good", f"{estate.shop}/wrong", *words, "-o", "json")
    assert [(one["name"], one["reason"]) for one in taken.json["leftOut"]] == [("wrong", "refused")]
    unsure = estate.adopt(f"{estate.shop}/good", f"{estate.shop}/wrong", "--environment", "prod-eu", "-y")
    assert (unsure.code, unsure.err.count("another password")) == (2, 2), unsure.err


@pytest.mark.parametrize(
    "words",
    [
        ("a/b", "--all"),
        ("a",),
        ("--retire", "--all"),
        ("--environment", "prod-eu"),
        ("--registry-ca", "x"),
        ("--expires-at", "2027-06-01T00:00:00Z"),
        ("a/b", "--environment", "x", "--expires-at", "soon"),
    ],
)
def test_words_that_do_not_fit_together_are_refused(words: tuple[str, ...]) -> None:
    from portreeve.cli.adopt import command

    with pytest.raises(Invalid) as refused:
        command.main(list(words), standalone_mode=False)
    assert refused.value.code == "usage"


def test_what_is_not_there_and_what_holds_nothing(estate: Estate) -> None:
    absent = estate.adopt(f"{estate.shop}/absent", "--environment", "prod-eu")
    assert absent.err.startswith("adopt_not_found")
    estate.secret(estate.shop, "garbage", "none")
    nothing = estate.adopt(f"{estate.shop}/garbage", "--environment", "prod-eu", "-y")
    assert (nothing.code, "adopt_nothing" in nothing.err, "it holds no logins" in nothing.err) == (2, True, True)

"""`portreeve explain` against a real API server and real registries: each way in which a pull fails has its own cause.

There are no nodes. What a kubelet would write is put where it would write it, in the words of `tests.fakes.kubelet`;
all else is real: the admission policy, the Secrets and who may read them, the registry's answer to the very login.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.cli.main import run
from portreeve.core.credential import CredentialRef, Login
from portreeve.core.explanation import Cause
from portreeve.core.observation import ENTRIES_ANNOTATION, PULL_SECRET, EntryFact, encode_facts
from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import compile_policy
from portreeve.core.secret import SecretValue
from portreeve.core.sources import resolve
from portreeve.oci.asking import Asking
from portreeve.sandbox.pushing import push
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust
from tests.e2e.governed import govern, remove
from tests.fakes import kubelet
from tests.fakes.images import image as built_image
from tests.fakes.images import index
from tests.tools.certificates import CertificateAuthority
from tests.tools.cluster import Cluster, KubeClient, wait_until
from tests.tools.loopback import Asked, Says, answering
from tests.tools.registry import NARROW, NARROW_PASSWORD, PASSWORD, USER, Access, DockerRegistry

pytestmark = pytest.mark.slow

CANARY = "password-that-nobody-may-see"
NODE = "worker-of-explain"
GRANT = "portreeve grant REGISTRY --environment ENVIRONMENT -n {namespace}"


@dataclass
class World:
    """A namespace, registries, and the program as a user of both."""

    kube: KubeClient
    namespace: str
    passwords: DockerRegistry
    tokens: DockerRegistry
    folder: Path
    arguments: list[str] = field(default_factory=list)

    def create(self, kind: str, name: str, **more: Any) -> None:
        api = {"Deployment": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "v1")
        metadata = {"name": name, "namespace": self.namespace, **more.pop("metadata", {})}
        self.kube.create({"apiVersion": api, "kind": kind, "metadata": metadata, **more}).expect(201)

    def role(self, name: str) -> None:
        """Give the user `developer` a role of Kubernetes' own in this namespace."""
        group = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": self.namespace},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "User", "name": "developer", "apiGroup": group}],
        }
        self.kube.create(binding).expect(201)

    def owned(self, kind: str, name: str) -> dict[str, Any]:
        """The metadata of an object that a controller has made for another one."""
        uid = self.kube.get("batch/v1", kind, name, self.namespace).expect(200).json()["metadata"]["uid"]
        owner = {"apiVersion": "batch/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
        return {"ownerReferences": [owner]}

    def pull_secret(
        self, name: str, key: str, user: str = USER, password: str = PASSWORD, ends: datetime | None = None
    ) -> None:
        """A Secret as `kubectl create secret docker-registry` makes it; ours with its annotation if it ends."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        content = json.dumps({"auths": {key: {"username": user, "password": password, "auth": auth}}})
        fact = EntryFact(key, CredentialRef("harbor-pull", 3, ends), True)
        marks = {ENTRIES_ANNOTATION: encode_facts((fact,))} if ends else {}
        data = {".dockerconfigjson": base64.b64encode(content.encode()).decode()}
        self.create("Secret", name, type="kubernetes.io/dockerconfigjson", data=data, metadata={"annotations": marks})

    def attach(self, *names: str) -> None:
        """Have the default ServiceAccount name pull secrets."""
        path = self.kube.path("v1", "ServiceAccount", "default", self.namespace)
        body = {"imagePullSecrets": [{"name": name} for name in names]}
        self.kube.request("PATCH", path, body, "application/merge-patch+json").expect(200)

    def pod(self, image: str, *own: str, message: str = "", pulled: bool = False, node: str = "") -> str:
        """A pod that waits, with what a kubelet says of it. Admission copies the ServiceAccount's pull secrets."""
        spec: dict[str, Any] = {"containers": [{"name": "app", "image": image}], "nodeName": node or NODE}
        if own:
            spec["imagePullSecrets"] = [{"name": name} for name in own]
        self.create("Pod", "api", spec=spec)
        state: dict[str, Any] = {"running": {}} if pulled else {"waiting": _waiting(image, message)}
        status = {
            "name": "app", "image": image, "imageID": f"{image}@sha256:{'0' * 64}" if pulled else "",
            "ready": pulled, "restartCount": 0, "state": state,
        }  # fmt: skip
        path = self.kube.path("v1", "Pod", "api", self.namespace, "status")
        body = {"status": {"phase": "Running" if pulled else "Pending", "containerStatuses": [status]}}
        self.kube.request("PATCH", path, body, "application/merge-patch+json").expect(200)
        if message:
            self.event("Pod", "api", "Failed", message)
        return "pod/api"

    def event(self, kind: str, name: str, reason: str, message: str, hour: int = 12) -> None:
        about = {
            "kind": kind,
            "namespace": self.namespace,
            "name": name,
            "fieldPath": "spec.containers{app}",
        }
        self.create(
            "Event", f"{name}.{secrets.token_hex(4)}", involvedObject=about, type="Warning", reason=reason,
            message=message[:1024], count=4, lastTimestamp=f"2026-11-28T{hour}:00:00Z", source={"component": "kubelet"},
        )  # fmt: skip


def _waiting(image: str, message: str) -> dict[str, str]:
    """As before Kubernetes 1.32: after the first attempts the status no longer says why, only the event does."""
    if not message:
        return {"reason": "ContainerCreating"}
    return {"reason": "ImagePullBackOff", "message": kubelet.BACK_OFF.format(image=image)}


def said(message: str, image: str) -> str:
    host, _, rest = image.partition("/")
    return message.format(image=image, host=host, path=rest.partition(":")[0], secret="regcred")


def at(registry: DockerRegistry, path: str = "team/app:1.4") -> str:
    return f"127.0.0.1:{registry.port}/{path}"


def pushed(registry: DockerRegistry, repository: str, platform: str) -> None:
    """An image for one platform, under tag 1.4."""

    async def send() -> None:
        budget = Budget()
        child = built_image(repository)
        trust, rules = Trust(ca_bundle=registry.authority), AddressRules.of(["127.0.0.0/8"])
        async with Outward(registry.origin, trust, rules, budget) as outward:
            realms = [registry.realm] if registry.realm else []
            login = Login(USER, SecretValue(PASSWORD))
            asking = Asking(
                registry.origin, outward, login=login, realms=realms, now=lambda: datetime.now(UTC), budget=budget
            )
            await push(asking, repository, child)
            await push(asking, repository, index([child], [platform]), "1.4")

    asyncio.run(send())


@pytest.fixture(scope="module")
def registries(docker_registry: Callable[[Access], DockerRegistry]) -> tuple[DockerRegistry, DockerRegistry]:
    passwords, tokens = docker_registry(Access.HTPASSWD), docker_registry(Access.TOKEN)
    pushed(passwords, "team/app", "linux/amd64")
    pushed(tokens, "team/app", "linux/amd64")
    return passwords, tokens


@pytest.fixture(scope="module")
def node(kubernetes: Cluster) -> Iterator[None]:
    """An arm64 node, as far as the API server knows."""
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    info = {"architecture": "arm64", "operatingSystem": "linux"}
    blank = dict.fromkeys(
        ("bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion", "machineID",
         "osImage", "systemUUID"), "",
    )  # fmt: skip
    with kubernetes.client() as client:
        client.create(made).expect(201)
        path = client.path("v1", "Node", NODE, subresource="status")
        client.request("PATCH", path, {"status": {"nodeInfo": info | blank}}, "application/merge-patch+json").expect(
            200
        )
        yield
        client.delete(made).expect(200)


@pytest.fixture
def world(
    kubernetes: Cluster,
    kube_client: KubeClient,
    registries: tuple[DockerRegistry, DockerRegistry],
    node: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    name = f"explain-{secrets.token_hex(4)}"
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kube_client.create(obj).expect(201)
    kube_client.wait_for("v1", "ServiceAccount", "default", name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    passwords, tokens = registries
    (tmp_path / "ca.pem").write_text(passwords.authority + tokens.authority)
    yield World(kube_client, name, passwords, tokens, tmp_path, ["--registry-ca", "ca.pem", "--realm", tokens.realm])
    kube_client.delete(obj)


Explained = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def explained(world: World, capsys: pytest.CaptureFixture[str]) -> Explained:
    """Runs the program; exit code and JSON. Nothing that it writes, in any form, holds a password."""

    def explain(what: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        words = ["explain", what, "-n", world.namespace, *world.arguments, *arguments]
        run(words)
        text = capsys.readouterr()
        code = run([*words, "-o", "json"])
        answer = capsys.readouterr()
        for output in (text.out, text.err, answer.out, answer.err):
            assert not any(secret in output for secret in (PASSWORD, NARROW_PASSWORD, CANARY))
        found = json.loads(answer.out)
        assert "explanations" in found, answer.err
        assert all(f"{one['cause']}: " in text.out for one in found["explanations"])
        return code, found

    return explain


# The twelve


@dataclass(frozen=True)
class Mode:
    """A way to fail: how to bring it about, what is to be found, and how the first line of the fix begins."""

    seed: Callable[[World], str]
    cause: Cause
    fix: str
    status: int | None = None
    more: tuple[str, ...] = ()


MODES: dict[str, Mode] = {}


def mode(name: str, cause: Cause, fix: str, status: int | None = None, *more: str) -> Callable[..., Any]:
    def register(seed: Callable[[World], str]) -> Callable[[World], str]:
        MODES[name] = Mode(seed, cause, fix, status, more)
        return seed

    return register


@mode("no grant", Cause.NO_GRANT, GRANT, 401)
def _no_grant(world: World) -> str:
    image = at(world.tokens)
    return world.pod(image, message=said(kubelet.ANONYMOUS, image))


@mode("wrong key", Cause.WRONG_KEY, "kubectl create secret docker-registry regcred", 401)
def _wrong_key(world: World) -> str:
    world.pull_secret("regcred", "127.0.0.1:443")
    world.attach("regcred")
    image = at(world.passwords)
    return world.pod(image, message=said(kubelet.REFUSED, image))


@mode("expired", Cause.EXPIRED, "portreeve rotate registry REGISTRY --secret-stdin", 401)
def _expired(world: World) -> str:
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    world.pull_secret(PULL_SECRET, f"127.0.0.1:{world.passwords.port}/", password=CANARY, ends=ended)
    world.attach(PULL_SECRET)
    image = at(world.passwords)
    return world.pod(image, message=said(kubelet.REFUSED, image))


@mode("401 scope", Cause.SCOPE, "portreeve validate registry REGISTRY --image team/app:1.4", 401)
def _scope(world: World) -> str:
    world.pull_secret("regcred", f"127.0.0.1:{world.tokens.port}", NARROW, NARROW_PASSWORD)
    world.attach("regcred")
    image = at(world.tokens)
    return world.pod(image, message=said(kubelet.SCOPE, image))


@mode("tls", Cause.CERTIFICATE, "on the nodes: /etc/containerd/certs.d/127.0.0.1:", None)
def _tls(world: World) -> str:
    world.arguments = []  # its authority is not one of this machine's
    image = at(world.passwords)
    return world.pod(image, message=said(kubelet.CERTIFICATE, image))


@mode(
    "dns",
    Cause.DNS,
    f"kubectl debug node/{NODE} -it --image=busybox -- nslookup harbour.example.com",
    None,
    "--no-probe",
)
def _dns(world: World) -> str:
    image = "harbour.example.com/team/app:1.4"
    return world.pod(image, message=said(kubelet.DNS, image))


@mode("service account without secret", Cause.ACCOUNT_WITHOUT_SECRET, "kubectl patch serviceaccount default", 401)
def _account(world: World) -> str:
    world.pull_secret(PULL_SECRET, f"127.0.0.1:{world.passwords.port}/")
    image = at(world.passwords)
    return world.pod(image, message=said(kubelet.REFUSED, image))


@mode("own imagePullSecrets", Cause.OWN_PULL_SECRETS, "kubectl patch deployment/api", 401)
def _own(world: World) -> str:
    world.pull_secret(PULL_SECRET, f"127.0.0.1:{world.passwords.port}/")
    world.pull_secret("old", "quay.io")
    world.attach(PULL_SECRET)
    image = at(world.passwords)
    spec = {"containers": [{"name": "app", "image": image}], "imagePullSecrets": [{"name": "old"}]}
    labels = {"app": "api"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    world.create("Deployment", "api", spec={"selector": {"matchLabels": labels}, "template": template})

    def pod() -> str | None:
        listed = world.kube.request("GET", world.kube.path("v1", "Pod", "", world.namespace)).expect(200)
        return next((one["metadata"]["name"] for one in listed.json()["items"]), None)

    name = wait_until(pod, "the ReplicaSet to make a pod")
    world.event("Pod", name, "Failed", said(kubelet.REFUSED, image))
    return "deploy/api"


@mode("architecture missing", Cause.PLATFORM, "docker buildx build --platform linux/arm64", 200)
def _platform(world: World) -> str:
    world.pull_secret("regcred", f"127.0.0.1:{world.passwords.port}")
    world.attach("regcred")
    image = at(world.passwords)
    return world.pod(image, message=said(kubelet.PLATFORM, image))


@pytest.mark.parametrize("name", MODES)
def test_each_way_to_fail_has_its_cause(world: World, explained: Explained, name: str) -> None:
    wanted = MODES[name]
    what = wanted.seed(world)
    code, found = explained(what, *wanted.more)
    (one,) = found["explanations"]
    assert (code, one["cause"]) == (1, wanted.cause), one
    assert one["fixes"][0].startswith(wanted.fix.format(namespace=world.namespace))
    assert world.namespace in " ".join(one["fixes"]) or wanted.cause in {
        Cause.CERTIFICATE, Cause.DNS, Cause.EXPIRED, Cause.SCOPE, Cause.PLATFORM,
    }  # fmt: skip
    assert (one["probe"] or {}).get("status") == wanted.status


def test_a_rate_limit_is_told_with_what_the_registry_says_of_it(
    world: World, explained: Explained, tmp_path: Path
) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("limited", "limited", hosts=("127.0.0.1",))

    def answer(asked: Asked) -> Says:
        body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}'
        return Says(
            429, body, {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600", "Retry-After": "60"}
        )

    with answering(answer, certificate=certificate) as limited:
        world.arguments = ["--registry-ca", str(authority.file)]
        image = f"{limited.url.removeprefix('https://')}/library/busybox:1.4"
        what = world.pod(image, message=said(kubelet.RATE_LIMIT, image))
        code, found = explained(what)
    (one,) = found["explanations"]
    assert (code, one["cause"], one["probe"]["status"]) == (1, Cause.RATE_LIMIT, 429)
    assert one["fixes"][:2] == [GRANT.format(namespace=world.namespace), "portreeve limits REGISTRY"]
    assert "no login was shown" in one["sentence"]


@pytest.fixture
def governed(world: World) -> Iterator[Callable[..., None]]:
    """Puts a policy in force that allows one registry, until the end of the test."""
    applied: list[Any] = []

    def apply(*exemptions: Exemption) -> None:
        policy = RegistryPolicy(
            "prod-sources", stage=Stage.DENY, generation=7, sources=(AllowedSource(parse_prefix("ghcr.io/acme")),)
        )
        applied.extend(compile_policy(resolve(policy, exemptions=exemptions)))
        govern(world.kube, applied, world.namespace)

    yield apply
    remove(world.kube, applied, world.namespace)


def test_a_blocked_source_is_told_and_the_command_of_the_refusal_works(
    world: World,
    explained: Explained,
    governed: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    kubernetes: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    governed()
    image = "ghcr.io/other/web:1"
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    world.create("Deployment", "web", spec={"selector": {"matchLabels": labels}, "template": template})

    def refusal() -> str | None:
        listed = world.kube.request("GET", world.kube.path("v1", "Event", "", world.namespace)).expect(200)
        return next((one["message"] for one in listed.json()["items"] if one["reason"] == "FailedCreate"), None)

    message = wait_until(refusal, "the ReplicaSet's FailedCreate event")
    for what in ("deployment/web", image):
        code, found = explained(what, "--no-probe")
        (one,) = found["explanations"]
        assert (code, one["cause"]) == (1, Cause.SOURCE_BLOCKED), one
        assert (one["verdict"]["policy"], one["verdict"]["generation"]) == ("prod-sources", 7)
        assert one["verdict"]["by"] == "the cluster's policy"
        assert one["fixes"][0].startswith(
            f"portreeve exempt request NAME --policy prod-sources --image ghcr.io/other/web -n {world.namespace}"
        )
    # The command as the refusal has it, to the letter.
    command = shlex.split(message.partition("why: portreeve ")[2])
    assert command == ["explain", image, "-n", world.namespace]
    assert run([*command, "--no-probe"]) == 1
    assert "source_blocked: " in capsys.readouterr().out
    # Who may not read the policy has the API server asked, by a dry run.
    world.role("edit")
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig_of(kubernetes, world.folder)))
    (one,) = explained(image, "--no-probe")[1]["explanations"]
    assert (one["cause"], one["verdict"]["by"]) == (Cause.SOURCE_BLOCKED, "a dry run")
    (one,) = explained("ghcr.io/acme/web", "--no-probe")[1]["explanations"]
    assert one["verdict"]["decision"] == "ALLOW"


def test_an_exemption_that_has_expired_is_told_of_what_runs_by_it(
    world: World, explained: Explained, governed: Callable[..., None]
) -> None:
    image = "docker.io/library/redis:7"
    what = world.pod(image, pulled=True)
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    prefix = parse_prefix("docker.io/library/redis")
    governed(Exemption("redis-until-june", "prod-sources", ended, prefix, state=ExemptionState.ACTIVE))
    code, found = explained(what, "--no-probe")
    (one,) = found["explanations"]
    assert (code, one["cause"]) == (1, Cause.EXEMPTION_EXPIRED), one
    assert f"{ended:%Y-%m-%dT%H:%M:%SZ}" in one["sentence"]
    assert one["fixes"][0] == "portreeve exempt renew NAME --expires-at TIME"


# Beside the twelve


def test_a_pull_that_works_is_told_as_one(world: World, explained: Explained) -> None:
    world.pull_secret("regcred", f"127.0.0.1:{world.tokens.port}")
    world.attach("regcred")
    image = at(world.tokens)
    code, found = explained(image)
    (one,) = found["explanations"]
    assert (code, one["cause"], one["probe"]["status"], one["fixes"]) == (0, Cause.NONE, 200, [])
    assert [(offer["secret"], offer["key"]) for offer in one["offered"]] == [
        ("regcred", f"127.0.0.1:{world.tokens.port}")
    ]
    code, found = explained(world.pod(image, pulled=True), "--no-probe")
    assert (code, found["explanations"][0]["cause"]) == (0, Cause.NONE)


@pytest.mark.parametrize(
    ("hour", "message", "code", "cause"),
    [
        (13, kubelet.SCOPE, 0, Cause.NONE),
        (11, kubelet.SCOPE, 1, Cause.NO_GRANT),
        (11, 'Failed to pull image "{image}": something that nobody has seen before', 3, Cause.UNKNOWN),
    ],
)
def test_an_event_of_a_pull_that_worked_counts_if_none_failed_after_it(
    world: World, explained: Explained, hour: int, message: str, code: int, cause: Cause
) -> None:
    image = at(world.passwords)
    what = world.pod(image)
    world.event("Pod", "api", "Failed", said(message, image))
    world.event("Pod", "api", "Failed", "Error: ErrImagePull")
    pulled = f'Successfully pulled image "{image}" in 1.2s (1.2s including waiting). Image size: 4283 bytes.'
    world.event("Pod", "api", "Pulled", pulled, hour)
    found = explained(what, "--no-probe")
    assert (found[0], found[1]["explanations"][0]["cause"]) == (code, cause)


def test_a_pod_from_before_its_secret_is_told_to_be_made_anew(world: World, explained: Explained) -> None:
    image = at(world.passwords)
    what = world.pod(image, message=said(kubelet.REFUSED, image))
    world.pull_secret(PULL_SECRET, f"127.0.0.1:{world.passwords.port}/")
    world.attach(PULL_SECRET)
    (one,) = explained(what)[1]["explanations"]
    assert one["cause"] == Cause.POD_BEFORE_SECRET
    assert one["fixes"][0].startswith(f"kubectl delete pod api -n {world.namespace}")


def test_a_named_secret_that_is_not_there(world: World, explained: Explained) -> None:
    image = at(world.passwords)
    what = world.pod(image, "regcred", message=said(kubelet.REFUSED, image))
    world.event("Pod", "api", "FailedToRetrieveImagePullSecret", said(kubelet.SECRET_MISSING, image))
    (one,) = explained(what)[1]["explanations"]
    assert one["cause"] == Cause.SECRET_MISSING
    assert "regcred" in one["sentence"]


def test_of_the_pods_of_a_workload_the_newest_that_waits_for_an_image_tells(world: World, explained: Explained) -> None:
    """Through the Job between; the message stands in the status alone, as Kubernetes 1.32 and later write it."""
    image = at(world.passwords)
    spec = {"containers": [{"name": "app", "image": image}], "restartPolicy": "Never"}
    world.create(
        "CronJob", "report", spec={"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": spec}}}}
    )
    world.create("Job", "report-1", spec={"template": {"spec": spec}}, metadata=world.owned("CronJob", "report"))
    for name, message in (("report-1-a", said(kubelet.REFUSED, image)), ("report-1-b", "")):
        world.create("Pod", name, spec=spec | {"nodeName": NODE}, metadata=world.owned("Job", "report-1"))
        waiting = {"reason": "ImagePullBackOff", "message": f"{kubelet.BACK_OFF.format(image=image)}: {message}"}
        state = {"waiting": waiting} if message else {"waiting": {"reason": "ContainerCreating"}}
        status = {"name": "app", "image": image, "imageID": "", "ready": False, "restartCount": 0, "state": state}
        path = world.kube.path("v1", "Pod", name, world.namespace, "status")
        body = {"status": {"phase": "Pending", "containerStatuses": [status]}}
        world.kube.request("PATCH", path, body, "application/merge-patch+json").expect(200)
    code, found = explained("cronjob/report", "--no-probe")
    (one,) = found["explanations"]
    assert (code, one["cause"], one["pod"], one["object"]) == (1, Cause.NO_GRANT, "report-1-a", "CronJob/report")
    assert explained("job/report-1", "--no-probe")[1]["explanations"][0]["pod"] == "report-1-a"


def test_what_the_caller_may_not_read_is_said_and_never_passed_over(
    world: World, explained: Explained, kubernetes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.role("view")
    world.pull_secret(PULL_SECRET, f"127.0.0.1:{world.passwords.port}/", password=CANARY)
    world.attach(PULL_SECRET)
    image = at(world.passwords)
    what = world.pod(image, message=said(kubelet.REFUSED, image))
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig_of(kubernetes, world.folder)))
    code, found = explained(what)
    (one,) = found["explanations"]
    assert (code, one["cause"]) == (1, Cause.UNAUTHORIZED), one
    assert one["pullSecrets"] == [{"name": PULL_SECRET, "reading": "forbidden", "keys": []}]
    assert f"you may not read Secret {PULL_SECRET}" in one["notRead"]
    assert f"kubectl auth can-i get secret/{PULL_SECRET} -n {world.namespace}" in one["fixes"][0]
    # Nothing failed so far, and who would be asked as is not known: that is not good.
    code, found = explained(image)
    assert (code, found["explanations"][0]["cause"]) == (3, Cause.UNKNOWN)


def _kubeconfig_of(kubernetes: Cluster, folder: Path) -> Path:
    cluster = {"server": kubernetes.url, "certificate-authority": str(kubernetes.ca_file)}
    config: Mapping[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": kubernetes.token("developer")}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "developer.json"
    path.write_text(json.dumps(config))
    return path


def test_what_a_fix_says_mends_it(world: World, explained: Explained) -> None:
    """The patch of a ServiceAccount, as the fix has it, keeps the entries of others."""
    world.pull_secret(PULL_SECRET, f"127.0.0.1:{world.passwords.port}/")
    world.pull_secret("theirs", "quay.io")
    world.attach("theirs")
    image = at(world.passwords)
    what = world.pod(image, message=said(kubelet.REFUSED, image))
    (one,) = explained(what)[1]["explanations"]
    assert one["cause"] == Cause.ACCOUNT_WITHOUT_SECRET
    words = shlex.split(one["fixes"][0])
    path = world.kube.path("v1", "ServiceAccount", words[3], words[5])
    patched = world.kube.request("PATCH", path, json.loads(words[-1]), "application/json-patch+json").expect(200)
    assert [entry["name"] for entry in patched.json()["imagePullSecrets"]] == ["theirs", PULL_SECRET]
    assert explained(image)[0] == 0

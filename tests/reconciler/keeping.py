"""A reconciler at work on the real API server, and documents for it as the control plane writes them."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from portreeve.core.credential import Login, auth_key, encode_login
from portreeve.core.pacing import Limits
from portreeve.core.reference import parse_prefix
from portreeve.core.secret import SecretValue
from portreeve.kube.client import Client
from portreeve.reconciler.reconciler import Clocks, Reconciler
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery
from portreeve.wire.channel import Report, read_report, report_document
from tests.tools.kubeclient import KubeClient

PULL = "portreeve-pull"
SOON_S = 20.0
QUICK = Limits(rate=500.0, burst=500.0)


def utc() -> datetime:
    return datetime.now(UTC)


def grant(
    registry: str,
    prefix: str,
    *namespaces: str,
    password: str = "",
    version: int = 1,
    mode: str = "standing",
    accounts: Any = "default",
    selector: Any = None,
    username: str = "robot",
    expires_at: str | None = None,
) -> dict[str, Any]:
    """A grant; its password stands in `sealed` until `Kept.want` seals it."""
    stated = {"id": f"c-{registry}", "version": version, "expiresAt": expires_at, "sealed": (username, password)}
    return {
        "owner": "access test",
        "registry": registry,
        "keys": [auth_key(parse_prefix(prefix))],
        "namespaces": {"names": list(namespaces), "selector": selector},
        "subjects": {"users": [], "teams": []},
        "delivery": {"mode": mode, "serviceAccounts": accounts},
        "credential": stated if password else None,
    }


@dataclass
class Kept:
    """A reconciler that runs, what it has told, and the documents that it was given."""

    reconciler: Reconciler
    key: sealing.OpeningKey
    reports: list[Report] = field(default_factory=list)
    generation: int = 0

    async def want(self, *grants: dict[str, Any], ends: timedelta = timedelta(days=1)) -> None:
        """The next document holds these grants."""
        self.generation += 1
        await self.reconciler.act(self.document(*grants, ends=ends))

    def document(self, *grants: dict[str, Any], ends: timedelta = timedelta(days=1)) -> dict[str, Any]:
        sealed = [{**one, "credential": self._sealed(one)} for one in grants]
        return {
            "environment": "test",
            "type": "kubernetes",
            "generation": self.generation,
            "hash": f"sha256:{self.generation:064x}",
            "previousHash": "",
            "notAfter": (utc() + ends).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "policy": None,
            "sources": None,
            "grants": sealed,
            "masked": [],
        }

    def _sealed(self, found: dict[str, Any]) -> dict[str, Any] | None:
        credential = found["credential"]
        if credential is None:
            return None
        username, password = credential["sealed"]
        delivery = Delivery("test", found["registry"], credential["id"], credential["version"], self.generation)
        login = encode_login(Login(username, SecretValue(password)))
        sealed = base64.b64encode(sealing.seal(login, delivery, self.key.sealing_key)).decode()
        return {**credential, "sealed": sealed}

    def told(self) -> dict[str, dict[str, Any]]:
        """Namespace → what was told of its pull secret last."""
        found: dict[str, dict[str, Any]] = {}
        for report in self.reports:
            found = {} if report.whole else found
            found.update((one["namespace"], dict(one)) for one in report.pull_secrets)
            for name in report.withdrawn:
                found.pop(name, None)
        return found

    def conditions(self) -> dict[str, str]:
        """Type → status, as told last."""
        said = [one for one in self.reports if one.conditions is not None]
        return {one["type"]: one["status"] for one in said[-1].conditions or ()} if said else {}


@asynccontextmanager
async def keeping(
    client: Client,
    directory: Path,
    *,
    key: sealing.OpeningKey | None = None,
    generation: int = 0,
    limits: Limits = QUICK,
    clock: Callable[[], datetime] = utc,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Kept]:
    """A reconciler until the end of the block."""
    draw = random.Random(1)
    clocks = Clocks(clock, monotonic, draw.random, draw.uniform, sleep)
    kept: list[Kept] = []

    async def send(report: Report) -> None:
        # As the control plane reads it.
        kept[0].reports.append(read_report(json.loads(json.dumps(report_document(report)))))

    key = key or sealing.generate()
    directory.mkdir(exist_ok=True)  # noqa: ASYNC240 -- a temporary directory
    reconciler = Reconciler(client, key, directory, send, clocks, limits=limits)
    kept.append(Kept(reconciler, key, generation=generation))
    task = asyncio.create_task(reconciler.serve())
    try:
        yield kept[0]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Any], what: str = "", *, seconds: float = SOON_S) -> Any:
    """Wait until something holds, and what it gave."""
    ends = time.monotonic() + seconds
    while True:
        found = await asyncio.to_thread(holds)
        if found:
            return found
        assert time.monotonic() < ends, f"it never held: {what}"
        await asyncio.sleep(0.02)


def secret_in(kube: KubeClient, namespace: str) -> dict[str, Any] | None:
    """The pull secret of a namespace as it is stored."""
    answer = kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{PULL}")
    return answer.body if answer.status == 200 else None


def auths_in(kube: KubeClient, namespace: str) -> dict[str, tuple[str, str]]:
    """Key → (user name, password) of what a namespace has."""
    found = secret_in(kube, namespace)
    if found is None:
        return {}
    auths = json.loads(base64.b64decode(found["data"][".dockerconfigjson"]))["auths"]
    return {key: (entry["username"], entry["password"]) for key, entry in auths.items()}


def attached(kube: KubeClient, namespace: str, account: str = "default") -> list[str]:
    """Names of the pull secrets of a ServiceAccount."""
    found = kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}").body
    return [one["name"] for one in found.get("imagePullSecrets", ())]

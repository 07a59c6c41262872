"""Everything that can be asked of a control plane, done with secrets in it, and with secrets where none belong."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx2
from sqlalchemy import text

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.store import save_sealing_key
from portreeve.server.images.service import Observation, observe
from portreeve.vault import sealing
from tests.canary import Canary
from tests.server.plane import Plane, document

PURPOSES = ("pull", "management")
ENDS = "2027-02-01T00:00:00Z"
NAMED = {"name": "r0", "form": "json", "plan_id": "none", "template_name": "production", "purpose": "pull"}
ASKED = {"kind": "registries", "image": "r0.example.com/a:1", "environment": "prod"}


def registry(name: str, **spec: Any) -> dict[str, Any]:
    """A registry that declares both credentials."""
    user = {"method": "basic", "parameters": {"username": "robot"}, "expiresAt": ENDS}
    declared = [{"purpose": purpose, **user} for purpose in PURPOSES]
    given = {"provider": "harbor", "host": f"{name}.example.com", "credentials": declared}
    return document("Registry", name, **given | spec)


async def scene(plane: Plane, registries: int) -> None:
    """Registries of two projects and of nobody's, granted in an environment whose agent has told its key."""
    owners: list[dict[str, Any]] = [{}, {"project": "blog"}, {"project": "shop"}]
    await plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        document("Project", "blog"),
        document("Project", "shop"),
        document("Team", "team", title="Team"),
        document("RegistryPolicy", "sources", groups=["production"], restrict={"stage": "audit"}),
        *(registry(f"r{number}", **owners[number % 3]) for number in range(registries)),
        *(
            document("RegistryAccess", f"r{number}", registry=f"r{number}", environment="prod",
                     namespaces={"names": ["shop"]})
            for number in range(0, registries, 10)
        ),
    )  # fmt: skip
    key = sealing.public_bytes(sealing.generate().sealing_key)

    async def job(transaction: Transaction) -> None:
        await save_sealing_key(transaction.connection, "prod", key, transaction.now)
        image = RunningImage("prod", "shop", "Deployment/api", "r0.example.com/shop/api:1")
        facts = {"kubernetes": "v1.33.1", "namespaces": [{"name": "shop", "labels": {}}]}
        await observe(transaction, Observation("prod", 1, facts, [(image, "")]))

    await plane.server.writer.run(job)


def places(registries: int) -> Iterator[str]:
    """The address of each credential."""
    for number, purpose in itertools.product(range(registries), PURPOSES):
        yield f"/api/v1/registries/r{number}/credentials/{purpose}"


async def store(client: httpx2.AsyncClient, canaries: list[Canary]) -> None:
    """Set each of them; some at once, so that they share transactions."""
    paths = list(places(len(canaries) // len(PURPOSES)))
    pairs = list(zip(paths, canaries, strict=True))
    for batch in (pairs[at : at + 10] for at in range(0, len(pairs), 10)):
        answers = await asyncio.gather(*(client.put(path, json={"secret": one.secret}) for path, one in batch))
        assert {answer.status_code for answer in answers} == {200}, answers[0].text


async def read_all(plane: Plane, client: httpx2.AsyncClient) -> int:
    """Every GET of the API's own description, with every twin; how many gave something."""
    described = (await client.get("/openapi.json")).json()
    plan = await client.post("/api/v1/plans", json={"documents": [registry("r1", project="blog", title="Other")]})
    assert plan.status_code == 201, plan.text
    known = defaultdict(lambda: "none", NAMED | {"plan_id": plan.json()["id"]})
    given = 0
    for path, methods in described["paths"].items():
        if "get" not in methods or path == "/api/v1/watch":
            continue
        parameters = methods["get"].get("parameters", [])
        query = {
            one["name"]: ASKED.get(one["name"], "1")
            for one in parameters
            if one["in"] == "query" and one.get("required")
        }
        for form in ("json", "csv", "yaml") if "{form}" in path else ("",):
            names = {"prod", "production", "shop", "sources", "team", "root", "root-platform-admin", "r0"}
            for name in sorted(names) if "{name}" in path else ("",):
                filled = path.format_map(defaultdict(known.default_factory, {**known, "form": form, "name": name}))
                answer = await client.get(filled, params=query)
                assert answer.status_code < 500, answer.text
                given += answer.status_code == 200
    return given


async def watched(plane: Plane, authorization: str) -> bytes:
    """The first events of a watch; the client hangs up then."""
    sent: list[bytes] = []
    told = asyncio.Event()
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        message = next(asked, None)
        if message is None:
            await told.wait()
        return message or {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if sent[-1].startswith(b": "):  # the comment behind the first events
            told.set()

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/v1/watch", "raw_path": b"/api/v1/watch", "query_string": b"kind=registries", "root_path": "",
        "headers": [(b"authorization", authorization.encode())], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8420),
    }  # fmt: skip
    async with asyncio.timeout(60):
        await plane.app(scope, receive, send)
    return b"".join(sent)


async def change(plane: Plane, client: httpx2.AsyncClient, rotated: list[Canary]) -> None:
    """Rotate, keep, move to new keys, plan, preview, confirm twice, deliver, delete."""
    for path, canary in zip(places(len(rotated)), rotated, strict=False):
        assert (await client.post(f"{path}/rotate", json={"secret": canary.secret})).status_code == 200
    path = next(places(1))
    assert (await client.put(path, json={"secret": "", "expiresAt": ENDS})).status_code == 200
    await plane.server.rewrap.finish_rotations()
    for one in (registry("r1", project="blog", title="Another"), registry("r2", project="shop", credentials=[])):
        body = {"documents": [one]}
        plan = (await client.post("/api/v1/plans", json=body)).json()
        for key in ("confirm-1", "confirm-1"):
            confirmed = f"/api/v1/plans/{plan['id']}/confirm"
            answer = await client.post(confirmed, headers={"Idempotency-Key": key + one["metadata"]["name"]})
            assert answer.status_code == 200, answer.text
    moved = registry("r0", host="elsewhere.example.com")
    held = (await client.get("/api/v1/registries/r0")).headers["ETag"]
    await client.put("/api/v1/registries/r0?dryRun=All", json=moved, headers={"If-Match": held})
    await plane.server.desired.sweep()
    assert (await client.get("/api/v1/environments/prod/desired")).status_code == 200
    assert (await client.delete("/api/v1/registries/r3/credentials/pull")).status_code == 204


async def misplace(client: httpx2.AsyncClient, canaries: Iterator[Canary]) -> list[Canary]:
    """Secrets where none belong: other fields, other types, too long, in the query, in headers, in documents."""
    used: list[Canary] = []

    def another() -> str:
        used.append(next(canaries))
        return used[-1].secret

    path = next(places(1))
    for body in (
        {"secret": [another()]}, {"secret": {"value": another()}}, {"password": another()}, [another()], another(),
        {"secret": another(), "expiresAt": another()}, {"secret": another(), "token": another()}, {another(): "x"},
        {"secret": another() * 3_000}, {"secret": another() * 6_000}, {"secret": another(), "expiresAt": 1},
        {"secret": another(), "expiresAt": {another(): 1}},
    ):  # fmt: skip
        for method, where in (("PUT", path), ("POST", f"{path}/rotate")):
            answer = await client.request(method, where, json=body)
            assert 400 <= answer.status_code < 500, answer.text
    for where in ("/api/v1/registries/none/credentials/pull", path.replace("/pull", "/push"), path + "/other"):
        answer = await client.put(where, json={"secret": another()})
        assert 400 <= answer.status_code < 500, answer.text
    for raw in (f'{{"secret": "{another()}', f'{{"secret": {another()}}}', f'{{"a": 1, "a": "{another()}"}}',
                f'{{"{another()}": 1, "{used[-1].secret}": 2}}', f"secret={another()}", another()):  # fmt: skip
        for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            await client.put(path, content=raw.encode(), headers={"Content-Type": kind})
    await client.patch(path, json={"secret": another()})
    await _in_query(client, another)
    await _in_headers(client, path, another)
    await _in_documents(client, another)
    return used


async def _in_query(client: httpx2.AsyncClient, another: Any) -> None:
    for where in ("registries", "registries.csv", "registries/r0", "images", "verdict", "watch",
                  "openapi.json", "environments/prod/desired"):  # fmt: skip
        for name in ("secret", "cursor", "limit", "label", "kind", "image", "name", "group", "dryRun", "provider"):
            await client.get(f"/api/v1/{where}", params={name: another()})
        await client.get(f"/api/v1/{where}", params={another(): "1"})
    for where in ("/api/v1/plans", "/api/v1/registries", next(places(1))):
        await client.post(where, params={"dryRun": another(), "replace": another()}, json={})
        await client.put(f"{where}/rotate", params={"secret": another()}, json={})


async def _in_headers(client: httpx2.AsyncClient, path: str, another: Any) -> None:
    names = ("Authorization", "Cookie", "If-Match", "If-None-Match", "Portreeve-Plan", "Idempotency-Key",
             "Last-Event-ID", "Content-Type", "Content-Encoding", "X-Request-Id", "X-Secret", "Accept", "Origin",
             "Referer", "User-Agent", "X-Forwarded-For")  # fmt: skip
    team = document("Team", "team", title="Other")
    for name in names:
        await client.get("/api/v1/registries/r0", headers={name: another()})
        await client.put(path, json={"secret": ""}, headers={name: another()})
        await client.put("/api/v1/teams/team", json=team, headers={name: another()})
        await client.post("/api/v1/teams", json=document("Team", f"of-{name.lower()}"), headers={name: another()})
    await client.get("/api/v1/registries/r0", headers={"Authorization": f"Bearer {another()}"})
    await client.get("/api/v1/registries/r0", headers={"Authorization": f"Bearer prt_{another()}"})


async def _in_documents(client: httpx2.AsyncClient, another: Any) -> None:
    declared = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
    for spec in (
        {"password": another()}, {"credentials": [declared | {"secret": another()}]},
        {"credentials": [declared | {"parameters": {"password": another()}}]}, {"credentials": another()},
        {"credentials": [another()]}, {"provider": another()}, {"tls": {"key": another()}},
        {"tls": {"caBundle": f"-----BEGIN PRIVATE KEY-----\n{another()}"}}, {"tls": another()},
        {"host": f"user:{another()}@harbor.example.com"}, {"credentials": [declared | {"expiresAt": another()}]},
        {"auth": {"bearer": {"token": another()}}},
    ):  # fmt: skip
        one = registry("new", **spec)
        for answer in (
            await client.post("/api/v1/registries?dryRun=All", json=one),
            await client.post("/api/v1/plans", json={"documents": [one]}),
        ):
            assert 400 <= answer.status_code < 500, (spec, answer.text)
    for body in ({"documents": another()}, {"documents": [another()]}, {"delete": [another()]}, {another(): 1},
                 {"delete": [{"kind": another(), "name": "x"}]}, {"replace": another()}, {"secret": another()},
                 registry("r0") | {"secret": another()}, registry("r0") | {"kind": another()},
                 registry("r0") | {"apiVersion": another()}):  # fmt: skip
        await client.post("/api/v1/plans", json=body)
        await client.put("/api/v1/registries/r0?dryRun=All", json=body)


async def fail(plane: Plane, client: httpx2.AsyncClient, canaries: Iterator[Canary]) -> list[Canary]:
    """A database that refuses in the middle of storing a secret: its errors hold the statement's parameters."""
    used = [next(canaries) for _ in range(2)]
    writer = plane.server.database.writer
    for table, canary in zip(("credential_versions", "audit_events"), used, strict=True):
        async with writer.begin() as connection:
            await connection.execute(text(f"alter table {table} rename to away"))
        answer = await client.put(next(places(1)), json={"secret": canary.secret})
        assert answer.status_code >= 500, answer.text
        async with writer.begin() as connection:
            await connection.execute(text(f"alter table away rename to {table}"))
    assert (await client.put(next(places(1)), json={"secret": json.dumps("kept " * 9)})).status_code == 200
    return used

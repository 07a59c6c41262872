"""The whole API as its OpenAPI document describes it: generated requests, and one good request for each operation.

The stream of changes has no end to wait for, so it gets its good request alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portreeve.server.database.writer import Transaction
from portreeve.server.people.links import Link
from portreeve.transport.address_rules import IpAddress
from tests.fakes.images import image
from tests.server.agents.agent import TRUST
from tests.server.bridge import Bridge, bridged
from tests.server.matrix import Cell, expectations, operation
from tests.server.plane import document
from tests.server.registries.reached import pushed, spec_of
from tests.server.scene import NAMES, Scene, documents, labelled
from tests.server.stream import begin_of_stream
from tests.tools.registry import Access, DockerRegistry

pytestmark = pytest.mark.slow

REAL = "real-registry"

EXAMPLES = 10
"""Requests for each operation."""

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

HAND_WRITTEN: dict[str, dict[str, Any]] = {
    "set_credentials": {"json": {"secret": "good", "expiresAt": "2027-02-01T00:00:00Z"}},
    "rotate_credentials": {"json": {"secret": "next", "expiresAt": "2027-02-01T00:00:00Z"}},
    "move_policies": {"json": {"stage": "deny"}},
    "renew_exemptions": {"json": {"expiresAt": "2027-01-01T00:00:00Z"}},
    "recognise": {"json": {"text": "harbor.example.com/shop/api:1.4"}},
    "read_verdict": {"params": {"image": "nginx", "environment": "prod-eu", "namespace": "shop"}},
    "judge_images": {"json": {"images": ["nginx"]}, "params": {"environment": "prod-eu", "namespace": "shop"}},
    "prove_audit_inclusion": {"params": {"sequence": 0, "size": 1}},
    "prove_audit_consistency": {"params": {"old": 1, "new": 2}},
    "replace_settings": {
        "json": {"apiVersion": "portreeve.io/v1", "kind": "Settings", "metadata": {"name": "platform"}, "spec": {}},
        "params": {"dryRun": "All"},
    },
    "create_plans": {"json": {"documents": [labelled(documents("own")["teams"])]}},
}
"""Operation → what its good request sends besides the path. What creates, changes and deletes sends a dry run."""

REACHED: dict[str, dict[str, Any]] = {
    "validate_registry": {},
    "list_repositories": {},
    "twin_repositories": {},
    "list_tags": {"params": {"repository": "team/api"}},
    "twin_tags": {"params": {"repository": "team/api"}},
    "read_image": {"params": {"repository": "team/api", "reference": "1.4"}},
    "retag_image": {
        "params": {"repository": "team/api", "reference": "1.4", "tag": "stable"},
        "headers": {"If-None-Match": "*"},
    },
    "delete_image": {"params": {"repository": "team/api", "reference": "1.4", "dryRun": "All"}},
    "read_rate_limit": {},
    "read_usage": {},
}
"""As HAND_WRITTEN, of what is asked of a registry: a real one, which the scene's own are not."""

ELSEWHERE = {
    "start_oidc": "there is no identity provider here; tests/server/people/test_oidc.py has one",
    "finish_oidc": "as above",
    "ask_why": "it takes the token out of an admission message's link; tests/server/test_why.py has one",
}
"""Operation → why it has no good request in this run."""

SIGNED_IN: dict[str, dict[str, Any]] = {
    "sign_out": {},
    "list_my_sessions": {},
    "list_my_tokens": {},
    "end_my_session": {},
    "revoke_my_token": {},
    "end_user_session": {},
    "revoke_user_token": {},
    "set_my_password": {"json": {"password": "a-long-password-of-mine"}},
    "make_my_token": {"json": {"title": "good", "expiresAt": "2027-01-01T00:00:00Z"}},
    "sign_in_link": {},
    "sign_in_password": {"json": {"user": "root", "password": "a-long-password-of-mine"}},
}
"""As HAND_WRITTEN, of what is asked for in a session."""

ORIGIN = {"Origin": "http://127.0.0.1:8420"}

DECIDED = ("approve_exemptions", "deny_exemptions", "revoke_exemptions", "renew_exemptions")


async def apart(host: str, port: int) -> list[IpAddress]:
    """A resolver to which the real registry is where the settings allow it, and everything else is not."""
    return [ip_address("127.0.0.1" if host == "localhost" else "127.0.0.9")]


@pytest.fixture(scope="module")
def bridge(
    tmp_path_factory: pytest.TempPathFactory, docker_registry: Callable[[Access], DockerRegistry]
) -> Iterator[Bridge]:
    registry = docker_registry(Access.OPEN)
    asyncio.run(pushed(registry, "team/api", image("api"), "1.4"))
    folder = tmp_path_factory.mktemp("schemathesis")
    trust = folder / "trust.pem"
    trust.write_text(TRUST)
    with bridged(folder, resolver=apart, private_addresses=("127.0.0.1/32",), agents_trust=trust) as found:
        spec = spec_of(registry, host=f"localhost:{registry.port}")
        found.run(found.scene.plane.put(document("Registry", REAL, **spec)))
        yield found


def test_generated_and_good_requests_are_answered_as_described(
    bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", bridge)
    sent: Counter[str] = Counter()
    good: Counter[str] = Counter()
    broken: list[str] = []
    token = {"Authorization": bridge.scene.root.headers["authorization"]}
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    by_hand = [one.definition.raw["operationId"] for one in operations]
    for one in operations:
        name = one.definition.raw["operationId"]
        if name == "watch":
            continue
        generated(one, name, token, sent, good, broken)
    by_hand = [name for name in by_hand if not good[name] and name not in ELSEWHERE]
    for name in by_hand:
        status, text = bridge.run(good_request(bridge.scene, name))
        sent[name] += 1
        good[name] += status < 300
        if status >= 300:
            broken.append(f"the good request of {name} answered {status} {text[:300]}")
    errors = sum("Server error" in one for one in broken)
    with capsys.disabled():
        print(
            f"\noperations {len(operations)}, requests {sent.total()}, server errors {errors}, "
            f"2xx reached {len({name for name, count in good.items() if count})}/{len(operations)} "
            f"(by hand: {', '.join(by_hand)}; elsewhere: {', '.join(ELSEWHERE)})"
        )
    assert not broken, f"{len(broken)} broken:\n" + "\n".join(list(dict.fromkeys(broken))[:12])


def generated(
    one: Any, name: str, token: dict[str, str], sent: Counter[str], good: Counter[str], broken: list[str]
) -> None:
    """Ask what is generated for one operation; every second time about an object that is there."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=one.as_strategy())
    def ask(case: Any) -> None:
        if "name" in case.path_parameters and sent[name] % 2:
            case.path_parameters["name"] = NAMES["own"].get(one.path.split("/")[3], "nobody")
            if case.method == "DELETE" and "credentials" not in one.path:
                # What later requests need stays there.
                case.query = {"dryRun": "All"}
        answer = case.call(headers=token)
        sent[name] += 1
        good[name] += answer.status_code < 300
        try:
            case.validate_response(answer, checks=CHECKS)
        except BaseExceptionGroup as failed:
            broken.append(f"{name} {answer.status_code}: " + "; ".join(map(str, failed.exceptions))[:600])

    ask()


async def good_request(scene: Scene, name: str) -> tuple[int, str]:
    """The status and text of an operation's good answer, asked for by root."""
    assert name in expectations()
    one = operation(await openapi(scene), name)
    cell = Cell(one, "own", "P", yes=True)
    names = {
        **scene.names("own", "P"),
        "name": scene.names("own", "P").get(one.plural, ""),
        "plan_id": scene.plans["own"],
    }
    names |= {"form": "json", "purpose": "pull", "template_name": "sources-only"}
    names |= {word: text.format_map(names) for word, text in one.expected.get("path", {}).items()}
    if name in REACHED:
        names["name"] = REAL
        answer = await scene.root.request(one.method, one.path.format_map(names), **REACHED[name])
        return answer.status_code, answer.text
    if name in SIGNED_IN:
        return await in_session(scene, name, one.method, one.path)
    if name == "watch":
        answer = await begin_of_stream(scene.root, "/api/v1/watch", {"kind": "teams"})
        return answer.status_code, answer.text
    if name in DECIDED:
        await ready(scene, name, names["name"])
    if name == "confirm_plans":
        body = {"documents": [labelled(documents("own")["teams"], "confirmed")]}
        names["plan_id"] = (await scene.root.post("/api/v1/plans", json=body)).json()["id"]
    given: dict[str, Any] = dict(HAND_WRITTEN.get(name, {}))
    if "document" in one.expected:
        given = {"json": scene.document(one.plural, cell.tenancy, "P"), "params": {"dryRun": "All"}}
        if one.method == "POST":
            given["json"]["metadata"]["name"] += "-good"
        else:
            held = await scene.root.get(one.path.format_map(names))
            given["headers"] = {"If-Match": held.headers["ETag"]} if "ETag" in held.headers else {}
    elif one.method == "DELETE" and "credentials" not in one.path:
        given = {"params": {"dryRun": "All"}}
    elif name == "delete_credentials":
        await scene.root.put(one.path.format_map(names), json=HAND_WRITTEN["set_credentials"]["json"])
    answer = await scene.root.request(one.method, one.path.format_map(names), **given)
    return answer.status_code, answer.text


async def in_session(scene: Scene, name: str, method: str, path: str) -> tuple[int, str]:
    """The good answer of an operation that is asked for in a session of root's, or that begins one."""

    async def issue(transaction: Transaction) -> Link:
        return await scene.plane.server.people.issue_link(transaction, "root")

    link = await scene.plane.server.writer.run(issue)
    page = scene.plane.anonymous(ORIGIN)
    token = {"token": link.address.reveal().decode().partition("#t=")[2]}
    began = await page.post("/api/v1/sign-in/link", json=token)
    assert began.is_success, began.text
    if name == "sign_in_link":
        return began.status_code, began.text
    if name == "sign_in_password":
        await page.put("/api/v1/me/password", **SIGNED_IN["set_my_password"])
        page = scene.plane.anonymous(ORIGIN)
    held = {"name": "root", "token_id": "", "session_id": ""}
    if "token_id" in path:
        held["token_id"] = (await page.post("/api/v1/me/tokens", **SIGNED_IN["make_my_token"])).json()["id"]
    if "session_id" in path:
        held["session_id"] = (await page.get("/api/v1/me/sessions")).json()["items"][0]["id"]
    answer = await page.request(method, path.format_map(held), **SIGNED_IN[name])
    return answer.status_code, answer.text


async def openapi(scene: Scene) -> dict[str, Any]:
    found = (await scene.root.get("/openapi.json")).json()
    assert isinstance(found, dict)
    return found


async def ready(scene: Scene, name: str, exemption: str) -> None:
    """Bring the exemption into the state that the step starts from; another person than root asks for it."""
    path = f"/api/v1/exemptions/{exemption}"
    await scene.root.delete(path)
    asked = await scene.clients["D"].post("/api/v1/exemptions", json=documents("own")["exemptions"])
    assert asked.status_code == 201, asked.text
    if name in {"revoke_exemptions", "renew_exemptions"}:
        assert (await scene.root.post(f"{path}/approve")).status_code == 200

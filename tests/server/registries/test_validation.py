"""Validation on real registries: green where all is well, and the right cause for what people really get wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portreeve.core.checklist import Stage
from tests.canary import Canary, Finder
from tests.fakes.images import image
from tests.server.plane import Plane, running
from tests.server.registries.reached import (
    as_reader,
    as_writer,
    failed,
    fresh,
    plane_here,
    pushed,
    registered,
    spec_of,
    stages,
)
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Says, answering
from tests.tools.registry import Access, DockerRegistry

pytestmark = pytest.mark.slow

Start = Callable[[Access], DockerRegistry]


@pytest_asyncio.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with plane_here(tmp_path) as found:
        yield found


async def test_a_registry_that_works_is_green_in_every_stage(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.TOKEN), fresh()
    await pushed(registry, repository, image("api"), "1.4")
    held = await registered(plane, spec_of(registry), as_reader())
    found = await held.validate(image=f"{repository}:1.4")
    assert found["outcome"] == "ok", found
    assert list(stages(found)) == [str(stage) for stage in Stage]
    # This registry lists its catalogue to nobody but who may see all of it: no failure, and not said to be good.
    assert {outcome for stage, (outcome, _) in stages(found).items() if stage != "browse"} == {"ok"}


async def test_the_last_result_stands_in_the_registrys_status_and_in_the_audit_log(
    plane: Plane, docker_registry: Start
) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.HTPASSWD)), as_writer())
    await held.validate()
    status = (await held.client.get("/api/v1/registries/here")).json()["status"]
    assert status["validation"]["outcome"] == "failed"
    assert status["validation"]["reason"] == "credential_can_push"
    events = (await held.client.get("/api/v1/audit", params={"action": "registry.validate"})).json()["items"]
    assert [(event["object"]["name"], event["reason"]) for event in events] == [("here", "credential_can_push")]


async def test_stages_are_told_as_they_happen(plane: Plane, docker_registry: Start) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.OPEN)))
    path = "/api/v1/registries/here/validate"
    async with held.client.stream("POST", path, headers={"Accept": "text/event-stream"}) as answer:
        lines = [line async for line in answer.aiter_lines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["type"] for event in events] == ["CHECK"] * len(Stage) + ["DONE"]
    assert [event["object"] for event in events[:-1]] == events[-1]["object"]["checks"]


async def test_an_image_is_found_by_browsing_where_none_is_named(plane: Plane, docker_registry: Start) -> None:
    registry = docker_registry(Access.HTPASSWD)
    await pushed(registry, fresh(), image("any"), "1")
    held = await registered(plane, spec_of(registry), as_writer())
    assert stages(await held.validate())["pull"] == ("ok", "")


# What people really get wrong. Each has one cause, and no stage behind it is blamed.


async def test_a_name_that_does_not_exist(tmp_path: Path, docker_registry: Start) -> None:
    async def nowhere(host: str, port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    url = f"sqlite:///{tmp_path / 'portreeve.db'}"
    async with running(url, tmp_path, resolver=nowhere, private_addresses=("127.0.0.0/8",)) as plane:
        held = await registered(plane, {**spec_of(docker_registry(Access.OPEN)), "host": "harbour.example.com"})
        found = await held.validate()
    assert failed(found) == {"dns": "name_unknown_host"}
    assert stages(found)["token"] == ("unknown", "not_tried")


async def test_a_missing_port(plane: Plane, docker_registry: Start) -> None:
    spec = spec_of(docker_registry(Access.OPEN), host="127.0.0.1")
    assert failed(await (await registered(plane, spec)).validate()) == {"tcp": "connection_refused"}


async def test_the_address_of_the_api_in_place_of_the_host(plane: Plane) -> None:
    client = await plane.client("root", "platform-admin")
    body = {"apiVersion": "portreeve.io/v1", "kind": "Registry", "metadata": {"name": "pasted"}}
    spec = {"provider": "generic", "host": "https://registry.example.com/v2/"}
    answer = await client.post("/api/v1/registries", json={**body, "spec": spec})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "spec.host"
    told = await client.post("/api/v1/recognise", json={"text": spec["host"]})
    assert told.json()["items"][0]["host"] == "registry.example.com"


async def test_another_authority_than_the_registrys(plane: Plane, docker_registry: Start, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = CertificateAuthority(tmp_path / "other").file.read_text()
    spec = spec_of(docker_registry(Access.OPEN), tls={"caBundle": other})
    assert failed(await (await registered(plane, spec)).validate()) == {"tls": "tls_untrusted"}


async def test_a_certificate_for_another_name(plane: Plane, docker_registry: Start) -> None:
    registry = docker_registry(Access.OPEN)
    spec = spec_of(registry, host=f"registry.example.com:{registry.port}")
    found = await (await registered(plane, spec)).validate()
    assert failed(found) == {"tls": "tls_untrusted"}


async def test_a_region_that_does_not_exist(tmp_path: Path) -> None:
    async def nowhere(host: str, port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with running(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, resolver=nowhere) as plane:
        spec = {"provider": "ecr", "host": "123456789012.dkr.ecr.eu-wset-1.amazonaws.com"}
        found = await (await registered(plane, spec)).validate()
    assert failed(found) == {"dns": "name_unknown_host"}
    assert "region" in found["checks"][0]["hint"]


async def test_an_address_in_place_of_the_name_that_the_certificate_is_for(plane: Plane, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "named", hosts=("registry.example.com",))
    with answering(lambda _: Says(401), certificate=certificate) as server:
        host = server.url.removeprefix("https://")
        spec = {"provider": "generic", "host": host, "tls": {"caBundle": authority.file.read_text()}}
        found = await (await registered(plane, spec)).validate()
    assert failed(found) == {"tls": "tls_untrusted"}


@pytest.mark.parametrize("host", ["169.254.169.254", "2130706433:5000", "0x7f.1:5000", "metadata.example.com:80"])
async def test_an_address_that_no_registry_has(tmp_path: Path, host: str) -> None:
    """Also in a spelling that readers disagree about, and behind a name."""

    async def metadata(name: str, port: int) -> list[Any]:
        return [ip_address("169.254.169.254")]

    everything = ("0.0.0.0/0", "::/0")
    url = f"sqlite:///{tmp_path / 'portreeve.db'}"
    async with running(url, tmp_path, resolver=metadata, private_addresses=everything) as plane:
        found = await (await registered(plane, {"provider": "generic", "host": host})).validate()
    assert failed(found) == {"dns": "address_refused"}


async def test_a_web_page_with_200(plane: Plane, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "page", hosts=("127.0.0.1",))
    page = Says(200, b"<html><form>Sign in</form></html>", {"Content-Type": "text/html"})
    with answering(lambda _: page, certificate=certificate) as server:
        host = server.url.removeprefix("https://")
        spec = {"provider": "generic", "host": host, "tls": {"caBundle": authority.file.read_text()}}
        found = await (await registered(plane, spec)).validate()
    assert failed(found) == {"api": "registry_not_v2"}


async def test_a_wrong_password(plane: Plane, docker_registry: Start) -> None:
    wrong = {**as_writer(), "secret": "not-the-password"}
    held = await registered(plane, spec_of(docker_registry(Access.HTPASSWD)), wrong)
    found = await held.validate()
    assert failed(found) == {"token": "registry_unauthorized"}
    assert "not-the-password" not in json.dumps(found)


async def test_a_credential_that_has_ended(plane: Plane, docker_registry: Start) -> None:
    wrong = {**as_writer(), "secret": "used-to-be-right"}
    spec = spec_of(docker_registry(Access.HTPASSWD))
    held = await registered(plane, spec, wrong, expires_at="2026-11-01T00:00:00Z")
    assert failed(await held.validate()) == {"token": "credential_expired", "expiry": "credential_expired"}


async def test_nobody_where_a_login_is_needed(plane: Plane, docker_registry: Start) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.HTPASSWD)))
    assert failed(await held.validate()) == {"token": "credential_needed"}


async def test_a_credential_that_may_push(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.TOKEN), fresh()
    await pushed(registry, repository, image("api"), "1.4")
    held = await registered(plane, spec_of(registry), as_writer())
    assert failed(await held.validate(image=f"{repository}:1.4")) == {"push": "credential_can_push"}


async def test_a_management_credential_is_not_blamed_for_pushing(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.TOKEN), fresh()
    await pushed(registry, repository, image("api"), "1.4")
    held = await registered(plane, spec_of(registry), as_writer(), purpose="management")
    found = await held.validate(image=f"{repository}:1.4", purpose="management")
    assert stages(found)["push"] == ("unknown", "not_a_pull_credential")


async def test_a_token_service_that_nobody_approved(plane: Plane, docker_registry: Start) -> None:
    registry = docker_registry(Access.TOKEN)
    spec = {name: value for name, value in spec_of(registry).items() if name != "tokenRealm"}
    assert registry.tokens is not None
    before = len(registry.tokens.asked)
    found = await (await registered(plane, spec, as_reader())).validate()
    assert failed(found) == {"challenge": "realm_not_pinned"}
    hint = next(check["hint"] for check in found["checks"] if check["stage"] == "challenge")
    assert f"spec.tokenRealm: {registry.realm}" in hint
    assert len(registry.tokens.asked) == before


async def test_an_image_that_is_not_there(plane: Plane, docker_registry: Start) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.OPEN)))
    found = await held.validate(image="team/absent:1")
    assert list(failed(found)) == ["pull"]


async def test_a_private_address_that_no_list_allows(tmp_path: Path, docker_registry: Start) -> None:
    """The refusal names the entry that an administrator could add."""
    async with running(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as plane:
        found = await (await registered(plane, spec_of(docker_registry(Access.OPEN)))).validate()
    assert failed(found) == {"dns": "address_refused"}
    assert "127.0.0.1/32" in json.dumps(found)


async def test_plain_http_is_a_finding_and_never_green(plane: Plane, docker_registry: Start) -> None:
    program = docker_registry(Access.OPEN).program
    with DockerRegistry(program, Access.OPEN, tls=False) as registry:
        found = await (await registered(plane, spec_of(registry))).validate()
    assert stages(found)["tls"] == ("unknown", "plain_http")
    assert found["outcome"] == "unknown"


async def test_what_was_found_goes_when_the_registry_is_reached_in_another_way(
    plane: Plane, docker_registry: Start
) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.OPEN)))
    await held.validate()
    client = held.client
    read = await client.get("/api/v1/registries/here")
    body = {**read.json(), "spec": {**read.json()["spec"], "host": "127.0.0.1:1"}}
    body.pop("status")
    planned = await client.post("/api/v1/plans", json={"documents": [body]})
    assert planned.status_code == 201, planned.text
    confirmed = await client.post(f"/api/v1/plans/{planned.json()['id']}/confirm")
    assert confirmed.status_code == 200, confirmed.text
    assert "validation" not in (await client.get("/api/v1/registries/here")).json()["status"]


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


async def test_a_credential_is_in_nothing_that_is_said_printed_or_stored(
    plane: Plane, docker_registry: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is sent to the registry as often as there are ways to ask, and refused; in every encoding of the sweep."""
    secret = "canary-3f7a1d-of-a-password-that-no-registry-takes"
    finder = Finder([Canary("wrong", secret)])
    spec = spec_of(docker_registry(Access.HTPASSWD))
    held = await registered(plane, spec, {**as_writer(), "secret": secret})
    base = "/api/v1/registries/here"
    said = [json.dumps(await held.validate())]
    said.append((await held.client.post(f"{base}/validate", headers={"Accept": "text/event-stream"})).text)
    asked = ("/repositories", "/tags?repository=team/api", "/image?repository=team/api&reference=1", "/rate-limit", "")
    said += [(await held.client.get(f"{base}{one}")).text for one in asked]
    said.append((await held.client.get("/api/v1/audit")).text)
    printed = capsys.readouterr()
    sinks = {**files(tmp_path), "printed": (printed.out + printed.err).encode(), "said": "\n".join(said).encode()}
    assert "registry_unauthorized" in said[0]
    assert len(sinks) > 3
    assert [hit for name, data in sinks.items() for hit in finder.search(data, name)] == []
    assert finder.search(f"x {secret}", "a planted leak")

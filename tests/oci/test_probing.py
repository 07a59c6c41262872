"""What a registry answers when it is asked as a node would ask: each refusal has its cause, and a HEAD comes first."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from portreeve.core.credential import Login
from portreeve.core.pull_facts import Probe
from portreeve.core.pull_failure import Cause
from portreeve.core.secret import SecretValue
from portreeve.errors import Unavailable
from portreeve.oci.client import Client
from portreeve.oci.model import Scheme
from portreeve.oci.probing import Noting, failed, probe
from portreeve.transport.address_rules import AddressRules, IpAddress
from portreeve.transport.budget import Budget
from portreeve.transport.exchange import AsyncExchange
from portreeve.transport.outward import Outward
from portreeve.transport.tls import TlsCause, TlsUntrusted
from portreeve.transport.trust import Trust
from tests.fakes.images import Built, image, index
from tests.fakes.registry import FakeRegistry, refused, said


def holding(built: Built, **more: object) -> FakeRegistry:
    """A registry with one image under team/app:1."""
    fake = FakeRegistry(**more)  # type: ignore[arg-type]
    fake.manifests["team/app"] = {
        "1": (built.media_type, built.content),
        built.digest: (built.media_type, built.content),
    }
    fake.blobs |= built.blobs
    return fake


async def asked(
    exchange: AsyncExchange, origin: str, login: Login | None = None, *, tag: str = "1", platforms: bool = True
) -> Probe:
    noting = Noting(exchange)
    client = Client(origin, noting, login=login, realms=(), now=lambda: datetime.now(UTC), budget=Budget())
    return await probe(client, noting, "team/app", tag, platforms=platforms)


async def test_an_index_tells_its_platforms() -> None:
    fake = holding(index([image("a"), image("b")], ["linux/arm64", "linux/amd64"]))
    found = await asked(fake, fake.origin)
    assert (found.status, found.cause, found.platforms) == (200, None, ("linux/amd64", "linux/arm64"))


async def test_an_image_tells_its_one_platform_by_its_configuration() -> None:
    fake = holding(image("a"))
    assert (await asked(fake, fake.origin)).platforms == ("linux/amd64",)


async def test_without_platforms_there_is_only_a_head() -> None:
    fake = holding(image("a"))
    assert (await asked(fake, fake.origin, platforms=False)).cause is None
    assert [request.method for request in fake.asked] == ["HEAD"]


@pytest.mark.parametrize(
    ("login", "tag", "cause", "status"),
    [
        (None, "1", Cause.UNAUTHORIZED, 401),
        (Login("me", SecretValue("wrong")), "1", Cause.UNAUTHORIZED, 401),
        (Login("me", SecretValue("right")), "2", Cause.NOT_FOUND, 404),
    ],
)
async def test_a_refusal_has_its_cause(login: Login | None, tag: str, cause: Cause, status: int) -> None:
    fake = holding(image("a"), scheme=Scheme.BASIC, logins={"me": "right"})
    found = await asked(fake, fake.origin, login, tag=tag)
    assert (found.cause, found.status) == (cause, status)
    assert "wrong" not in repr(found)


class Says:
    """One answer to everything."""

    def __init__(self, status: int, code: str = "") -> None:
        self.answer = refused(status, code) if code else said(status)

    async def send(self, request: object) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (429, "TOOMANYREQUESTS", Cause.RATE_LIMIT),
        (403, "DENIED", Cause.FORBIDDEN),
        (412, "PROJECTPOLICYVIOLATION", Cause.GATE),
        (503, "", Cause.SERVER),
        (418, "", Cause.UNKNOWN),
    ],
)
async def test_a_status_has_its_cause(status: int, code: str, cause: Cause) -> None:
    found = await asked(Says(status, code), "https://registry.example.com")  # type: ignore[arg-type]
    assert (found.cause, found.status) == (cause, status)


async def test_a_name_that_nobody_knows() -> None:
    async def nobody(host: str, port: int) -> Sequence[IpAddress]:
        raise OSError(errno.ENOENT, "Name or service not known")

    origin = "https://harbour.example.com"
    async with Outward(origin, Trust(), AddressRules(), Budget(), resolver=nobody) as outward:
        found = await asked(outward, origin)
    assert (found.cause, found.status) == (Cause.DNS, None)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TlsUntrusted("r", TlsCause.UNKNOWN_AUTHORITY), Cause.CERTIFICATE),
        (TlsUntrusted("r", TlsCause.NOT_TLS), Cause.NO_TLS),
        (Unavailable("connection_refused", "r"), Cause.REFUSED),
        (Unavailable("no_answer", "r"), Cause.TIMEOUT),
    ],
)
def test_what_never_answered_has_its_cause(error: Unavailable, cause: Cause) -> None:
    assert failed(error, None).cause is cause

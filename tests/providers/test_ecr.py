"""ECR against our own double, which verifies signatures, and against moto; both run the same checks of shapes."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from moto.server import ThreadedMotoServer

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, NotFound
from portreeve.providers import ecr
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import AsyncExchange, Request, Response
from portreeve.transport.sigv4 import Credentials, signed
from tests.fakes.distribution import FakeDistribution
from tests.fakes.ecr_fake import ROLE, FakeAws
from tests.fakes.network import Handler, says
from tests.providers.contract_suite import CANARY, NOW, ProviderContract, outside, stored

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEY = "AKIAIOSFODNN7EXAMPLE"
BY_KEY = stored("aws-key", accessKeyId=KEY, region="eu-west-1", account="123456789012")
BY_ROLE = stored(
    "aws-role", accessKeyId=KEY, roleArn=ROLE, externalId="portreeve-1", region="eu-west-1", account="123456789012"
)
IMAGES = [
    {"imageDigest": "sha256:" + f"{n:02x}" * 32, "imageTags": [f"1.{n}", f"build-{n}"], "imageSizeInBytes": 100 + n,
     "imagePushedAt": 1700000000.5 + n, "lastRecordedPullTime": 1700000100 + n}
    for n in range(5)
]  # fmt: skip


def aws(**changed: Any) -> FakeAws:
    return FakeAws(NOW, {KEY: CANARY}, **{"repositories": {"shop/api": IMAGES, "shop/web": [], "base": []}, **changed})


class TestEcr(ProviderContract):
    provider = ecr.PROVIDER
    place = Place(HOST)
    claimed = (
        HOST,
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
        "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
        "123456789012.dkr-ecr.eu-west-1.on.aws",
        "*.dkr.ecr.eu-west-1.amazonaws.com",
    )
    credentials = {"aws-key": BY_KEY, "aws-role": BY_ROLE}

    def peer(self, life: timedelta) -> AsyncExchange:
        return aws(life=life)

    def endless(self) -> tuple[Handler, Stored | None]:
        row = {"repositoryName": "other", "imageTags": ["other"]}
        answer = {"repositories": [row], "imageDetails": [row], "nextToken": "again"}
        return lambda _: says(answer), BY_KEY

    @pytest.mark.parametrize(
        ("host", "region", "api", "sts"),
        [
            (HOST, "eu-west-1", "api.ecr.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"),
            ("1.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "api.ecr.cn-north-1.amazonaws.com.cn",
             "sts.cn-north-1.amazonaws.com.cn"),
            ("1.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1", "ecr-fips.us-east-1.amazonaws.com",
             "sts.us-east-1.amazonaws.com"),
            ("1.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", "api.ecr.us-isob-east-1.sc2s.sgov.gov",
             "sts.us-isob-east-1.sc2s.sgov.gov"),
            ("1.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "api.ecr.eu-west-1.amazonaws.com",
             "sts.eu-west-1.amazonaws.com"),
        ],
    )  # fmt: skip
    async def test_the_host_tells_region_and_service(self, host: str, region: str, api: str, sts: str) -> None:
        claim = self.provider.claim(host)
        assert claim is not None
        assert claim.parameters["region"] == region
        fake = aws()
        await self.provider.mint(Place(host), BY_ROLE, outside(fake))
        assert [urlsplit(request.url).netloc for request in fake.asked] == [sts, api]
        assert {api, sts} <= {one.name for one in self.provider.hosts(Place(host))}

    async def test_a_token_lives_twelve_hours_and_is_reported_600_s_early(self) -> None:
        minted = await self.provider.mint(self.place, BY_KEY, outside(aws()))
        assert minted.login.username == "AWS"
        assert minted.login.password.reveal() == b"ecr-token-0123456789abcdef"
        assert minted.expires_at == NOW + timedelta(hours=12, seconds=-600)
        short = await self.provider.mint(self.place, BY_KEY, outside(aws(life=timedelta(minutes=10))))
        assert short.expires_at == NOW + timedelta(minutes=9)

    async def test_a_token_is_asked_for_the_account_of_the_host(self) -> None:
        fake = aws()
        await self.provider.mint(self.place, BY_KEY, outside(fake))
        assert json.loads(fake.asked[0].body.reveal()) == {"registryIds": ["123456789012"]}
        assert self.provider.mint_key(self.place, BY_KEY) == "eu-west-1:123456789012"

    async def test_a_wrong_secret_and_a_wrong_external_id_are_denied(self) -> None:
        wrong = Stored("aws-key", BY_KEY.parameters, SecretValue("another/secret"))
        other = Stored("aws-role", {**BY_ROLE.parameters, "externalId": "theirs"}, BY_ROLE.secret)
        for credential in (wrong, other):
            with pytest.raises(Denied) as caught:
                await self.provider.mint(self.place, credential, outside(aws()))
            assert caught.value.code == "mint_denied"
            assert "iam" not in caught.value.message.lower()

    async def test_a_clock_that_is_off_by_more_than_five_minutes_is_denied(self) -> None:
        for off, refused in ((timedelta(minutes=4), False), (timedelta(minutes=6), True)):
            world = outside(aws(), NOW + off)
            if refused:
                with pytest.raises(Denied):
                    await self.provider.mint(self.place, BY_KEY, world)
            else:
                await self.provider.mint(self.place, BY_KEY, world)

    async def test_a_host_of_ones_own_needs_the_region(self) -> None:
        without = replace(BY_KEY, parameters={"accessKeyId": KEY})
        with pytest.raises(Invalid) as caught:
            await self.provider.mint(Place("ecr.example.com"), without, outside(aws()))
        assert caught.value.code == "mint_region"
        fake = aws()
        await self.provider.mint(Place("ecr.example.com"), BY_KEY, outside(fake))
        assert urlsplit(fake.asked[0].url).netloc == "api.ecr.eu-west-1.amazonaws.com"

    async def test_without_a_credential_for_management_the_registry_itself_is_asked(self) -> None:
        distribution = FakeDistribution({"shop/api": ("1.0",)})
        reader = Reader(distribution, outside(aws()))
        assert [one.name for one in (await self.provider.repositories(self.place, reader, Query())).items] == [
            "shop/api"
        ]
        assert [one.name for one in (await self.provider.tags(self.place, "shop/api", reader, Query())).items] == [
            "1.0"
        ]


# --- the same against moto


class Moto:
    """moto's server under the hosts of AWS: the request goes to it as it was signed."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def send(self, request: Request) -> Response:
        return await asyncio.to_thread(self._send, request)

    def _send(self, request: Request) -> Response:
        url = urlsplit(request.url)
        headers = {n: v.reveal().decode() if isinstance(v, SecretValue) else v for n, v in request.headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(request.method, url.path, request.body.reveal(), {**headers, "host": url.netloc})
        answer = connection.getresponse()
        body = SecretValue(answer.read())
        connection.close()
        return Response(answer.status, {n.lower(): v for n, v in answer.getheaders()}, body)


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield Moto(server.get_host_and_port()[1])
    server.stop()


async def fill(exchange: AsyncExchange, now: datetime) -> None:
    """Repositories and images, made by moto's own API."""
    key = Credentials(KEY, SecretValue(CANARY))

    async def do(action: str, **fields: Any) -> None:
        headers = {"content-type": "application/x-amz-json-1.1",
                   "x-amz-target": f"AmazonEC2ContainerRegistry_V20150921.{action}"}  # fmt: skip
        body = SecretValue(json.dumps(fields))
        request = Request("POST", "https://api.ecr.eu-west-1.amazonaws.com/", headers, body)
        answer = await exchange.send(signed(request, key, region="eu-west-1", service="ecr", now=now))
        assert answer.status == 200, answer.body.reveal()

    for name in ("shop/api", "shop/web", "base"):
        await do("CreateRepository", repositoryName=name)
    for number in range(5):
        layer = {
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": 10,
            "digest": "sha256:" + "0" * 64,
        }
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                    "config": {**layer, "digest": "sha256:" + f"{number:02x}" * 32}, "layers": [layer]}  # fmt: skip
        await do("PutImage", repositoryName="shop/api", imageManifest=json.dumps(manifest), imageTag=f"1.{number}")


@pytest.fixture(params=["ours", "moto"])
async def peer(request: pytest.FixtureRequest) -> tuple[AsyncExchange, datetime]:
    """A service with the same repositories; moto lives in the present."""
    if request.param == "ours":
        return aws(), NOW
    found: Moto = request.getfixturevalue("moto")
    now = datetime.now(UTC)
    if not getattr(found, "filled", False):
        await fill(found, now)
        found.filled = True  # type: ignore[attr-defined]  # a mark of this test on its own object
    return found, now


Peer = tuple[AsyncExchange, datetime]
MOTO_PLACE = Place(HOST, "shop")
MOTO_STORED = Stored("aws-key", {"accessKeyId": KEY}, SecretValue(CANARY))


async def test_both_give_a_token_for_twelve_hours(peer: Peer) -> None:
    exchange, now = peer
    if isinstance(exchange, Moto):
        # All of moto's tokens end on the same day, and it looks at no signature.
        now = datetime(2014, 12, 31, 12, tzinfo=UTC)
    for credential in (MOTO_STORED, BY_ROLE):
        minted = await ecr.PROVIDER.mint(MOTO_PLACE, credential, outside(exchange, now))
        assert minted.login.username == "AWS"
        assert minted.expires_at is not None
        assert timedelta(hours=11) < minted.expires_at - now <= timedelta(hours=12)


async def test_both_list_repositories_and_pages_of_them(peer: Peer) -> None:
    exchange, now = peer
    reader = Reader(FakeDistribution(), outside(exchange, now), MOTO_STORED)
    found = await ecr.PROVIDER.repositories(MOTO_PLACE, reader, Query())
    assert sorted(one.name for one in found.items) == ["shop/api", "shop/web"]
    found = await ecr.PROVIDER.repositories(Place(HOST), reader, Query("base"))
    assert [one.name for one in found.items] == ["base"]


async def test_both_list_tags_with_digest_size_and_time(peer: Peer) -> None:
    exchange, now = peer
    reader = Reader(FakeDistribution(), outside(exchange, now), MOTO_STORED)
    found = await ecr.PROVIDER.tags(MOTO_PLACE, "shop/api", reader, Query("1.", limit=1000))
    assert sorted(tag.name for tag in found.items) == ["1.0", "1.1", "1.2", "1.3", "1.4"]
    assert all(tag.digest.startswith("sha256:") and tag.size_bytes and tag.pushed_at for tag in found.items)


async def test_both_know_no_other_repository(peer: Peer) -> None:
    exchange, now = peer
    reader = Reader(FakeDistribution(), outside(exchange, now), MOTO_STORED)
    with pytest.raises(NotFound) as caught:
        await ecr.PROVIDER.tags(MOTO_PLACE, "shop/none", reader, Query())
    assert caught.value.code == "browse_not_found"


async def test_pages_continue_where_the_one_before_ended() -> None:
    reader = Reader(FakeDistribution(), outside(aws()), MOTO_STORED)
    after, names = "", []
    for _ in range(3):
        found = await ecr.PROVIDER.tags(MOTO_PLACE, "shop/api", reader, Query("1.", after, 2))
        names += [tag.name for tag in found.items]
        after = found.after
    assert (names, after) == (["1.0", "1.1", "1.2", "1.3", "1.4"], "")

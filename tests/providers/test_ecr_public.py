from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from portreeve.errors import NotFound
from portreeve.providers import ecr_public
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import AsyncExchange
from tests.fakes.distribution import FakeDistribution
from tests.fakes.ecr_fake import ROLE, FakeAws
from tests.fakes.network import Handler, header, says
from tests.providers.contract_suite import CANARY, NOW, ProviderContract, outside, stored

KEY = "AKIAIOSFODNN7EXAMPLE"
STORED = stored("aws-key", accessKeyId=KEY)
IMAGES = [{"imageDigest": "sha256:" + "0a" * 32, "imageTags": ["1.0", "1.1"], "imageSizeInBytes": 5}]


class TestEcrPublic(ProviderContract):
    provider = ecr_public.PROVIDER
    place = Place("public.ecr.aws", "acme")
    claimed = ("public.ecr.aws",)
    credentials = {
        "aws-key": STORED,
        "aws-role": stored("aws-role", accessKeyId=KEY, roleArn=ROLE, externalId="portreeve-1"),
    }

    def peer(self, life: timedelta) -> AsyncExchange:
        return FakeAws(NOW, {KEY: CANARY}, life=life)

    def endless(self) -> tuple[Handler, Stored | None]:
        rows = [{"repositoryUri": "public.ecr.aws/acme/other", "imageTag": "other"}]
        return lambda _: says({"repositories": rows, "imageTagDetails": rows, "nextToken": "again"}), STORED

    async def test_tokens_come_from_us_east_1_wherever_the_cluster_is(self) -> None:
        fake = FakeAws(NOW, {KEY: CANARY})
        await self.provider.mint(self.place, STORED, outside(fake))
        assert urlsplit(fake.asked[0].url).netloc == "api.ecr-public.us-east-1.amazonaws.com"
        assert "/us-east-1/ecr-public/" in header(fake.asked[0], "authorization")

    async def test_ones_own_repositories_and_tags_are_listed_with_the_alias(self) -> None:
        fake = FakeAws(NOW, {KEY: CANARY}, repositories={"app": IMAGES, "web": []})
        reader = Reader(FakeDistribution(), outside(fake), STORED)
        found = await self.provider.repositories(self.place, reader, Query())
        assert [one.name for one in found.items] == ["acme/app", "acme/web"]
        tags = await self.provider.tags(self.place, "acme/app", reader, Query())
        assert [(tag.name, tag.size_bytes) for tag in tags.items] == [("1.0", 5), ("1.1", 5)]

    async def test_without_a_credential_there_is_no_list_of_repositories(self) -> None:
        reader = Reader(FakeDistribution(), outside(FakeAws(NOW, {})))
        with pytest.raises(NotFound) as caught:
            await self.provider.repositories(self.place, reader, Query())
        assert caught.value.code == "catalog_unsupported"

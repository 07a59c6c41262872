"""What the client sees of any registry: one suite, which each registry's test subclasses with its own `subject`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

import pytest

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, NotFound, PortreeveError
from portreeve.oci.asking import Asking
from portreeve.oci.client import Client
from portreeve.oci.manifests import OCI_INDEX, OCI_MANIFEST
from portreeve.oci.model import Descriptor, Scheme
from portreeve.sandbox.pushing import push
from portreeve.transport.budget import Budget
from portreeve.transport.exchange import AsyncExchange
from tests.fakes.images import Built, image, index, referrer, referrers_index

SIGNATURE, BOM = "application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd.cyclonedx+json"
ABSENT = "sha256:" + "0" * 64


def now() -> datetime:
    return datetime(2026, 11, 28, tzinfo=UTC)


class Exchanges(Protocol):
    """Makes the exchange of one operation."""

    def __call__(self, budget: Budget) -> AbstractAsyncContextManager[AsyncExchange]: ...


@dataclass(frozen=True)
class Subject:
    """A registry under test. `reader` may pull only, where it has such users."""

    origin: str
    exchange: Exchanges
    scheme: Scheme
    login: Login | None = None
    reader: Login | None = None
    realms: Sequence[str] = ()
    referrers_api: bool = True
    deletes_tags: bool = True

    def client(self, exchange: AsyncExchange, budget: Budget, login: Login | None) -> Client:
        return Client(self.origin, exchange, login=login, realms=self.realms, now=now, budget=budget)

    async def push(self, repository: str, built: Built, tag: str = "") -> None:
        budget = Budget()
        async with self.exchange(budget) as exchange:
            asking = Asking(self.origin, exchange, login=self.login, realms=self.realms, now=now, budget=budget)
            await push(asking, repository, built, tag)


def descriptor(content: bytes, digest: str) -> Descriptor:
    return Descriptor(digest, "", len(content))


def fresh() -> str:
    """A repository of the test's own."""
    return f"team/{uuid4().hex}"


class Behaviour:
    """The suite. A subclass is named Test… and has a fixture `subject`."""

    async def test_it_says_how_it_wants_to_be_asked(self, subject: Subject) -> None:
        budget = Budget()
        async with subject.exchange(budget) as exchange:
            challenge = await subject.client(exchange, budget, None).challenge()
        assert challenge.scheme is subject.scheme
        assert (challenge.realm != "") is (subject.scheme is Scheme.BEARER)

    async def test_the_right_login_is_accepted(self, subject: Subject) -> None:
        budget = Budget()
        async with subject.exchange(budget) as exchange:
            await subject.client(exchange, budget, subject.login).sign_in()

    async def test_a_wrong_password_is_refused_as_one(self, subject: Subject) -> None:
        if subject.login is None:
            pytest.skip("nobody signs in")
        budget, wrong = Budget(), Login(subject.login.username, SecretValue("wrong"))
        async with subject.exchange(budget) as exchange:
            with pytest.raises(Denied) as why:
                await subject.client(exchange, budget, wrong).sign_in()
        assert why.value.code == "registry_unauthorized"
        assert "does not accept the credential" in why.value.message

    async def test_nobody_is_refused_where_a_login_is_needed(self, subject: Subject) -> None:
        if subject.login is None:
            pytest.skip("nobody signs in")
        budget = Budget()
        async with subject.exchange(budget) as exchange:
            with pytest.raises(Denied) as why:
                await subject.client(exchange, budget, None).head(fresh(), "1")
        assert why.value.code == "registry_unauthorized"
        assert "wants a login" in why.value.message

    async def test_an_image_is_read_by_tag_and_by_digest(self, subject: Subject) -> None:
        repository, built, budget = fresh(), image("read"), Budget()
        await subject.push(repository, built, "1.0")
        async with subject.exchange(budget) as exchange:
            client = subject.client(exchange, budget, subject.login)
            head = await client.head(repository, "1.0")
            by_tag = await client.manifest(repository, "1.0")
            by_digest = await client.manifest(repository, built.digest)
            assert by_tag.config is not None
            configuration = await client.blob(repository, by_tag.config, limit_bytes=4096)
            host = await client.blob_host(repository, by_tag.config.digest)
        expected = Descriptor(built.digest, OCI_MANIFEST, len(built.content))
        assert head.descriptor == by_tag.descriptor == by_digest.descriptor == expected
        assert by_tag.content == built.content
        assert not by_tag.is_index
        assert json.loads(configuration)["config"]["Labels"] == {"name": "read"}
        assert host == subject.origin.removeprefix("https://") + ("" if subject.origin.count(":") == 2 else ":443")

    async def test_an_index_tells_its_platforms(self, subject: Subject) -> None:
        repository, budget = fresh(), Budget()
        children = [image("amd"), image("arm")]
        for child in children:
            await subject.push(repository, child)
        await subject.push(repository, index(children, ["linux/amd64", "linux/arm64"]), "2.0")
        async with subject.exchange(budget) as exchange:
            found = await subject.client(exchange, budget, subject.login).manifest(repository, "2.0")
        assert found.is_index
        assert found.descriptor.media_type == OCI_INDEX
        assert [(child.platform, child.digest) for child in found.children] == [
            ("linux/amd64", children[0].digest),
            ("linux/arm64", children[1].digest),
        ]

    async def test_what_is_not_there_is_said_to_be_unknown(self, subject: Subject) -> None:
        repository, built, budget = fresh(), image("there"), Budget()
        await subject.push(repository, built, "1")
        async with subject.exchange(budget) as exchange:
            client = subject.client(exchange, budget, subject.login)
            for asking in (client.head(repository, "2"), client.manifest(repository, ABSENT)):
                with pytest.raises(NotFound) as why:
                    await asking
                assert why.value.code == "manifest_unknown"
            with pytest.raises(NotFound) as why:
                await client.tags(fresh())
            assert why.value.code == "repository_unknown"
            with pytest.raises(NotFound) as why:
                await client.blob(repository, Descriptor(ABSENT), limit_bytes=10)
            assert why.value.code == "blob_unknown"

    async def test_tags_come_in_pages_each_of_them_once(self, subject: Subject) -> None:
        repository, built, budget = fresh(), image("many"), Budget()
        wanted = [f"v{number:02}" for number in range(7)]
        for tag in wanted:
            await subject.push(repository, built, tag)
        found: list[str] = []
        async with subject.exchange(budget) as exchange:
            client = subject.client(exchange, budget, subject.login)
            page = await client.tags(repository, limit=3)
            while True:
                assert len(page.names) <= 3
                found += page.names
                if not page.after:
                    break
                page = await client.tags(repository, after=page.after, limit=3)
            again = await client.tags(repository, limit=1000)
        assert sorted(found) == wanted
        assert sorted(again.names) == wanted
        assert again.after == ""

    async def test_the_catalog_has_the_repository(self, subject: Subject) -> None:
        repository, budget = fresh(), Budget()
        await subject.push(repository, image("listed"), "1")
        found: list[str] = []
        async with subject.exchange(budget) as exchange:
            client = subject.client(exchange, budget, subject.login)
            page = await client.catalog(limit=1000)
            found += page.names
        assert repository in found

    async def test_referrers_are_found_by_the_api_or_by_the_tag(self, subject: Subject) -> None:
        repository, built, budget = fresh(), image("signed"), Budget()
        await subject.push(repository, built, "1")
        about = {kind: referrer(built, kind) for kind in (SIGNATURE, BOM)}
        for artifact in about.values():
            await subject.push(repository, artifact)
        if not subject.referrers_api:
            await subject.push(repository, referrers_index(about), built.digest.replace(":", "-"))
        async with subject.exchange(budget) as exchange:
            client = subject.client(exchange, budget, subject.login)
            found = await client.referrers(repository, built.digest)
            boms = await client.referrers(repository, built.digest, artifact_type=BOM)
            none = await client.referrers(repository, about[BOM].digest)
        assert {(each.digest, each.artifact_type) for each in found} == {
            (artifact.digest, kind) for kind, artifact in about.items()
        }
        assert [each.digest for each in boms] == [about[BOM].digest]
        assert list(none) == []

    async def test_who_may_push_is_told_without_leaving_anything(self, subject: Subject) -> None:
        repository, budget = fresh(), Budget()
        await subject.push(repository, image("pushed"), "1")
        async with subject.exchange(budget) as exchange:
            assert await subject.client(exchange, budget, subject.login).may_push(repository) is True
            if subject.reader is not None:
                reader = subject.client(exchange, budget, subject.reader)
                assert (await reader.head(repository, "1")).descriptor.digest == image("pushed").digest
                assert await reader.may_push(repository) is False
            if subject.scheme is not Scheme.NONE:
                assert await subject.client(exchange, budget, None).may_push(repository) is False

    async def test_a_tag_is_put_and_a_manifest_deleted(self, subject: Subject) -> None:
        repository, built, other, budget = fresh(), image("kept"), image("other"), Budget()
        await subject.push(repository, built, "1")
        await subject.push(repository, other, "2")
        async with subject.exchange(budget) as exchange:
            client = subject.client(exchange, budget, subject.login)
            manifest = await client.manifest(repository, "1")
            await client.put_tag(repository, manifest, "stable")
            assert (await client.head(repository, "stable")).descriptor == manifest.descriptor
            await client.put_tag(repository, manifest, "2")
            assert (await client.head(repository, "2")).descriptor == manifest.descriptor
            await client.delete(repository, other.digest)
            with pytest.raises(NotFound):
                await client.manifest(repository, other.digest)
            if subject.deletes_tags:
                await client.delete(repository, "stable")
            else:
                with pytest.raises(PortreeveError) as why:
                    await client.delete(repository, "stable")
                assert why.value.code == "registry_unsupported"

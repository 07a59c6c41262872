"""What is asked of the hostile registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from portreeve.oci.client import Client
from portreeve.oci.model import Descriptor
from tests.fakes.images import digest_of, image

REPOSITORY, TAG = "team/app", "1.0"
GOOD, OTHER = image("good"), image("other")
BLOB = b'{"architecture": "amd64"}'
BLOB_DIGEST = digest_of(BLOB)
MIB = 1024 * 1024

Ask = Callable[[Client], Awaitable[object]]


async def challenge(client: Client) -> object:
    return await client.challenge()


async def sign_in(client: Client) -> object:
    await client.sign_in()
    return None


async def head(client: Client) -> object:
    return await client.head(REPOSITORY, TAG)


async def manifest(client: Client) -> object:
    return await client.manifest(REPOSITORY, TAG)


async def by_digest(client: Client) -> object:
    return await client.manifest(REPOSITORY, GOOD.digest)


async def head_by_digest(client: Client) -> object:
    return await client.head(REPOSITORY, GOOD.digest)


async def head_then_manifest(client: Client) -> object:
    await client.head(REPOSITORY, TAG)
    return await client.manifest(REPOSITORY, TAG)


async def manifest_twice(client: Client) -> object:
    await client.manifest(REPOSITORY, TAG)
    return await client.manifest(REPOSITORY, TAG)


async def blob(client: Client) -> object:
    return await client.blob(REPOSITORY, Descriptor(BLOB_DIGEST, "", len(BLOB)), limit_bytes=MIB)


async def blob_of_unknown_size(client: Client) -> object:
    return await client.blob(REPOSITORY, Descriptor(BLOB_DIGEST), limit_bytes=MIB)


async def huge_blob(client: Client) -> object:
    return await client.blob(REPOSITORY, Descriptor(BLOB_DIGEST, "", 2**40), limit_bytes=MIB)


async def blob_host(client: Client) -> object:
    return await client.blob_host(REPOSITORY, BLOB_DIGEST)


async def tags(client: Client) -> object:
    return await client.tags(REPOSITORY)


async def all_tags(client: Client) -> object:
    page = await client.tags(REPOSITORY, limit=1000)
    while page.after:
        page = await client.tags(REPOSITORY, after=page.after, limit=1000)
    return page


async def all_repositories(client: Client) -> object:
    page = await client.catalog(limit=1000)
    while page.after:
        page = await client.catalog(after=page.after, limit=1000)
    return page


async def referrers(client: Client) -> object:
    return await client.referrers(REPOSITORY, GOOD.digest)


async def may_push(client: Client) -> object:
    return await client.may_push(REPOSITORY)


async def delete(client: Client) -> object:
    await client.delete(REPOSITORY, TAG)
    return None

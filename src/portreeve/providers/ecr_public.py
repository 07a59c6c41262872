"""Amazon ECR Public: public.ecr.aws/<alias>, whose API lives in us-east-1 only.

Anybody pulls without a credential; signing in raises the limits. Signs in and mints as private ECR does (12 h, reported
as ending 600 s early), with two rights of its own.

Needs: ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken. To browse one's own:
ecr-public:DescribeRepositories, ecr-public:DescribeImageTags.
Lists: the repositories of the account that the credential is of; others by the tags of a named repository alone.
Limits: without a credential 500 GB a month and a few pulls a second for an address; not told in headers.

Sources: Amazon ECR Public User Guide; Amazon ECR Public API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portreeve.core.credential import Login
from portreeve.core.egress import Purpose
from portreeve.providers import _aws
from portreeve.providers._answers import Browsing, Minting, cursor, digest, mapping, moment, number, rows, text
from portreeve.providers.contract import (
    MAX_PAGE,
    MAX_ROUNDS,
    PROBE_NOTE,
    Browse,
    Claim,
    Host,
    Listing,
    Minted,
    Outside,
    Place,
    Provider,
    Query,
    Reader,
    Repository,
    Stored,
    Tag,
    checked_repository,
    is_below,
    is_repository,
    is_tag,
    leading,
    no_catalog,
    own_host,
)

HOST: Final = "public.ecr.aws"
REGION: Final = "us-east-1"
_SERVICE: Final = _aws.Service(
    "https://api.ecr-public.us-east-1.amazonaws.com/",
    REGION,
    "ecr-public",
    "SpencerFrontendService",
    "https://sts.us-east-1.amazonaws.com/",
)
_MINTING: Final = Minting(
    "Amazon ECR Public", "it needs ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken"
)
_BROWSING: Final = Browsing(
    "Amazon ECR Public", "it needs ecr-public:DescribeRepositories and ecr-public:DescribeImageTags"
)


class EcrPublic(Provider):
    """Amazon ECR Public."""

    name = "ecr-public"
    title = "Amazon ECR Public"
    methods = _aws.methods(
        (
            "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken",
            "to browse: ecr-public:DescribeRepositories, ecr-public:DescribeImageTags",
        )
    )
    public = True
    browse = Browse.API
    depth = 1
    notes = (
        "tokens come from us-east-1, wherever the cluster is",
        "anybody can publish here: in staging and production it is an upstream of mirrors only",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if host != HOST:
            return None
        return Claim(self.name, Place(host, leading(path, 1)), parameters={"region": REGION})

    def console(self, host: str, path: str) -> Claim | None:
        if host == "gallery.ecr.aws":
            return self.claim(HOST, path)
        if host == "arn" and re.fullmatch(r"arn:aws:ecr-public::[0-9]{12}:repository/\S+", path):
            note = "the ARN does not tell the registry's alias: add it as path"
            return Claim(self.name, Place(HOST), parameters={"region": REGION}, note=note)
        return None

    def hosts(self, place: Place) -> tuple[Host, ...]:
        if place.host != HOST:
            return super().hosts(place)
        return (
            own_host(place),
            Host("api.ecr-public.us-east-1.amazonaws.com", Purpose.API, "to mint tokens"),
            Host("*.cloudfront.net", Purpose.BLOBS, PROBE_NOTE, certain=False),
        )

    def login(self, place: Place, stored: Stored) -> Login | None:
        self.method(stored.method)
        return None

    async def mint(self, place: Place, stored: Stored, outside: Outside) -> Minted:
        self.method(stored.method)
        answer = await _aws.call(_SERVICE, "GetAuthorizationToken", {}, stored, outside, _MINTING)
        return _aws.minted(mapping(answer.get("authorizationData")), outside, _MINTING)

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        if reader.stored is None:
            raise no_catalog(self.title, "it lists one's own, and there is no credential for management")
        after, limit = query.after, max(1, min(query.limit, MAX_PAGE))
        for _ in range(MAX_ROUNDS):
            more = {"nextToken": after} if after else {}
            answer = await _ask("DescribeRepositories", {"maxResults": limit, **more}, reader)
            found = tuple(_repositories(rows(answer.get("repositories")), place, query))
            after = cursor(answer.get("nextToken"), _BROWSING)
            if found or not after:
                return Listing(found, after)
        return Listing((), after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        name = checked_repository(repository).partition("/")[2]
        if reader.stored is None or not name:
            return await super().tags(place, repository, reader, query)
        after = query.after
        fields = {"repositoryName": name, "maxResults": max(1, min(query.limit, MAX_PAGE))}
        for _ in range(MAX_ROUNDS):
            answer = await _ask("DescribeImageTags", {**fields, **({"nextToken": after} if after else {})}, reader)
            found = tuple(_tags(rows(answer.get("imageTagDetails")), query.search))
            after = cursor(answer.get("nextToken"), _BROWSING)
            if found or not after:
                return Listing(found, after)
        return Listing((), after)


async def _ask(action: str, fields: Mapping[str, object], reader: Reader) -> Mapping[str, Any]:
    assert reader.stored is not None
    return await _aws.call(_SERVICE, action, fields, reader.stored, reader.outside, _BROWSING)


def _repositories(found: Any, place: Place, query: Query) -> Iterator[Repository]:
    for row in found:
        # The API's own names lack the alias, which pulls need.
        name = text(row.get("repositoryUri")).removeprefix(f"{HOST}/")
        if is_repository(name) and is_below(name, place) and query.search in name:
            yield Repository(name)


def _tags(found: Any, search: str) -> Iterator[Tag]:
    for row in found:
        name, image = row.get("imageTag"), mapping(row.get("imageDetail"))
        if is_tag(name) and search in name:
            pushed = moment(image.get("imagePushedAt"))
            yield Tag(name, digest(image.get("imageDigest")), number(image.get("imageSizeInBytes")), pushed)


PROVIDER: Final = EcrPublic()

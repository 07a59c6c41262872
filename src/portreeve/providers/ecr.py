"""Amazon ECR, private registries: one for each account and region.

Signs in with an access key of an IAM user, or with a role that such a key assumes (cross-account: with an external id).
Both mint: `GetAuthorizationToken` gives user `AWS` and a token for 12 h; it is reported as ending 600 s early (a tenth
of its life where that is less), as tokens have been seen to end early. The token is asked for the account of the host
(`registryIds`), so a key of another account works where the repositories' policies let it pull.

Needs: ecr:GetAuthorizationToken on `*`; on the repositories ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and
ecr:BatchCheckLayerAvailability. To browse: ecr:DescribeRepositories, ecr:DescribeImages.
Lists: the ECR API, with the credential for management.
Limits: by API action (`ThrottlingException`).

Sources: Amazon ECR User Guide, "Private registry authentication"; Amazon ECR API Reference; AWS service endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from portreeve.core.credential import Login
from portreeve.core.egress import Purpose
from portreeve.core.reference import shown
from portreeve.errors import Invalid
from portreeve.providers import _aws
from portreeve.providers._answers import Browsing, Minting, cursor, digest, mapping, moment, number, rows
from portreeve.providers.contract import (
    MAX_PAGE,
    MAX_ROUNDS,
    PROBE_NOTE,
    Browse,
    Claim,
    Field,
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
    own_host,
)

_REGION = "[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}"
_OWN: Final = re.compile(
    rf"(?P<account>[0-9]{{1,12}}|[*])\.dkr\.ecr(?P<fips>-fips)?\.(?P<region>{_REGION})"
    r"\.(?P<suffix>amazonaws\.com(?:\.cn)?|sc2s\.sgov\.gov|c2s\.ic\.gov)"
)
_DUAL: Final = re.compile(rf"(?P<account>[0-9]{{1,12}}|[*])\.dkr-ecr(?P<fips>-fips)?\.(?P<region>{_REGION})\.on\.aws")
_ARN: Final = re.compile(rf"arn:aws[a-z-]*:ecr:({_REGION}):([0-9]{{12}}):repository/(\S+)")
_SUFFIXES: Final = {"cn": "amazonaws.com.cn", "us-iso": "c2s.ic.gov", "us-isob": "sc2s.sgov.gov"}

_MINTING: Final = Minting("Amazon ECR", "see the key, its ecr:GetAuthorizationToken on *, and the role's trust policy")
_BROWSING: Final = Browsing("Amazon ECR", "it needs ecr:DescribeRepositories and ecr:DescribeImages")


_HINTS: Final = {
    "name_unknown_host": "the host says account and region: see that the region in it exists, as eu-west-1",
    "repository_unknown": "a registry of ECR is one account in one region: see that the repository is in this one",
    "manifest_unknown": "a registry of ECR is one account in one region: see that the image was pushed to this one",
    "mint_denied": "see that the key is active, the clock is right, and ecr:GetAuthorizationToken is allowed on *",
}
"""Code → what it usually means here."""


class Ecr(Provider):
    """Amazon ECR."""

    name = "ecr"
    title = "Amazon ECR"
    methods = _aws.methods(
        (
            "ecr:GetAuthorizationToken on *",
            "ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:BatchCheckLayerAvailability on the repositories",
            "to browse: ecr:DescribeRepositories, ecr:DescribeImages",
        ),
        Field("region", "Region", False, _REGION, "eu-west-1", "only where the host does not tell it"),
        Field("account", "Account", False, "[0-9]{12}", "123456789012", "only where the host does not tell it"),
    )
    anonymous = False
    browse = Browse.API
    notes = (
        "one registration for each account and region",
        "from another account: the repositories' policies must let its key or role pull",
        "on EKS, delivery mode cluster-identity needs no stored credential to pull",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        found = _OWN.fullmatch(host) or _DUAL.fullmatch(host)
        if found is None:
            return None
        parameters = {"region": found["region"]}
        if found["account"] != "*":
            parameters["account"] = found["account"]
        return Claim(self.name, Place(host), parameters=parameters)

    def console(self, host: str, path: str) -> Claim | None:
        if host == "arn" and (arn := _ARN.fullmatch(path)):
            return self.claim(_host(arn[2], arn[1]), arn[3])
        page = re.fullmatch(rf"({_REGION})\.console\.(?:aws\.amazon\.com|amazonaws\.cn)", host)
        account = re.match(r"ecr/(?:private-registry/)?repositories/private/([0-9]{12})(?:/|$)", path)
        return self.claim(_host(account[1], page[1])) if page is not None and account is not None else None

    def hint(self, code: str) -> str:
        return _HINTS.get(code, "")

    def hosts(self, place: Place) -> tuple[Host, ...]:
        if found := _OWN.fullmatch(place.host):
            region, suffix = found["region"], found["suffix"]
            note, certain = "", True
        elif found := _DUAL.fullmatch(place.host):
            region, suffix, note, certain = found["region"], "amazonaws.com", PROBE_NOTE, False
        else:
            return super().hosts(place)
        api = urlhost(place.host)
        bucket = f"prod-{region}-starport-layer-bucket.s3.{region}.{suffix}"
        return (
            own_host(place),
            Host(api, Purpose.API, note or "to mint tokens", certain),
            Host(f"sts.{region}.{suffix}", Purpose.API, note or "to mint tokens with a role", certain),
            Host(bucket, Purpose.BLOBS, note, certain),
        )

    def mint_key(self, place: Place, stored: Stored) -> str:
        # A token is good for every registry that its principal may pull from, and is asked for one account and region.
        return ":".join(_where(place, stored))

    def login(self, place: Place, stored: Stored) -> Login | None:
        self.method(stored.method)
        return None

    async def mint(self, place: Place, stored: Stored, outside: Outside) -> Minted:
        self.method(stored.method)
        region, account = _where(place, stored)
        service = _service(place, region)
        fields = {"registryIds": [account]} if account else {}
        answer = await _aws.call(service, "GetAuthorizationToken", fields, stored, outside, _MINTING)
        found = rows(answer.get("authorizationData"), 1)
        if not found:
            raise _MINTING.unreadable("there is no token in it")
        return _aws.minted(found[0], outside, _MINTING)

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        if reader.stored is None:
            return await super().repositories(place, reader, query)
        after, limit = query.after, max(1, min(query.limit, MAX_PAGE))
        for _ in range(MAX_ROUNDS):
            answer = await _described("DescribeRepositories", {"maxResults": limit}, place, reader, after)
            found = tuple(_repositories(rows(answer.get("repositories")), place, query))
            after = cursor(answer.get("nextToken"), _BROWSING)
            if found or not after:
                return Listing(found, after)
        return Listing((), after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        if reader.stored is None:
            return await super().tags(place, repository, reader, query)
        fields = {
            "repositoryName": checked_repository(repository),
            "maxResults": max(1, min(query.limit, MAX_PAGE)),
            "filter": {"tagStatus": "TAGGED"},
        }
        after = query.after
        for _ in range(MAX_ROUNDS):
            answer = await _described("DescribeImages", fields, place, reader, after)
            found = tuple(_tags(rows(answer.get("imageDetails")), query.search))
            after = cursor(answer.get("nextToken"), _BROWSING)
            if found or not after:
                return Listing(found, after)
        return Listing((), after)


def _host(account: str, region: str) -> str:
    """The host of a registry, by its partition, which the region begins with."""
    found = [suffix for start, suffix in _SUFFIXES.items() if region.startswith(f"{start}-")]
    return f"{account}.dkr.ecr.{region}.{found[0] if found else 'amazonaws.com'}"


def urlhost(host: str) -> str:
    """The host of the API for a registry's host."""
    found = _OWN.fullmatch(host) or _DUAL.fullmatch(host)
    assert found is not None
    suffix = found.groupdict().get("suffix") or "amazonaws.com"
    return f"ecr-fips.{found['region']}.{suffix}" if found["fips"] else f"api.ecr.{found['region']}.{suffix}"


def _where(place: Place, stored: Stored) -> tuple[str, str]:
    """Region and account: the host's, else the parameters'.

    Raises:
        Invalid: `mint_region`.
    """
    found = _OWN.fullmatch(place.host) or _DUAL.fullmatch(place.host)
    region = found["region"] if found is not None else stored.parameters.get("region", "")
    if not re.fullmatch(_REGION, region):
        hint = "add the parameter region, or register the host of the account and region itself"
        raise Invalid("mint_region", f"{shown(place.host)} does not tell its region", hint=hint)
    account = found["account"] if found is not None else stored.parameters.get("account", "")
    return region, account if account.isdigit() else ""


def _service(place: Place, region: str) -> _aws.Service:
    known = _OWN.fullmatch(place.host) or _DUAL.fullmatch(place.host)
    host = urlhost(place.host if known else _host("0", region))
    suffix = host.partition(f".{region}.")[2]
    target = "AmazonEC2ContainerRegistry_V20150921"
    return _aws.Service(f"https://{host}/", region, "ecr", target, f"https://sts.{region}.{suffix}/")


async def _described(
    action: str, fields: Mapping[str, object], place: Place, reader: Reader, after: str
) -> Mapping[str, Any]:
    assert reader.stored is not None
    region, account = _where(place, reader.stored)
    more = {"nextToken": after} if after else {}
    asked_for = {**fields, **({"registryId": account} if account else {}), **more}
    return await _aws.call(_service(place, region), action, asked_for, reader.stored, reader.outside, _BROWSING)


def _repositories(found: Any, place: Place, query: Query) -> Iterator[Repository]:
    for row in found:
        name = row.get("repositoryName")
        if is_repository(name) and is_below(name, place) and query.search in name:
            yield Repository(name)


def _tags(found: Any, search: str) -> Iterator[Tag]:
    for row in found:
        pushed, pulled = _moment(row, "imagePushedAt"), _moment(row, "lastRecordedPullTime")
        names = row.get("imageTags")
        for name in names[:1000] if isinstance(names, list) else []:
            if is_tag(name) and search in name:
                yield Tag(name, digest(row.get("imageDigest")), number(row.get("imageSizeInBytes")), pushed, pulled)


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    return moment(mapping(row).get(name))


PROVIDER: Final = Ecr()

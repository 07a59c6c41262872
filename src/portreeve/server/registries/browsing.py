"""Looking into a registry: repositories, tags, one image with its platforms and what refers to it; and changing tags.

Theory of operation. A page is asked of the registry when it is asked of us, with the search in it; nothing is kept, so
a repository of 50,000 tags costs a page at a time. Where a registry lists no repositories, those that environments run
are shown, to each caller the ones they may see, and the answer says so.

A change goes out of the database, so its event is written before it as intended, and behind it as done or failed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Outcome, Target, escaped
from portreeve.core.blast_radius import RunningImage
from portreeve.core.reference import DEFAULT_TAG, Reference, UnsafeReference, parse, shown
from portreeve.errors import Denied, Invalid, NotFound, Outdated, PortreeveError, Problem, Throttled, Unavailable
from portreeve.oci.artifacts import LEGACY_TAGS, Artifact, kind_of, legacy_tag
from portreeve.oci.distribution import Distribution
from portreeve.oci.model import Descriptor, Manifest
from portreeve.providers.contract import (
    Browse,
    Listing,
    Place,
    Query,
    Repository,
    Tag,
    checked_repository,
    is_below,
)
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.http.caller import Caller
from portreeve.server.registries.contact import Contact, Contacts

Row = TypeVar("Row", Repository, Tag)

SOURCE_INVENTORY: Final = "inventory"

MOST_PLATFORMS: Final = 32
"""Images of an index that are looked at; docker.io/library images have up to 12, with attestations 24."""

CONFIG_BYTES: Final = 1 << 20
"""An image's configuration: some KB, with a long history some hundred."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page of rows, where they come from, and what a person should know."""

    rows: Sequence[Row]
    after: str
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """One image of a reference: what it is for, its digest, and the bytes of its layers and configuration."""

    platform: str
    digest: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Image:
    """One reference, looked at. `artifacts` are what refers to it, by kind; None where the registry does not tell.

    `artifact_type` tells an image ("application/vnd.oci.image.config.v1+json") from a Helm chart and other things.
    """

    repository: str
    reference: str
    digest: str
    media_type: str
    artifact_type: str
    platforms: tuple[Platform, ...]
    created_at: str
    artifacts: Mapping[Artifact, int] | None


class Browsing:
    """The service."""

    def __init__(self, contacts: Contacts, writer: Writer) -> None:
        self._contacts = contacts
        self._writer = writer

    async def repositories(self, contact: Contact, running: Iterable[RunningImage], query: Query) -> Page[Repository]:
        """A page of repositories; `running` is what the caller may see of what runs.

        Raises:
            As `oci.distribution`, but for a list that is not to be had.
        """
        note = f"{contact.provider.title} lists no repositories"
        if contact.provider.browse is not Browse.INVENTORY:
            try:
                async with self._contacts.line(contact) as line:
                    found = await contact.provider.repositories(contact.place, await line.reader(), query)
                return Page(found.items, found.after, str(contact.provider.browse), found.note)
            except (NotFound, Denied) as error:
                note = f"the registry does not list its repositories to us ({error.code})"
        names = sorted({one.path for one, _ in running_from(contact.place, running)})
        rows = [Repository(name) for name in names if query.search in name and name > query.after]
        page, more = rows[: query.limit], len(rows) > query.limit
        note = f"{note}: these are the ones that environments run"
        return Page(page, page[-1].name if more else "", SOURCE_INVENTORY, note)

    async def tags(self, contact: Contact, repository: str, query: Query) -> Page[Tag]:
        """A page of tags of a repository.

        Raises:
            Invalid: `repository_outside`, `repository_name`. Else as `oci.distribution`.
        """
        inside(contact.place, repository)
        async with self._contacts.line(contact) as line:
            found: Listing[Tag] = await contact.provider.tags(contact.place, repository, await line.reader(), query)
        return Page(found.items, found.after, str(contact.provider.browse), found.note)

    async def image(self, contact: Contact, repository: str, reference: str) -> Image:
        """One image or index, with its platforms and what refers to it.

        Raises:
            As `tags`.
        """
        inside(contact.place, repository)
        async with self._contacts.line(contact) as line:
            distribution = line.distribution(await line.login())
            manifest = await distribution.manifest(repository, reference)
            platforms = [one async for one in _platforms(distribution, repository, manifest)]
            created = await _created(distribution, repository, manifest)
            artifacts = await _artifacts(distribution, repository, manifest.descriptor.digest)
        return Image(
            repository,
            reference,
            manifest.descriptor.digest,
            manifest.descriptor.media_type,
            manifest.descriptor.artifact_type or (manifest.config.media_type if manifest.config else ""),
            tuple(platforms),
            created,
            artifacts,
        )

    async def retag(
        self, contact: Contact, caller: Caller, repository: str, reference: str, tag: str, expected: str | None
    ) -> str:
        """Let `tag` name what `reference` names; the digest of that.

        `expected` is the digest that the tag names now, None for a tag that is not there yet.

        Raises:
            Outdated: `tag_moved`: the tag names something else. Else as `tags`.
        """
        inside(contact.place, repository)
        async with self._contacts.line(contact) as line:
            distribution = line.distribution(await line.login())
            manifest = await distribution.manifest(repository, reference)
            _refuse_moved(await _named(distribution, repository, tag), expected, f"{repository}:{tag}")
            target = _target(contact, f"{repository}:{tag}")
            await self._recorded(
                caller, Recorded.IMAGE_TAG, target, lambda: distribution.put_tag(repository, manifest, tag),
                before=expected, after=manifest.descriptor.digest,
            )  # fmt: skip
        return manifest.descriptor.digest

    async def delete(self, contact: Contact, caller: Caller, repository: str, reference: str, expected: str) -> None:
        """Delete what a reference names, if that still is the expected digest: a tag, or a manifest with all its tags.

        Raises:
            Outdated: `tag_moved`. Invalid: `delete_unsupported`: this product has another way. Else as `tags`.
        """
        inside(contact.place, repository)
        if not contact.provider.deletes:
            hint = "delete it in the product's own console or API"
            raise Invalid("delete_unsupported", f"{contact.provider.title} deletes nothing by the OCI API", hint=hint)
        async with self._contacts.line(contact) as line:
            distribution = line.distribution(await line.login())
            found = (await distribution.head(repository, reference)).descriptor.digest
            _refuse_moved(found, expected, f"{repository} {reference}")
            separator = "@" if ":" in reference else ":"
            target = _target(contact, f"{repository}{separator}{reference}")
            await self._recorded(
                caller, Recorded.IMAGE_DELETE, target, lambda: distribution.delete(repository, reference), before=found
            )

    async def _recorded(
        self,
        caller: Caller,
        action: Recorded,
        target: Target,
        effect: Callable[[], Any],
        *,
        before: str | None = None,
        after: str | None = None,
    ) -> None:
        """Do it, with an event before and one behind it."""
        # An event holds digests of SHA-256 alone; the registry has the others.
        old, new = (one if one is not None and one.startswith("sha256:") else None for one in (before, after))
        entry = Entry(caller.actor, action, target, caller.request, Outcome.INTENDED, None, old, new)
        await self._writer.run(_writing(entry))
        try:
            await effect()
        except PortreeveError as error:
            await self._writer.run(_writing(replace(entry, outcome=Outcome.FAILED, reason=error.code)))
            raise
        await self._writer.run(_writing(replace(entry, outcome=Outcome.DONE)))


def _writing(entry: Entry) -> Callable[[Transaction], Any]:
    async def job(transaction: Transaction) -> None:
        transaction.record(entry)

    return job


def _target(contact: Contact, what: str) -> Target:
    return Target(ObjectKind.IMAGE, escaped(f"{contact.place.host}/{what}"))


def inside(place: Place, repository: str) -> None:
    """See that a repository is one, and lies at or below the registration's path.

    Raises:
        Invalid: `repository_name`, `repository_outside`.
    """
    if not is_below(checked_repository(repository), place):
        problem = Problem("repository_outside", f"is not below {place.path}", "repository")
        raise Invalid("repository_outside", "the registry does not stand for that repository", problems=(problem,))


def running_from(place: Place, running: Iterable[RunningImage]) -> Iterator[tuple[Reference, int]]:
    """What runs and lies at or below the place: each reference once, and how often it runs.

    References are read once for each text: 100,000 images that run are some thousand texts.
    """
    for text, times in Counter(image.image for image in running).items():
        try:
            reference = parse(text)
        except UnsafeReference:
            continue
        if reference.host == place.host and is_below(reference.path, place):
            yield reference, times


def candidates(place: Place, running: Iterable[RunningImage]) -> tuple[tuple[str, str], ...]:
    """What runs and comes from there, as (repository, tag or digest), sorted: images that must be there."""
    return tuple(sorted({(one.path, one.digest or one.tag or DEFAULT_TAG) for one, _ in running_from(place, running)}))


def uses(
    place: Place, running: Iterable[RunningImage], repository: str, reference: str, digest: str
) -> list[RunningImage]:
    """The workloads that run what a reference names, by its tag or its digest."""
    found = []
    for image in running:
        try:
            one = parse(image.image)
        except UnsafeReference:
            continue
        named = one.digest == digest if one.digest else (one.tag or DEFAULT_TAG) == reference
        if (one.host, one.path) == (place.host, repository) and named:
            found.append(image)
    return sorted(found)


async def _platforms(distribution: Distribution, repository: str, manifest: Manifest) -> Any:
    if not manifest.is_index:
        yield Platform("", manifest.descriptor.digest, _size(manifest))
        return
    for child in manifest.children[:MOST_PLATFORMS]:
        if child.platform in {"", "unknown/unknown"}:
            continue  # An attestation of BuildKit stands in an index like an image, for no platform.
        try:
            size = _size(await distribution.manifest(repository, child.digest))
        except (NotFound, Unavailable, Throttled):
            size = None
        yield Platform(child.platform, child.digest, size)


def _size(manifest: Manifest) -> int | None:
    parts = [*manifest.layers, *((manifest.config,) if manifest.config else ())]
    sizes = [part.size_bytes for part in parts]
    return None if any(size < 0 for size in sizes) else sum(sizes)


async def _created(distribution: Distribution, repository: str, manifest: Manifest) -> str:
    """When the image says that it was made, "" where it does not."""
    if manifest.config is None or not 0 <= manifest.config.size_bytes <= CONFIG_BYTES:
        return ""
    try:
        config = json.loads(await distribution.blob(repository, manifest.config, limit_bytes=CONFIG_BYTES))
    except (PortreeveError, ValueError, RecursionError):
        return ""
    created = config.get("created") if isinstance(config, dict) else None
    if not isinstance(created, str):
        return ""
    try:
        return datetime.fromisoformat(created[:40]).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return ""


async def _artifacts(distribution: Distribution, repository: str, digest: str) -> Mapping[Artifact, int] | None:
    try:
        referrers: Sequence[Descriptor] = await distribution.referrers(repository, digest)
    except (Denied, Unavailable, Throttled, NotFound):
        return None
    found: dict[Artifact, int] = {}
    for referrer in referrers:
        kind = kind_of(referrer)
        found[kind] = found.get(kind, 0) + 1
    for end, kind in LEGACY_TAGS.items():
        if await _named(distribution, repository, legacy_tag(digest, end)) is not None:
            found[kind] = found.get(kind, 0) + 1
    return found


async def _named(distribution: Distribution, repository: str, tag: str) -> str | None:
    """The digest that a tag names, None if there is no such tag."""
    try:
        return (await distribution.head(repository, tag)).descriptor.digest
    except NotFound:
        return None


def _refuse_moved(found: str | None, expected: str | None, what: str) -> None:
    if found != expected:
        now = f"names {found}" if found else "is not there"
        raise Outdated(
            "tag_moved", f"{shown(what, 300)} {now}", hint="look at it again, and name that digest in If-Match"
        )

"""What can be asked of one registry; `client.Client` asks a real one.

Every method raises, beside what it names:
    Invalid: `url_refused`, `address_refused`: the registry, its realm or a redirect leads to where we do not go.
    Denied: `registry_unauthorized` (it does not accept who we are), `registry_denied` (we may not do this),
        `realm_not_pinned` (the registry wants our credential sent to a realm that nobody has approved).
    NotFound: `registry_not_v2`, `repository_unknown`, `manifest_unknown`.
    Throttled: `registry_throttled`; `retry_after_s` is set when the registry said so.
    Unavailable: `no_answer`, `tls_untrusted`, `name_unknown_host`, `connection_refused`, `registry_failed` (5xx).
    Stalled: `answer_too_large`, `answer_encoding`, `answer_not_json`, `answer_ambiguous`, `digest_mismatch`,
        `budget_spent`, `registry_unsupported`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from portreeve.oci.model import Challenge, Descriptor, Head, Manifest, Names


class Distribution(Protocol):
    """One registry, as one login (or nobody) sees it. Repositories are paths without the host."""

    async def challenge(self) -> Challenge:
        """`GET /v2/` without a credential: how the registry wants to be asked."""

    async def sign_in(self, scope: str = "") -> None:
        """Show the credential and have it accepted: Basic on `/v2/`, or a token for the scope."""

    async def head(self, repository: str, reference: str) -> Head:
        """A manifest by tag or digest, without its body. On Docker Hub this is no pull."""

    async def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest by tag or digest, at most 4 MiB, hashed anew."""

    async def blob(self, repository: str, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """A small blob, such as an image's configuration, hashed anew; redirected without the credential."""

    async def blob_host(self, repository: str, digest: str) -> str:
        """The host and port that a blob comes from: that of the first redirect, or the registry's own."""

    async def tags(self, repository: str, *, after: str = "", limit: int = 100) -> Names:
        """A page of tags. `after` is what the page before gave."""

    async def catalog(self, *, after: str = "", limit: int = 100) -> Names:
        """A page of `_catalog`, which not every registry offers (`registry_unsupported`, or `registry_denied`)."""

    async def referrers(self, repository: str, digest: str, *, artifact_type: str = "") -> Sequence[Descriptor]:
        """What refers to a manifest: by the referrers API, else by the tag `sha256-<hex>`."""

    async def may_push(self, repository: str) -> bool | None:
        """Whether the credential could push there: an upload is opened and cancelled at once. None: not to be told."""

    async def put_tag(self, repository: str, manifest: Manifest, tag: str) -> None:
        """Let a tag name a manifest that the repository holds."""

    async def delete(self, repository: str, reference: str) -> None:
        """Delete a manifest by digest, or a tag where the registry can."""

"""What can be asked of one registry; `client.Client` asks a real one.

Every method raises, beside what it names:
    Invalid: `url_refused`, `address_refused`: the registry, its realm or a redirect leads to where we do not go;
        `repository_grammar`, `tag_grammar`, `digest_grammar`, `page_refused`: what was asked for can be none.
    Denied: `registry_unauthorized` (it wants a login, or does not accept ours), `registry_denied` (we may not do this),
        `realm_not_pinned` (the registry wants our credential sent to a realm that nobody has approved).
    NotFound: `registry_not_v2`, `repository_unknown`, `manifest_unknown`, `blob_unknown`, `catalog_unsupported`.
    Throttled: `registry_throttled`; `retry_after_s` is set when the registry said so.
    Unavailable: `no_answer`, `tls_untrusted`, `name_unknown_host`, `connection_refused`, `registry_failed` (5xx).
    Stalled: `answer_too_large`, `answer_encoding`, `answer_not_json`, `answer_ambiguous`, `answer_shape`,
        `digest_mismatch`, `budget_spent`, `pagination_loop`, `realm_redirected`, `token_answer`,
        `registry_unsupported`.
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
        """Show the credential and have it accepted: Basic on `/v2/`, or a token for the scope.

        An open registry is shown nothing, and accepts anybody.
        """

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
        """A page of `_catalog`, which not every registry offers (`catalog_unsupported`, or `registry_denied`)."""

    async def referrers(self, repository: str, digest: str, *, artifact_type: str = "") -> Sequence[Descriptor]:
        """What refers to a manifest: by the referrers API, else by the tag `sha256-<hex>`."""

    async def may_push(self, repository: str) -> bool | None:
        """Whether the credential could push there: an upload is opened and cancelled at once. None: not to be told."""

    async def put_tag(self, repository: str, manifest: Manifest, tag: str) -> None:
        """Let a tag name a manifest that the repository holds."""

    async def delete(self, repository: str, reference: str) -> None:
        """Delete a manifest by digest, or a tag where the registry can."""

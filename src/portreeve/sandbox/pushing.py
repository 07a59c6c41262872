"""Push an image to a registry, over any exchange. For a sandbox and for tests: nothing else here pushes content.

Source: OCI Distribution Specification 1.1, "Pushing a blob in chunks" left out, "Pushing manifests".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from portreeve.errors import Stalled
from portreeve.oci.asking import Asking, Question
from portreeve.transport.exchange import Response
from portreeve.transport.origin import joined, split_url


class Pushable(Protocol):
    """A manifest, and the blobs (digest → content) that a registry must hold first."""

    @property
    def content(self) -> bytes: ...
    @property
    def media_type(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def blobs(self) -> Mapping[str, bytes]: ...


async def push(asking: Asking, repository: str, image: Pushable, tag: str = "") -> None:
    """Upload what an image needs, then its manifest by its tag; by its digest without one.

    Raises:
        Stalled: `push_refused`. As the exchange.
    """
    scope = f"repository:{repository}:pull,push"
    for digest, content in image.blobs.items():
        begin = Question("POST", f"/v2/{repository}/blobs/uploads/", scope)
        begun = _expected(202, await asking.ask(begin), begin)
        _, path, query = split_url(joined(f"{asking.origin}/v2/", begun.headers["location"]))
        query = f"{query}&digest={digest}" if query else f"digest={digest}"
        upload = Question("PUT", path, scope, query, {"content-type": "application/octet-stream"}, content)
        _expected(201, await asking.ask(upload), upload)
    path = f"/v2/{repository}/manifests/{tag or image.digest}"
    put = Question("PUT", path, scope, "", {"content-type": image.media_type}, image.content)
    _expected(201, await asking.ask(put), put)


def _expected(status: int, answer: Response, question: Question) -> Response:
    if answer.status != status:
        raise Stalled(
            "push_refused",
            f"the registry answered {question.method} {question.path} with {answer.status}, not {status}",
            hint="see that the login may push",
        )
    return answer

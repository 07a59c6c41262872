"""Push an image to a registry, real or not, over any exchange. In tests alone: Portreeve itself pushes no content."""

from __future__ import annotations

from portreeve.oci.asking import Asking, Question
from portreeve.transport.origin import joined, split_url
from tests.fakes.images import Built


async def push(asking: Asking, repository: str, built: Built, tag: str = "") -> None:
    """Upload what is missing, then the manifest by its tag; by its digest without one."""
    scope = f"repository:{repository}:pull,push"
    for digest, content in built.blobs.items():
        begun = await asking.ask(Question("POST", f"/v2/{repository}/blobs/uploads/", scope))
        assert begun.status == 202, (begun.status, begun.body.reveal())
        _, path, query = split_url(joined(f"{asking.origin}/v2/", begun.headers["location"]))
        query = f"{query}&digest={digest}" if query else f"digest={digest}"
        octets = {"content-type": "application/octet-stream"}
        done = await asking.ask(Question("PUT", path, scope, query, octets, content))
        assert done.status == 201, (done.status, done.body.reveal())
    path = f"/v2/{repository}/manifests/{tag or built.digest}"
    put = await asking.ask(Question("PUT", path, scope, "", {"content-type": built.media_type}, built.content))
    assert put.status == 201, (put.status, put.body.reveal())

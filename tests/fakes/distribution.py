"""A registry in memory, for what asks one through `oci.distribution`. Pages are numbered; nothing is signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from portreeve.errors import NotFound, PortreeveError
from portreeve.oci.model import Challenge, Descriptor, Head, Manifest, Names, Scheme


class FakeDistribution:
    """Repository → tags. `rounds` counts pages; `failure` is raised by every call."""

    def __init__(self, repositories: Mapping[str, Sequence[str]] = {}, failure: PortreeveError | None = None) -> None:
        self.repositories, self.failure, self.rounds = repositories, failure, 0

    async def challenge(self) -> Challenge:
        return Challenge(Scheme.NONE)

    async def sign_in(self, scope: str = "") -> None:
        pass

    async def head(self, repository: str, reference: str) -> Head:
        raise NotImplementedError

    async def manifest(self, repository: str, reference: str) -> Manifest:
        raise NotImplementedError

    async def blob(self, repository: str, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        raise NotImplementedError

    async def blob_host(self, repository: str, digest: str) -> str:
        raise NotImplementedError

    async def tags(self, repository: str, *, after: str = "", limit: int = 100) -> Names:
        if repository not in self.repositories:
            raise NotFound("repository_unknown", "there is no such repository")
        return self._page(list(self.repositories[repository]), after, limit)

    async def catalog(self, *, after: str = "", limit: int = 100) -> Names:
        return self._page(sorted(self.repositories), after, limit)

    async def referrers(self, repository: str, digest: str, *, artifact_type: str = "") -> Sequence[Descriptor]:
        return ()

    async def may_push(self, repository: str) -> bool | None:
        return None

    async def put_tag(self, repository: str, manifest: Manifest, tag: str) -> None:
        raise NotImplementedError

    async def delete(self, repository: str, reference: str) -> None:
        raise NotImplementedError

    def _page(self, names: list[str], after: str, limit: int) -> Names:
        self.rounds += 1
        if self.failure is not None:
            raise self.failure
        start = int(after or 0)
        end = start + limit
        return Names(tuple(names[start:end]), str(end) if end < len(names) else "")


class EndlessDistribution(FakeDistribution):
    """Pages without an end, and nothing in them that anybody looks for."""

    def __init__(self, name: Callable[[int], str] = lambda number: f"other/{number}") -> None:
        super().__init__()
        self.name = name

    async def tags(self, repository: str, *, after: str = "", limit: int = 100) -> Names:
        return await self.catalog(after=after, limit=limit)

    async def catalog(self, *, after: str = "", limit: int = 100) -> Names:
        self.rounds += 1
        return Names((self.name(self.rounds),), f"again{self.rounds}")

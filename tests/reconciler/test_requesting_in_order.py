"""What the requests' part makes of news in an unhappy order; without a cluster, so that any write is a failure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from portreeve.core.agent_messages import Phase, Report, Status
from portreeve.core.credential import CredentialRef
from portreeve.core.observation import EntryFact
from portreeve.kube.client import Client
from portreeve.kube.objects import LabelledMetadata, Metadata, Namespace
from portreeve.kube.registry_access import RegistryAccessObject, Spec
from portreeve.kube.resources import NAMESPACES, PODS
from portreeve.reconciler.requesting import Requesting
from tests.reconciler.keeping import grant

ENTRY = EntryFact("r.example.com/team/", CredentialRef("c-r", 1), live=True)


@pytest.fixture
def part() -> Requesting:
    """Without a client: what it sends is an AttributeError."""
    return Requesting(
        cast(Client, None),
        lambda: None,
        clock=lambda: datetime(2026, 7, 1, tzinfo=UTC),
        monotonic=lambda: 0.0,
        uniform=lambda low, _: low,
    )


def found(version: int, registry: str = "r", uid: str = "u") -> RegistryAccessObject:
    metadata = Metadata(name="r", namespace="shop", uid=uid, resource_version=str(version), generation=1)
    return RegistryAccessObject(metadata=metadata, spec=Spec(registry=registry))


def wanted(**more: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"team": "shop"}, "matchExpressions": []}
    return {"grants": [grant("r", "r.example.com/team", password="p", selector=selector)], **more}


async def writes(part: Requesting) -> bool:
    """Whether it has something to write now."""
    try:
        await part._look()
    except AttributeError:
        return True
    return False


async def test_nothing_is_written_before_everything_that_counts_is_known(part: Requesting) -> None:
    namespace = Namespace(metadata=LabelledMetadata(name="shop", labels={"team": "shop"}))
    all_of_it: tuple[Callable[[], None], ...] = (
        lambda: part._saw(found(1)),
        lambda: part.want(wanted()),
        part._complete,
        lambda: part.complete(PODS, went_back=False),
        lambda: part.complete(NAMESPACES, went_back=False),
        lambda: part.seen(NAMESPACES, namespace),
    )
    for news in all_of_it:
        news()
        assert not await writes(part)
    part.told(Report(Status("shop", Phase.DELIVERED, "s", (ENTRY,))))
    assert await writes(part)


async def test_a_namespace_that_is_gone_says_nothing(part: Requesting) -> None:
    part._saw(found(1))
    part._complete()
    part.want({"grants": []})
    part.complete(NAMESPACES, went_back=False)
    part.seen(NAMESPACES, Namespace(metadata=LabelledMetadata(name="shop")))
    assert await writes(part)
    part.gone(NAMESPACES, "", "shop", "n")
    assert not await writes(part)


def registries(part: Requesting) -> list[str]:
    part.reset()
    return [one.registry for one in part.delta().get("access_requests", ())]


def test_what_is_older_is_not_taken_but_another_object_is(part: Requesting) -> None:
    assert part.delta() == {}, "nothing is told before it was listed"
    part._saw(found(10, "new"))
    part._complete()
    part._saw(found(9, "old"))
    assert registries(part) == ["new"]
    part._saw(found(8, "another", uid="v"))
    assert registries(part) == ["another"]
    part._lost(("shop", "r"))
    assert registries(part) == []
    assert part.delta() == {"access_requests": ()}
    part.acknowledged()
    assert part.delta() == {}


def test_a_document_that_cannot_be_read_leaves_the_one_before(part: Requesting) -> None:
    part.want(wanted())
    before = part._decisions
    part.want(wanted(requests=[{"namespace": 1}]))
    assert part._decisions is before is not None

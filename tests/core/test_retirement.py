"""What is taken away of old pull secrets, and above all what is not."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.core.adoption import ACCOUNT, Consumer, Facts, FoundSecret, report
from portreeve.core.retirement import REASONS, Retirement, lines, retirement, still_named
from tests.core.test_adoption import ECR, KEY, NOW, login, pod, secret

HOST = "r.example.com"
OURS = secret("portreeve-pull", {f"{HOST}/": login()}, ours=True)


def account(*pulls: str, name: str = "default", **more: Any) -> Consumer:
    return Consumer(ACCOUNT, "shop", name, pulls, uid=f"uid-{name}", **more)


def retired(*things: FoundSecret | Consumer, named: bool = True, unseen: tuple[str, ...] = ()) -> Retirement:
    secrets = tuple(one for one in things if isinstance(one, FoundSecret))
    consumers = tuple(one for one in things if isinstance(one, Consumer))
    facts = Facts(secrets, consumers, {"shop": frozenset(unseen)} if unseen else {})
    rows = [row for row in report(facts, KEY, NOW).rows if row.secret.name != "portreeve-pull"]
    return retirement(facts, rows, NOW, named=named)


def kept(found: Retirement) -> list[tuple[str, str]]:
    assert not found.removals
    assert {one.reason for one in found.kept} <= set(REASONS)
    return [(one.reason, one.about) for one in found.kept]


def test_an_entry_and_its_secret_go_together_where_nobody_else_names_it() -> None:
    found = retired(OURS, secret("old", {HOST: login("x", "y")}), account("other", "old", "portreeve-pull"))
    assert [(one.account, one.secret, one.uid) for one in found.detaches] == [("default", "old", "uid-default")]
    assert [(one.name, one.uid, one.resource_version) for one in found.removals] == [("old", "uid-old", "1")]
    assert list(lines(found)) == ["remove old from ServiceAccount/default in shop", "delete Secret/old in shop"]


def test_pods_keep_the_secret_and_not_the_entry() -> None:
    found = retired(OURS, secret("old", {HOST: login()}), account("old", "portreeve-pull"), pod("p", "old"))
    assert len(found.detaches) == 1
    assert kept(found) == [("used", "Pod/p")]


@pytest.mark.parametrize(
    ("things", "reason"),
    [
        ((secret("old", {HOST: login()}), account("old", "portreeve-pull")), "not_delivered"),
        ((OURS, secret("old", {HOST: login()}), account("old")), "account_without_ours"),
        ((OURS, secret("old", {HOST: login()}), account("old", "portreeve-pull", maker="argocd")), "account_managed"),
        ((OURS, secret("old", {HOST: login()}, maker="Helm"), account("old", "portreeve-pull")), "managed"),
        ((OURS, secret("old", {"q.example.com": login()}), account("old", "portreeve-pull")), "not_covered"),
        ((OURS, secret("old", {"*.example.com": login()}), account("old", "portreeve-pull")), "not_covered"),
    ],
)
def test_nothing_is_done_about(things: tuple[FoundSecret | Consumer, ...], reason: str) -> None:
    found = retired(*things)
    assert not found.detaches
    assert [one for one, _ in kept(found)] == [reason]


def test_nothing_is_done_where_something_was_not_seen() -> None:
    things = (OURS, secret("old", {HOST: login()}), account("old", "portreeve-pull"))
    found = retired(*things, unseen=("cronjobs",))
    assert (found.detaches, kept(found)) == ((), [("unseen", "cronjobs")])


def test_a_narrower_or_a_hollow_delivery_does_not_cover() -> None:
    old, names = secret("old", {f"{HOST}/team": login()}), account("old", "portreeve-pull")
    for auths in ({f"{HOST}/team/api/": login()}, {f"{HOST}/team/": {"username": "", "password": ""}}):
        delivered = secret("portreeve-pull", auths, ours=True)
        assert kept(retired(delivered, old, names)) == [("not_covered", f"{HOST}/team")]
    whole = secret("portreeve-pull", {f"{HOST}/team/": login()}, ours=True)
    assert len(retired(whole, old, names).removals) == 1


def test_a_key_without_a_slash_is_offered_for_more_and_that_is_seen() -> None:
    delivered = secret("portreeve-pull", {f"{HOST}/team/": login()}, ours=True)
    old, names = secret("old", {f"{HOST}/team": login()}), account("old", "portreeve-pull")
    runs = pod("p", images=(f"{HOST}/team-b/api:1",))
    assert kept(retired(delivered, old, names, runs)) == [("image_not_covered", f"{HOST}/team-b/api:1")]
    assert retired(delivered, old, names, pod("p", images=(f"{HOST}/team/api:1",))).removals
    odd = pod("p", images=("sha256:" + "a" * 64, "not an image", "nginx"))
    assert retired(delivered, old, names, odd).removals


def test_what_no_kubelet_gets_anything_from_needs_no_cover() -> None:
    names = account("old", "portreeve-pull")
    for auths in (7, {HOST: {"auth": "???"}}, {ECR: login("AWS", "e30.eyJleHAiOjF9.e30")}):
        assert len(retired(secret("old", auths), names).removals) == 1


def test_an_orphan_goes_only_by_name() -> None:
    orphan = secret("old", {HOST: login()})
    assert kept(retired(orphan, named=False)) == [("orphan_not_named", "")]
    assert len(retired(orphan, named=True).removals) == 1


def test_other_uses_of_a_secret_keep_it() -> None:
    old = secret("old", {HOST: login()})
    builder = Consumer("Deployment", "shop", "kaniko", mounts=frozenset({"old"}))
    names = account("old", "portreeve-pull", mounts=frozenset({"old"}))
    found = retired(OURS, old, builder, names)
    assert len(found.detaches) == 1
    assert kept(found) == [("used", "Deployment/kaniko, ServiceAccount/default")]


def test_what_is_asked_once_more_before_it_is_deleted() -> None:
    assert still_named(Facts((), ()), "shop", "old") == ""
    assert "Pod/late" in still_named(Facts((), (pod("late", "old"),)), "shop", "old")
    assert still_named(Facts((), (pod("late", "old", namespace="jobs"),)), "shop", "old") == ""
    assert "pods" in still_named(Facts((), (), {"shop": frozenset({"pods"})}), "shop", "old")

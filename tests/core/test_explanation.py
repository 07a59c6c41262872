"""Causes from facts: what an almost right key is told for, what stays unknown, and that each cause has a fix."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import pull_failure
from portreeve.core.credential import CredentialRef
from portreeve.core.explanation import EXIT_UNKNOWN, Cause, explain
from portreeve.core.observation import PULL_SECRET, EntryFact
from portreeve.core.policy import Stage
from portreeve.core.pull_facts import Account, Facts, GrantFact, Judged, Lapsed, Probe, Puller, Said
from portreeve.core.pull_keys import PullSecret, Reading, near_misses, offers
from portreeve.core.reference import parse
from portreeve.core.remedies import fixes
from portreeve.core.verdict import Decision

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
IMAGE = "r.example.com/team/app:1"
REFUSED = Said(pull_failure.Cause.UNAUTHORIZED)
NOBODY = Probe(401, pull_failure.Cause.UNAUTHORIZED)
OK = Probe(200, None)
POD = Puller("Pod", "api", "app", pod="api", used=("regcred",))
ACCOUNT = Account("default", pull_secrets=("regcred",))


def secret(*keys: str, name: str = "regcred", hollow: bool = False, ends: datetime | None = None) -> PullSecret:
    entries = tuple(EntryFact(key, CredentialRef("c", 3, ends), not hollow) for key in keys) if ends else ()
    return PullSecret(name, Reading.READ, keys, frozenset(keys if hollow else ()), entries)


def facts(*secrets: PullSecret, image: str = IMAGE, **more: object) -> Facts:
    held = {"puller": POD, "account": ACCOUNT, "said": (REFUSED,), **more}
    return Facts(image, "shop", NOW, secrets=secrets, **held)  # type: ignore[arg-type]


NEAR = [
    ("r.example.com:443", IMAGE, "ports are compared", "r.example.com/"),
    ("r.example.com", "r.example.com:5000/team/app:1", "the image has port 5000", "r.example.com:5000/"),
    ("R.example.com", IMAGE, "letter by letter", "r.example.com/"),
    ("r.example.com/Team/", IMAGE, "paths are compared letter by letter", "r.example.com/team/"),
    ("r.example.com/team/app/", IMAGE, "not for an image of that very name", "r.example.com/team/"),
    ("r.example.com/other/", IMAGE, "it is for other/", "r.example.com/team/"),
    ("r.example.com/team/app:1", IMAGE, "neither tag nor digest", "r.example.com/team/"),
    ("r.exmaple.com", IMAGE, "it is for r.exmaple.com", "r.example.com/"),
    (" r.example.com", IMAGE, "spaces around it", "r.example.com"),
    ("https://index.docker.io/v1/library", "nginx", "below docker.io", "https://index.docker.io/v1/"),
    ("*.example.com:5000", IMAGE, "a glob stands for one label", "r.example.com/"),
    ("*.com", "a.example.com/team/app:1", "a glob stands for one label", "a.example.com/"),
    ("r.example.com", "R.example.com/team/app:1", "writes its registry as R.example.com", "r.example.com"),
]


@pytest.mark.parametrize(("key", "image", "why", "instead"), NEAR)
def test_an_almost_right_key_is_told_for_what_it_lacks(key: str, image: str, why: str, instead: str) -> None:
    held = (secret(key),)
    assert offers(held, parse(image), image) == ()
    (near,) = near_misses(held, parse(image), image)
    assert why in near.why
    assert near.instead == instead
    found = explain(facts(*held, image=image))
    assert found.cause is Cause.WRONG_KEY
    assert near.instead.strip() in fixes(found)[0]


@pytest.mark.parametrize("key", ["quay.io", "ghcr.io/team/", "https://index.docker.io/v1/", "*.azurecr.io"])
def test_keys_of_other_registries_are_no_near_misses(key: str) -> None:
    assert near_misses((secret(key),), parse(IMAGE), IMAGE) == ()


def test_the_longest_key_of_all_secrets_is_offered_first_and_a_wide_one_is_told() -> None:
    keys = {"a": "r.example.com", "b": "r.example.com/team", "c": "*.example.com", "d": "[rs].example.com"}
    held = tuple(secret(key, name=name) for name, key in keys.items())
    found = offers(held, parse(IMAGE), IMAGE)
    assert [one.secret for one in found] == ["b", "a", "c"]
    assert "r.example.com/team-anything" in found[0].note
    assert found[1].note == ""
    assert [one.why for one in near_misses(held, parse(IMAGE), IMAGE)] == [
        "it has a host glob of a kind that is not judged here"
    ]


OFFERED = secret("r.example.com/")
ENDED = NOW - timedelta(seconds=1)
SHOWN = Probe(401, pull_failure.Cause.UNAUTHORIZED, "regcred", "r.example.com/")
HIDDEN = PullSecret("regcred", Reading.FORBIDDEN)
OURS = PullSecret(PULL_SECRET, Reading.FORBIDDEN)
WITH_OURS = replace(POD, used=(PULL_SECRET,))
GRANT = GrantFact("prod", "harbor", "access shop", "standing", "r.example.com/", "c", 3)
DENIED = Judged(Decision.DENY, Stage.DENY, "files", "p", 7, ("not under any allowed source",))

CASES: list[tuple[str, Facts, Cause, str]] = [
    ("the node was refused, no entry", facts(), Cause.NO_GRANT, "portreeve grant REGISTRY"),
    ("a registry says so alone", facts(said=(), probe=NOBODY), Cause.NO_GRANT, "portreeve grant REGISTRY"),
    ("a login that is refused", facts(OFFERED, probe=SHOWN), Cause.REFUSED_LOGIN, "portreeve validate"),
    ("the same by the node's word", facts(OFFERED), Cause.REFUSED_LOGIN, "portreeve validate"),
    (
        "rights and not a password",
        facts(OFFERED, probe=replace(SHOWN, cause=pull_failure.Cause.FORBIDDEN)),
        Cause.SCOPE,
        "portreeve validate registry REGISTRY --image team/app:1",
    ),
    ("an end that is known", facts(secret("r.example.com/", ends=ENDED)), Cause.EXPIRED, "kubectl create secret"),
    ("at the very end", facts(secret("r.example.com/", ends=NOW)), Cause.EXPIRED, "kubectl create secret"),
    ("before the end", facts(secret("r.example.com/", ends=NOW + timedelta(1))), Cause.REFUSED_LOGIN, "portreeve"),
    ("an end without any failure", facts(secret("r.example.com/", ends=ENDED), said=()), Cause.EXPIRED, "kubectl"),
    ("an empty entry", facts(secret("r.example.com/", hollow=True)), Cause.HOLLOW, "portreeve grant"),
    ("a missing Secret", facts(PullSecret("regcred", Reading.MISSING)), Cause.SECRET_MISSING, "portreeve grant"),
    ("a key that is not judged", facts(secret("[rs].example.com")), Cause.UNAUTHORIZED, "kubectl create secret"),
    ("a Secret that is hidden", facts(HIDDEN), Cause.UNAUTHORIZED, "kubectl auth can-i get secret/regcred -n shop"),
    (
        "hidden, and the control plane knows of no grant",
        facts(OURS, puller=WITH_OURS, grant=GrantFact("prod")),
        Cause.NO_GRANT,
        "portreeve grant REGISTRY --environment prod -n shop",
    ),
    (
        "hidden, and the control plane knows its end",
        facts(OURS, puller=WITH_OURS, grant=replace(GRANT, expires_at=ENDED)),
        Cause.EXPIRED,
        "portreeve rotate registry harbor",
    ),
    ("granted and not there", facts(secret("quay.io"), grant=GRANT), Cause.NOT_DELIVERED, "portreeve describe"),
    ("it works from here", facts(OFFERED, probe=replace(SHOWN, status=200, cause=None)), Cause.NODE_DIFFERS, "wait"),
    ("denied", facts(judged=DENIED), Cause.SOURCE_BLOCKED, "portreeve exempt request NAME --policy p"),
    (
        "denied since an exemption ended",
        facts(judged=replace(DENIED, lapsed=(Lapsed("e", ENDED),))),
        Cause.EXEMPTION_EXPIRED,
        "portreeve exempt renew e",
    ),
    ("no name", facts(image="UPPER/case"), Cause.NAME_INVALID, "portreeve images --why UPPER/case"),
    (
        "a platform that the index lacks",
        facts(puller=replace(POD, platform="linux/arm64"), said=(), probe=Probe(200, None, platforms=("linux/amd64",))),
        Cause.PLATFORM,
        "docker buildx build --platform linux/arm64",
    ),
    (
        "a variant of the node's architecture",
        facts(OFFERED, puller=replace(POD, platform="linux/arm64"), said=(),
              probe=Probe(200, None, "regcred", "r.example.com/", ("linux/arm64/v8",))),
        Cause.NONE,
        "",
    ),
]  # fmt: skip


FAR = Probe(None, pull_failure.Cause.CERTIFICATE)


def test_a_probe_alone_speaks_of_this_machine_and_not_of_what_runs() -> None:
    found = explain(facts(said=(), probe=FAR))
    assert (found.cause, "a node may see it otherwise" in found.sentence) == (Cause.CERTIFICATE, True)
    told = explain(facts(said=(Said(pull_failure.Cause.CERTIFICATE),), probe=FAR))
    assert (told.cause, "this machine" in told.sentence) == (Cause.CERTIFICATE, False)
    for probe, secrets in ((FAR, ()), (NOBODY, (HIDDEN,))):
        assert explain(facts(*secrets, said=(), pulled=True, probe=probe)).cause is Cause.NONE
    # A login that has ended is told of what runs, too: its next pull fails.
    ended = facts(secret("r.example.com/", ends=ENDED), said=(), pulled=True, probe=SHOWN)
    assert explain(ended).cause is Cause.EXPIRED


def test_a_registry_that_could_be_granted_stands_in_the_command() -> None:
    held = facts(grant=GrantFact("prod", candidate="harbor"))
    assert fixes(explain(held)) == ("portreeve grant harbor --environment prod -n shop",)


@pytest.mark.parametrize(("held", "cause", "fix"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_facts_have_one_cause(held: Facts, cause: Cause, fix: str) -> None:
    found = explain(held)
    assert found.cause is cause, found.sentence
    assert next(iter(fixes(found)), "").startswith(fix)


@pytest.mark.parametrize(
    "held",
    [
        facts(said=()),
        facts(OFFERED, said=(Said(pull_failure.Cause.UNKNOWN),), probe=replace(SHOWN, status=200, cause=None)),
        facts(HIDDEN, said=(), probe=OK),
        facts(HIDDEN, said=(), probe=NOBODY),
        Facts(IMAGE, "shop", NOW, probe=OK),
        Facts(IMAGE, "shop", NOW, probe=NOBODY),
        Facts(IMAGE, "shop", NOW, account=Account("default", Reading.FORBIDDEN), probe=OK),
        facts(said=(), probe=Probe(None, pull_failure.Cause.UNKNOWN, detail="it wants its credential sent elsewhere")),
        facts(pulled=True, said=(), judged=Judged(Decision.UNKNOWN, Stage.DENY, "files")),
    ],
)
def test_what_was_not_read_is_not_good(held: Facts) -> None:
    assert explain(held).exit_code == EXIT_UNKNOWN


def test_a_warned_of_or_audited_image_is_not_blocked() -> None:
    for stage in (Stage.WARN, Stage.AUDIT, Stage.OFF):
        assert explain(facts(pulled=True, judged=replace(DENIED, stage=stage))).cause is Cause.NONE


def test_names_from_a_cluster_are_quoted_for_a_shell() -> None:
    account = Account("$(reboot)")
    held = facts(secret("r.example.com/", name="x; reboot"), puller=replace(POD, used=()), account=account)
    line = fixes(explain(held))[0]
    assert "'$(reboot)'" in line
    assert re.search(r"-p '\[.*x; reboot.*\]'$", line)


SAID = st.lists(st.sampled_from([Said(cause) for cause in pull_failure.Cause]), max_size=3).map(tuple)
PROBES = st.none() | st.sampled_from([Probe(None, cause) for cause in pull_failure.Cause] + [OK, SHOWN])
SECRETS = st.lists(
    st.builds(
        PullSecret,
        st.sampled_from(["regcred", PULL_SECRET, "other"]),
        st.sampled_from(Reading),
        st.lists(st.sampled_from([case[0] for case in NEAR] + ["r.example.com", "*", "[", ""]), max_size=2).map(tuple),
    ),
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)


@given(SAID, PROBES, SECRETS, st.booleans(), st.sampled_from([None, DENIED]), st.sampled_from([None, GRANT]))
def test_any_facts_have_a_cause_and_each_problem_a_fix(
    said: tuple[Said, ...],
    probe: Probe | None,
    secrets: tuple[PullSecret, ...],
    pulled: bool,
    judged: Judged | None,
    grant: GrantFact | None,
) -> None:
    found = explain(facts(*secrets, said=said, probe=probe, pulled=pulled, judged=judged, grant=grant))
    assert found.sentence
    assert (found.cause in {Cause.NONE, Cause.UNKNOWN}) == (not fixes(found))
    assert (found.exit_code == 1) == bool(fixes(found))


def test_the_page_has_a_row_for_each_cause() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/why-not-pulled.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE) == [str(cause) for cause in Cause]

"""Other people's pull secrets: how contents are read, what a report concludes, and what is taken over."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portreeve.core.adoption import (
    ACCOUNT,
    REASONS,
    Consumer,
    Facts,
    FoundSecret,
    Report,
    State,
    Use,
    chosen,
    report,
)
from portreeve.core.found_logins import CONFIG, CONFIG_JSON, KEYS, Contents, place_of, read
from portreeve.core.secret import SecretValue

NOW = datetime(2027, 1, 10, tzinfo=UTC)
WRITTEN = NOW - timedelta(hours=3)
KEY = b"k" * 32
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def contents(auths: Any, type_: str = CONFIG_JSON, written: datetime = WRITTEN) -> Contents:
    held = {"auths": auths} if type_ == CONFIG_JSON else auths
    return read(type_, {KEYS[type_]: SecretValue(json.dumps(held))}, written)


def login(user: str = "u", password: str = "pass-word") -> dict[str, str]:
    return {"auth": b64(f"{user}:{password}")}


def secret(name: str, auths: Any, namespace: str = "shop", **more: Any) -> FoundSecret:
    return FoundSecret(namespace, name, f"uid-{name}", "1", CONFIG_JSON, WRITTEN, contents(auths), **more)


def reported(*secrets: FoundSecret, consumers: tuple[Consumer, ...] = (), **more: Any) -> Report:
    return report(Facts(secrets, consumers), KEY, NOW, **more)


def pod(name: str, *pulls: str, namespace: str = "shop", **more: Any) -> Consumer:
    return Consumer("Pod", namespace, name, pulls, **more)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("harbor.example.com", "harbor.example.com"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("https://index.docker.io/v1", "docker.io"),
        ("docker.io", "docker.io"),
        ("http://r.example.com:5000/v2/team/", "r.example.com:5000/team"),
        ("r.example.com/v2team", "r.example.com/v2team"),
        ("Harbor.example.com/team/sub", "harbor.example.com/team/sub"),
        ("*.example.com", None),
        ("*.dkr.ecr.example.com", None),
        ("registry", None),
        ("", None),
        ("\x1b[31mred.example.com", None),
    ],
)
def test_the_place_of_a_key(key: str, place: str | None) -> None:
    found = place_of(key)
    assert (str(found) if found else None) == place


@pytest.mark.parametrize("type_", [CONFIG_JSON, CONFIG])
def test_logins_of_both_types(type_: str) -> None:
    found = contents({"r.example.com": login("robot$a", "p:w")}, type_)
    assert found.problem == ""
    (one,) = found.logins
    assert (one.username, one.password and one.password.reveal(), one.problem) == ("robot$a", b"p:w", "")
    assert (one.expires_at, one.minted) == (None, False)
    assert "p:w" not in repr(found)


def test_auth_is_the_login_whatever_stands_beside_it() -> None:
    (one,) = contents({"r.example.com": {"username": "x", "password": "y", **login("u", "z")}}).logins
    assert (one.username, one.password and one.password.reveal()) == ("u", b"z")
    (plain,) = contents({"r.example.com": {"username": "x", "password": "y"}}).logins
    assert plain.username == "x"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "no_auths"),
        (b"{}", "no_auths"),
        (b'{"auths": []}', "no_auths"),
        (b'{"auths": {}}', "no_auths"),
        (b'{"auths": {"r.example.com": 7}}', "login_unreadable"),
        (b'{"auths": {"r.example.com": {"auth": "???"}}}', "login_unreadable"),
        (b'{"auths": {"r.example.com": {"auth": "bm9jb2xvbg=="}}}', "login_unreadable"),
        (b'{"auths": {"r.example.com": {"username": {}, "password": "x"}}}', "login_unreadable"),
        (b'{"auths": {"r.example.com": {"username": "\\ud800", "password": "x"}}}', "login_unreadable"),
    ],
)
def test_what_no_kubelet_reads(raw: bytes, problem: str) -> None:
    found = read(CONFIG_JSON, {".dockerconfigjson": SecretValue(raw)}, WRITTEN)
    assert found.problem == problem
    assert problem in REASONS


def test_a_type_and_data_that_do_not_fit() -> None:
    assert read("Opaque", {}, WRITTEN).problem == "wrong_type"
    assert read(CONFIG, {".dockerconfigjson": SecretValue("{}")}, WRITTEN).problem == "no_data"


def jwt(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJh.{payload}.c2ln"


@pytest.mark.parametrize(
    ("host", "user", "password", "end", "by"),
    [
        ("r.example.com", "u", jwt({"exp": 1_799_600_000}), datetime(2027, 1, 10, 16, 53, 20, tzinfo=UTC), "token"),
        ("r.example.com", "u", jwt({"exp": 10**30}), None, ""),
        ("r.example.com", "u", jwt({"exp": True}), None, ""),
        ("r.example.com", "u", jwt([]), None, ""),
        ("r.example.com", "u", "a.b.c", None, ""),
        (ECR, "AWS", b64(json.dumps({"payload": "x", "expiration": 1_800_000_000})),
         datetime(2027, 1, 15, 8, tzinfo=UTC), "token"),
        (ECR, "AWS", "opaque", WRITTEN + timedelta(hours=12), "age"),
        ("r.example.com", "AWS", "opaque", None, ""),
        ("europe-docker.pkg.dev", "oauth2accesstoken", "ya29.x", WRITTEN + timedelta(hours=1), "age"),
        ("r.example.com", "u", b64(json.dumps({"expiration": "soon"})), None, ""),
    ],
)  # fmt: skip
def test_when_a_login_ends(host: str, user: str, password: str, end: datetime | None, by: str) -> None:
    (one,) = contents({host: login(user, password)}).logins
    assert (one.expires_at, one.ends_by) == (end, by)
    assert one.minted == (end is not None)
    assert one.expired(NOW) == (end is not None and end <= NOW)


def test_an_orphan_is_one_only_where_everything_was_seen() -> None:
    found = secret("a", {"r.example.com": login()})
    assert reported(found).rows[0].states == (State.ORPHANED,)
    blind = Facts((found,), (), {"shop": frozenset({"pods"})})
    assert report(blind, KEY, NOW).rows[0].states == (State.USE_UNKNOWN,)
    elsewhere = Facts((found,), (), {"jobs": frozenset({"pods"})})
    assert report(elsewhere, KEY, NOW).rows[0].states == (State.ORPHANED,)
    mounted = Consumer("Deployment", "shop", "kaniko", mounts=frozenset({"a"}))
    row = reported(found, consumers=(mounted,)).rows[0]
    assert (row.states, row.uses) == ((), (Use("Deployment", "kaniko", "mount"),))
    assert reported(found, consumers=(pod("p", "a", namespace="jobs"),)).rows[0].states == (State.ORPHANED,)


def test_pods_of_one_controller_are_one_user() -> None:
    owner = ("ReplicaSet", "api-1")
    consumers = (pod("api-1-a", "a", owner=owner), pod("api-1-b", "a", owner=owner), pod("lone", "a"))
    row = reported(secret("a", {"r.example.com": login()}), consumers=consumers).rows[0]
    assert row.uses == (Use("Pod", "lone", pods=1), Use("ReplicaSet", "api-1", pods=2))


def test_the_same_login_is_told_by_place_user_and_password() -> None:
    found = reported(
        secret("a", {"r.example.com": login()}),
        secret("a", {"https://r.example.com/v2/": login()}, "jobs"),
        secret("b", {"r.example.com": login(password="other")}),
        secret("c", {"r.example.com": login("v")}),
        secret("d", {"r.example.com/team": login()}),
        secret("portreeve-pull", {"r.example.com/": login()}, ours=True),
    )
    assert found.groups == {1: (("jobs", "a"), ("shop", "a"))}
    groups = {row.secret.key: row.logins[0].group for row in found.rows if row.logins[0].group}
    assert groups == {("shop", "a"): 1, ("jobs", "a"): 1, ("shop", "portreeve-pull"): 1}
    assert [row.secret.key for row in found.rows if State.DUPLICATE in row.states] == [("jobs", "a"), ("shop", "a")]
    assert found.rows[-1].states == (State.OURS,)


def test_parts_cannot_be_shifted_into_another_fingerprint() -> None:
    (one,) = contents({"r.example.com": login("ab", "c")}).logins
    (other,) = contents({"r.example.com": login("a", "bc")}).logins
    assert one.fingerprint(KEY) != other.fingerprint(KEY)
    assert one.fingerprint(KEY) != one.fingerprint(b"x" * 32)


def test_one_registry_for_each_place_and_user() -> None:
    wanted, left = chosen(
        reported(
            secret("a", {"r.example.com": login()}),
            secret("b", {"https://r.example.com/v1/": login()}, "jobs"),
            secret("c", {"https://index.docker.io/v1/": login("acme", "x"), "*.example.com": login()}),
        ).rows,
        NOW,
    )
    assert [(str(one.place), one.username, one.namespaces) for one in wanted] == [
        ("docker.io", "acme", ("shop",)),
        ("r.example.com", "u", ("jobs", "shop")),
    ]
    assert [(one.key, one.reason) for one in left] == [("*.example.com", "no_place")]


def test_what_cannot_be_decided_is_left_out() -> None:
    ended = jwt({"exp": 1_700_000_000})
    rows = reported(
        secret("a", {"one.example.com": login()}),
        secret("b", {"one.example.com": login(password="other")}),
        secret("c", {"two.example.com": login("u")}),
        secret("d", {"two.example.com": login("v")}),
        secret("e", {"three.example.com": login(password=ended), "four.example.com": login(password="")}),
        secret("f", {ECR: login("AWS", "token")}),
        secret("portreeve-pull", {"r.example.com/": login()}, ours=True),
        secret("garbage", 7),
    ).rows
    wanted, left = chosen(rows, NOW)
    assert wanted == ()
    assert [(one.name, one.reason) for one in left] == [
        ("a", "passwords_differ"),
        ("b", "passwords_differ"),
        ("c", "users_differ"),
        ("d", "users_differ"),
        ("e", "no_password"),
        ("e", "expired"),
        ("f", "minted"),
        ("garbage", "no_auths"),
        ("portreeve-pull", "ours"),
    ]
    assert {one.reason for one in left} <= set(REASONS)


def test_a_token_that_lives_long_is_taken_over_with_its_end() -> None:
    end = NOW.replace(year=2028)
    rows = reported(secret("a", {"r.example.com": login(password=jwt({"exp": int(end.timestamp())}))})).rows
    (one,), left = chosen(rows, NOW)
    assert (one.expires_at, left) == (end, ())


def test_an_orphan_is_taken_over_only_by_name() -> None:
    rows = reported(secret("a", {"r.example.com": login()})).rows
    assert len(chosen(rows, NOW)[0]) == 1
    assert [one.reason for one in chosen(rows, NOW, named=False)[1]] == ["orphaned"]
    used = reported(secret("a", {"r.example.com": login()}), consumers=(pod("p", "a"),)).rows
    assert len(chosen(used, NOW, named=False)[0]) == 1


def test_what_the_registry_refuses_is_no_second_password() -> None:
    secrets = (secret("a", {"r.example.com": login()}), secret("b", {"r.example.com": login(password="old")}))
    asked = {row.secret.name: row.logins[0].fingerprint for row in reported(*secrets).rows}
    rows = reported(*secrets, probes={asked["a"]: "accepted", asked["b"]: "refused"}).rows
    wanted, left = chosen(rows, NOW)
    assert [one.password.reveal() for one in wanted] == [b"pass-word"]
    assert [(one.name, one.reason) for one in left] == [("b", "refused")]
    assert State.REFUSED in rows[1].states


def test_names_without_a_secret() -> None:
    account = Consumer(ACCOUNT, "shop", "default", ("gone",), frozenset({"token"}))
    found = reported(consumers=(account,)).dangling
    assert [(one.name, one.users) for one in found] == [("gone", (Use(ACCOUNT, "default"),))]
    unseen = Facts((), (account,), {"": frozenset({"secrets"})})
    assert report(unseen, KEY, NOW).dangling == ()

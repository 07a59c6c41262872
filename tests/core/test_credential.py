"""Keys, merging and what a kubelet offers, against the table that was measured on Kubernetes 1.36."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.credential import (
    DOCKER_HUB_KEY,
    MAX_PULL_SECRET_BYTES,
    AuthEntry,
    CredentialRef,
    Granted,
    Login,
    alias_key,
    auth_key,
    hollow,
    offered,
    offered_keys,
    put_together,
    render,
)
from portreeve.core.reference import Reference, SourcePrefix, parse, parse_prefix
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid

PASSWORD = "p4ss-c4n4ry"
LOGIN = Login("robot", SecretValue(PASSWORD))
A1 = CredentialRef("a", 1)
A2 = CredentialRef("a", 2)
A3 = CredentialRef("a", 3)
B1 = CredentialRef("b", 1)


def grant(source: str, credential: CredentialRef = A1, login: Login | None = LOGIN) -> Granted:
    return Granted(parse_prefix(source), credential, login)


def keys_of(*granted: Granted) -> dict[str, CredentialRef]:
    return {entry.key: entry.credential for entry in put_together(granted).entries}


def auths(secret: SecretValue) -> dict[str, dict[str, str]]:
    whole: dict[str, dict[str, dict[str, str]]] = json.loads(secret.reveal())
    assert list(whole) == ["auths"]
    return whole["auths"]


@pytest.mark.parametrize(
    ("source", "key", "alias"),
    [
        ("r.example.com", "r.example.com/", "https://r.example.com/v2/"),
        ("r.example.com:5000", "r.example.com:5000/", "https://r.example.com:5000/v2/"),
        ("r.example.com/team", "r.example.com/team/", "https://r.example.com/v2/team/"),
        ("docker.io/acme", "docker.io/acme/", "https://docker.io/v2/acme/"),
        ("index.docker.io/acme", "docker.io/acme/", "https://docker.io/v2/acme/"),
        ("docker.io", "https://index.docker.io/v1/", "https://index.docker.io/v2/"),
        ("r.example.com/v2", "https://r.example.com/v2/v2/", "https://r.example.com/v1/v2/"),
        ("r.example.com/v1/x", "https://r.example.com/v2/v1/x/", "https://r.example.com/v1/v1/x/"),
        ("r.example.com/v22", "r.example.com/v22/", "https://r.example.com/v2/v22/"),
    ],
)
def test_a_source_has_a_key_and_an_alias(source: str, key: str, alias: str) -> None:
    assert auth_key(parse_prefix(source)) == key
    assert alias_key(parse_prefix(source)) == alias


@pytest.mark.parametrize("spelling", [auth_key, alias_key])
def test_a_wildcard_host_has_no_key(spelling: Callable[[SourcePrefix], str]) -> None:
    with pytest.raises(Invalid) as why:
        spelling(parse_prefix("*.azurecr.io"))
    assert why.value.code == "pull_key_wildcard"


IMAGES = (
    "r.example.com/team/app",
    "r.example.com/team-evil/app",
    "r.example.com.evil.io/team/app",
    "r.example.com:5000/team/app",
    "docker.io/library/nginx",
    "docker.io/library-evil/x",
)


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        (("r.example.com", "https://r.example.com", "https://r.example.com/v2/"), (1, 1, 0, 0, 0, 0)),
        (("r.example.com/", "http://r.example.com/v1/"), (1, 1, 0, 0, 0, 0)),
        (("r.example.com/team",), (1, 1, 0, 0, 0, 0)),
        (("r.example.com/team/", "https://r.example.com/v2/team/"), (1, 0, 0, 0, 0, 0)),
        (("r.example.com:443",), (0, 0, 0, 0, 0, 0)),
        (
            ("docker.io", "index.docker.io", "https://index.docker.io/v1/", "https://index.docker.io/v2/"),
            (0, 0, 0, 0, 1, 1),
        ),
        (("docker.io/library/",), (0, 0, 0, 0, 1, 0)),
        (("index.docker.io/library", "https://index.docker.io/v1/library"), (0, 0, 0, 0, 0, 0)),
    ],
)
def test_the_measured_table(keys: tuple[str, ...], counts: tuple[int, ...]) -> None:
    for key in keys:
        assert tuple(len(offered_keys([key], parse(image))) for image in IMAGES) == counts, key


def test_the_longest_path_is_offered_first() -> None:
    keys = ["r.example.com/", "r.example.com/team/app/", "r.example.com/team/", "r.example.com/other/"]
    assert offered_keys(keys, parse("r.example.com/team/app/web:1")) == (
        "r.example.com/team/app/",
        "r.example.com/team/",
        "r.example.com/",
    )


def test_the_key_of_the_whole_hub_is_a_fallback() -> None:
    keys = [DOCKER_HUB_KEY, "docker.io/acme/"]
    assert offered_keys(keys, parse("acme/app")) == ("docker.io/acme/",)
    assert offered_keys(keys, parse("nginx")) == (DOCKER_HUB_KEY,)


def test_the_kubelet_also_offers_the_whole_hub_to_hosts_without_dot_and_port() -> None:
    assert offered_keys([DOCKER_HUB_KEY], parse("localhost/app")) == (DOCKER_HUB_KEY,)
    assert offered_keys([DOCKER_HUB_KEY], parse("localhost:5000/app")) == ()
    assert offered_keys([DOCKER_HUB_KEY], parse("ghcr.io/acme/app")) == ()


@pytest.mark.parametrize("key", ["*.example.com", "r?.example.com/", "https://[ab].example.com/"])
def test_a_key_with_a_glob_is_not_judged(key: str) -> None:
    with pytest.raises(Invalid) as why:
        offered_keys([key], parse("r.example.com/a"))
    assert why.value.code == "pull_key_wildcard"


SEGMENT = st.sampled_from(["a", "ab", "a-b", "v1", "v2", "v1x", "team", "library"])
PATH = st.lists(SEGMENT, max_size=3).map("/".join)
HOST = st.sampled_from(["r.example.com", "r.example.com:5000", "docker.io", "r.example.com.evil.io"])
SOURCE = st.builds(SourcePrefix, HOST, PATH)
REFERENCE = st.builds("{}/{}".format, HOST, st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)).map(parse)


@given(SOURCE, REFERENCE, st.sampled_from([auth_key, alias_key]))
def test_a_key_is_offered_exactly_below_its_source(
    source: SourcePrefix, reference: Reference, key: Callable[[SourcePrefix], str]
) -> None:
    below = source.covers(reference) and source.path != reference.path
    assert bool(offered_keys([key(source)], reference)) is below


def test_a_repository_that_is_the_granted_path_itself_is_offered_nothing() -> None:
    """What closing every key with a slash costs."""
    assert offered_keys([auth_key(parse_prefix("r.example.com/team"))], parse("r.example.com/team:1")) == ()
    assert offered_keys(["r.example.com/team"], parse("r.example.com/team:1")) == ("r.example.com/team",)


@given(SOURCE)
def test_key_and_alias_are_two_strings_that_end_in_a_slash(source: SourcePrefix) -> None:
    assert auth_key(source) != alias_key(source)
    assert auth_key(source).endswith("/")
    assert alias_key(source).endswith("/")


@given(st.sets(SOURCE, max_size=8), REFERENCE)
def test_offered_keys_go_from_the_longest_path_to_the_shortest(
    sources: set[SourcePrefix], reference: Reference
) -> None:
    by_key = {auth_key(source): source for source in sources}
    paths = [len(by_key[key].path) for key in offered_keys(by_key, reference)]
    assert paths == sorted(paths, reverse=True)


def test_sources_of_one_registry_live_side_by_side() -> None:
    assert keys_of(grant("r.example.com"), grant("r.example.com/team", B1)) == {
        "r.example.com/": A1,
        "r.example.com/team/": B1,
    }


def test_a_key_granted_with_different_credentials_is_a_conflict_and_has_no_entry() -> None:
    merged = put_together(
        [grant("r.example.com/team", B1), grant("r.example.com/team", A1), grant("r.example.com", A1)]
    )
    assert [entry.key for entry in merged.entries] == ["r.example.com/"]
    assert [(conflict.key, conflict.credentials) for conflict in merged.conflicts] == [
        ("r.example.com/team/", (A1, B1))
    ]
    assert merged.conflicts[0].problem().code == "pull_key_conflict"
    assert "a, b" in str(merged.conflicts[0].problem())


def test_two_versions_of_one_credential_overlap_through_the_alias() -> None:
    merged = put_together([grant("r.example.com/team", A1), grant("r.example.com/team", A2)])
    assert [(entry.key, entry.credential) for entry in merged.entries] == [
        ("https://r.example.com/v2/team/", A1),
        ("r.example.com/team/", A2),
    ]
    assert {entry.credential for entry in offered(merged.entries, parse("r.example.com/team/app"))} == {A1, A2}
    assert offered(merged.entries, parse("r.example.com/team-evil/app")) == ()


def test_the_whole_hub_overlaps_too() -> None:
    entries = put_together([grant("docker.io", A1), grant("docker.io", A2)]).entries
    assert {entry.credential for entry in offered(entries, parse("nginx"))} == {A1, A2}


def test_a_version_superseded_twice_is_left_out() -> None:
    assert set(
        keys_of(grant("r.example.com", A1), grant("r.example.com", A3), grant("r.example.com", A2)).values()
    ) == {
        A2,
        A3,
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_version_granted_twice_is_live_if_any_grant_is(order: int) -> None:
    grants = [grant("r.example.com"), grant("r.example.com", login=None)][::order]
    (entry,) = put_together(grants).entries
    assert entry.login is LOGIN


def test_the_expiry_takes_no_part_in_comparisons() -> None:
    assert CredentialRef("a", 1, datetime(2030, 1, 1, tzinfo=UTC)) == A1


@given(
    st.permutations([grant("r.example.com"), grant("r.example.com", A2), grant("r.example.com/x", B1), grant("q.io")])
)
def test_the_order_of_grants_does_not_matter(grants: list[Granted]) -> None:
    assert put_together(grants) == put_together(list(reversed(grants)))
    assert render(put_together(grants).entries).equals_in_constant_time(render(put_together(grants[::-1]).entries))


def test_the_rendered_bytes_are_a_dockerconfigjson() -> None:
    assert auths(render(put_together([grant("r.example.com/team")]).entries)) == {
        "r.example.com/team/": {
            "username": "robot",
            "password": PASSWORD,
            "auth": base64.b64encode(f"robot:{PASSWORD}".encode()).decode(),
        }
    }


def test_a_hollow_entry_keeps_its_key_and_nothing_else() -> None:
    (entry,) = put_together([grant("r.example.com")]).entries
    assert auths(render([hollow(entry)])) == {"r.example.com/": {"username": "", "password": ""}}
    assert hollow(entry).credential == entry.credential
    assert offered([hollow(entry)], parse("r.example.com/a")) == (hollow(entry),)


def test_no_grants_give_an_empty_map() -> None:
    assert auths(render([])) == {}


def test_no_representation_holds_the_password() -> None:
    merged = put_together([grant("r.example.com"), grant("r.example.com", B1)])
    shown = repr(merged) + str(merged) + repr(grant("r.example.com")) + repr(LOGIN) + repr(render(merged.entries))
    assert PASSWORD not in shown
    assert base64.b64encode(PASSWORD.encode()).decode()[:8] not in shown


def test_a_secret_that_is_too_large_is_refused_with_the_number() -> None:
    with pytest.raises(Invalid) as why:
        render([AuthEntry("r.example.com/", A1, Login("u", SecretValue("x" * MAX_PULL_SECRET_BYTES)))])
    assert why.value.code == "pull_secret_too_large"
    assert "1,048,576" in why.value.message
    assert "2,446," in why.value.message
    assert "xxx" not in why.value.diagnostics()


def test_the_limit_itself_is_allowed() -> None:
    def sized(length: int) -> int:
        return len(render([AuthEntry("k/", A1, Login("u", SecretValue("x" * length)))]).reveal())

    overhead = sized(1) - len(base64.b64encode(b"u:x")) - 1
    length = next(n for n in range(449_000, 450_000) if overhead + n + 4 * ((n + 2 + 2) // 3) > MAX_PULL_SECRET_BYTES)
    assert sized(length - 1) <= MAX_PULL_SECRET_BYTES
    with pytest.raises(Invalid):
        sized(length)


@pytest.mark.parametrize("password", [b"\xff\xfec4n4ry", b""])
def test_a_password_that_is_no_text_is_refused_without_being_quoted(password: bytes) -> None:
    with pytest.raises(Invalid) as why:
        render([AuthEntry("k/", A1, Login("u", SecretValue(password)))])
    assert why.value.code == "credential_not_text"
    assert why.value.__context__ is None
    assert "c4n4ry" not in why.value.diagnostics()


@pytest.mark.parametrize("username", ["", "a:b"])
def test_a_user_name_that_cannot_be_sent_is_refused(username: str) -> None:
    with pytest.raises(Invalid) as why:
        render([AuthEntry("k/", A1, Login(username, SecretValue("x")))])
    assert why.value.code == "credential_username"


@given(st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1), st.text(min_size=1))
def test_any_login_survives_the_rendering(username: str, password: str) -> None:
    try:
        password.encode()
    except UnicodeEncodeError:
        return
    line = auths(render([AuthEntry("k/", A1, Login(username, SecretValue(password)))]))["k/"]
    assert (line["username"], line["password"]) == (username, password)
    assert base64.b64decode(line["auth"]).decode() == f"{username}:{password}"

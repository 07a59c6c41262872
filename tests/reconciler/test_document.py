"""The grants of a document: read as the control plane writes them, opened one by one, refused whole otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.core.cluster import LabelSelector, NamespaceSelection, Operator, Requirement
from portreeve.core.credential import auth_key, source_of
from portreeve.core.policy import Delivery, DeliveryMode, ServiceAccounts, ServiceAccountSelection
from portreeve.core.reference import parse_prefix
from portreeve.errors import Invalid
from portreeve.reconciler.document import opened
from portreeve.vault import sealing
from tests.reconciler.keeping import Kept, grant

SELECTOR = {"matchLabels": {"team": "shop"}, "matchExpressions": [["tier", "NotIn", ["a", "b"]], ["x", "Exists", []]]}


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept(None, sealing.generate(), generation=7)  # type: ignore[arg-type]


def test_everything_that_a_grant_says_is_read(kept: Kept) -> None:
    accounts = {"names": ["build"], "selector": {"matchLabels": {}, "matchExpressions": []}}
    found = kept.document(
        grant("r", "r.example.com/team", "shop", password="pw", mode="lease", accounts=accounts, selector=SELECTOR),
        grant("hub", "docker.io", expires_at="2030-01-01T00:00:00Z"),
    )
    read = opened(found, kept.key)
    assert read.unopened == {}
    first, second = read.document.grants
    assert first.source == parse_prefix("r.example.com/team")
    expressions = (Requirement("tier", Operator.NOT_IN, ("a", "b")), Requirement("x", Operator.EXISTS))
    assert first.namespaces == NamespaceSelection(("shop",), LabelSelector((("team", "shop"),), expressions))
    assert first.delivery == Delivery(DeliveryMode.LEASE, ServiceAccountSelection(("build",), LabelSelector()))
    assert first.login is not None
    assert (first.login.username, first.login.password.reveal()) == ("robot", b"pw")
    assert (second.credential, second.login, second.delivery.service_accounts) == (None, None, ServiceAccounts.DEFAULT)
    assert (read.document.environment, read.document.generation, read.document.hash) == ("test", 7, found["hash"])


def test_one_credential_that_does_not_open_keeps_no_other_back(kept: Kept) -> None:
    found = kept.document(
        grant("r", "r.example.com/a", "shop", password="one"), grant("s", "s.example.com/b", "shop", password="two")
    )
    other = Kept(None, sealing.generate(), generation=7)  # type: ignore[arg-type]
    found["grants"][0]["credential"] = other.document(grant("r", "r.example.com/a", password="x"))["grants"][0][
        "credential"
    ]
    read = opened(found, kept.key)
    assert read.unopened == {"c-r": "sealed_for_another_key"}
    assert [one.login is None for one in read.document.grants] == [True, False]


@pytest.mark.parametrize("sealed", ["", "!", "AAAA", None])
def test_what_is_not_sealed_at_all_is_a_grant_without_a_login(kept: Kept, sealed: str | None) -> None:
    found = kept.document(grant("r", "r.example.com/a", "shop", password="one"))
    found["grants"][0]["credential"]["sealed"] = sealed
    assert opened(found, kept.key).document.grants[0].login is None


def test_a_login_that_was_sealed_for_another_generation_does_not_open(kept: Kept) -> None:
    found = kept.document(grant("r", "r.example.com/a", "shop", password="one")) | {"generation": 8}
    assert opened(found, kept.key).unopened == {"c-r": "sealed_refused"}


def changed(kept: Kept, *path: Any, value: Any) -> dict[str, Any]:
    found = kept.document(grant("r", "r.example.com/a", "shop", password="one", selector=SELECTOR))
    inner: Any = found
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("grants",), None),
        (("grants", 0), "grant"),
        (("grants", 0, "keys"), []),
        (("grants", 0, "keys"), ["r.example.com/a"]),
        (("grants", 0, "keys"), ["https://r.example.com/v2/a/"]),
        (("grants", 0, "keys"), ["*.example.com/"]),
        (("grants", 0, "delivery", "mode"), "sometimes"),
        (("grants", 0, "delivery", "serviceAccounts"), "some"),
        (("grants", 0, "credential", "version"), "new"),
        (("grants", 0, "credential", "expiresAt"), "tomorrow"),
        (("grants", 0, "namespaces", "selector", "matchExpressions"), [["a", "Near", []]]),
        (("notAfter",), "soon"),
        (("policy",), "none"),
    ],
)
def test_a_document_of_another_shape_is_refused_whole(kept: Kept, path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        opened(changed(kept, *path, value=value), kept.key)
    assert refused.value.code in {"message_invalid", "pull_key"}
    assert "one" not in refused.value.message


@pytest.mark.parametrize(
    "prefix",
    ["docker.io", "docker.io/org", "r.example.com", "r.example.com:5000/a/b", "r.example.com/v2/a", "r.example.com/v1"],
)
def test_a_key_says_what_lies_below_it(prefix: str) -> None:
    source = parse_prefix(prefix)
    assert source_of(auth_key(source)) == source

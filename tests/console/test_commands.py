"""What "Do this in code" shows for changes that are no documents, run as it stands: the state is what the button makes.

Changes of documents have one generator; the tests of each area run what it shows. Here are the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.console.browser import Console, RealClock
from tests.console.typed import as_typed, code
from tests.server.plane import document
from tests.server.served import Served, served

pytestmark = pytest.mark.slow


def ends(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT00:00:00Z}"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A registry with its credential, a policy, and an exemption that somebody asked for."""
    directory = tmp_path_factory.mktemp("commands")
    with served(f"sqlite:///{directory / 'portreeve.db'}", directory, clock=RealClock()) as found:
        pull = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
        restrict = {"stage": "audit", "allowedSources": [{"prefix": "harbor.example.com", "scope": "Global"}]}
        found.put(
            document("EnvironmentGroup", "production"),
            document("Environment", "prod", tier="production", group="production"),
            document("Registry", "harbor", provider="harbor", host="harbor.example.com", credentials=[pull]),
            document(
                "RegistryPolicy",
                "sources",
                groups=["production"],
                restrict=restrict,
            ),
        )
        yield found


def asked(console: Console, name: str) -> None:
    """An exemption that root asks for."""
    spec: dict[str, Any] = {"groups": ["production"], "namespaces": ["cache"], "image": "docker.io/library/redis"}
    draft = document(
        "Exemption", name, policy="sources", scope=spec, reason="mirror", ticket="", owner="cache", expiresAt=ends(20)
    )
    console.ask("POST", "exemptions", json=draft)


def test_a_credential_is_set_and_then_rotated(console: Console, tmp_path: Path) -> None:
    page = console.page("/registries/harbor?tab=credentials")
    page.get_by_role("button", name="Set", exact=True).first.click()
    shown = code(page.get_by_role("dialog", name="Set the pull credential of harbor"), page)
    assert "$" not in shown, "the secret stands there as the name of a variable"
    as_typed(console, tmp_path / "set", shown, REGISTRY_SECRET="canary-one")
    page.reload()
    page.get_by_role("button", name="Rotate", exact=True).first.click()
    shown = code(page.get_by_role("dialog", name="Rotate the pull credential of harbor"), page)
    as_typed(console, tmp_path / "rotate", shown, REGISTRY_SECRET="canary-two")
    (held,) = console.ask("GET", "registries/harbor")["status"]["credentials"]
    assert (held["state"], held["version"]) == ("stored", 2)
    assert "canary" not in page.content()


def test_an_exemption_is_denied_and_another_one_renewed(console: Console, tmp_path: Path) -> None:
    asked(console, "no")
    asked(console, "longer")
    page = console.page("/exemptions/no")
    page.get_by_role("button", name="Deny", exact=True).click()
    as_typed(console, tmp_path / "deny", code(page.get_by_role("dialog", name="Deny: no"), page))
    assert console.ask("GET", "exemptions/no")["status"]["state"] == "denied"
    console.known("ian", "platform-admin")
    console.go(page, "/exemptions/longer")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("button", name="Renew", exact=True).click()
    dialog = page.get_by_role("dialog", name="Ask for a later end: longer")
    dialog.locator("#until").fill(ends(40)[:10])
    as_typed(console, tmp_path / "renew", code(dialog, page))
    assert console.ask("GET", "exemptions/longer")["status"]["renewal"]["expiresAt"] == ends(40)


def test_a_registry_is_deleted(console: Console, tmp_path: Path) -> None:
    console.put(document("Registry", "spare", provider="generic", host="spare.example.com"))
    page = console.page("/registries/spare")
    page.get_by_role("button", name="Delete", exact=True).click()
    as_typed(console, tmp_path / "delete", code(page.get_by_role("dialog", name="Delete the registry spare"), page))
    assert console.answer("GET", "registries/spare").status_code == 404

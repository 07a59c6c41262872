"""Access in the console: how grants stand, granted by checked cells and by label, taken back, asked for and decided on;
users and teams on a Docker host. What each change shows as a command makes the same state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from portreeve.core.estate import Key
from tests.console.access_scene import set_up
from tests.console.browser import Console, RealClock, serious, settled, shot
from tests.console.mutations import runs
from tests.console.typed import as_typed, codes, documents, same, undo
from tests.server.agents.agent import TRUST
from tests.server.served import Served, served

pytestmark = pytest.mark.wide


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The fleet of `access_scene`."""
    directory = tmp_path_factory.mktemp("access")
    trust = directory / "trust.pem"
    trust.write_text(TRUST)
    url = f"sqlite:///{directory / 'portreeve.db'}"
    with served(url, directory, clock=RealClock(), agents_trust=trust) as found:
        set_up(found)
        yield found


def accesses(console: Console) -> dict[str, Any]:
    """Every access, as it is written down: name → spec."""
    found = console.ask("GET", "access?limit=500")["items"]
    return {one["metadata"]["name"]: one["spec"] for one in found}


def twice(console: Console, dialog: Locator, verb: str, folder: Path) -> dict[str, Any]:
    """As `same`, and undone again; the accesses that came of it."""
    before = documents(console)
    same(console, dialog, verb, folder)
    made = accesses(console)
    undo(console, before)
    return made


def plan_of(page: Page, title: str) -> Locator:
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog.get_by_text("Nothing has been changed yet")).to_be_visible()
    expect(dialog.get_by_role("list", name="Documents").get_by_role("listitem").first).to_be_visible()
    return dialog


def row(page: Page, environment: str, name: str) -> Locator:
    group = page.locator("tbody").filter(has=page.get_by_role("link", name=environment, exact=True))
    return group.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_the_matrix_says_how_each_grant_stands(console: Console) -> None:
    page = console.page("/access")
    expect(row(page, "prod", "shop").get_by_text("Synced")).to_be_visible()
    expect(row(page, "prod", "pay").get_by_text("Stale")).to_be_visible()
    expect(row(page, "prod", "pay").get_by_text("Unused")).to_be_visible()
    expect(row(page, "prod", "cache").get_by_text("Conflict")).to_be_visible()
    expect(row(page, "prod", "jobs").get_by_text("Needed", exact=True)).to_be_visible()
    expect(row(page, "dev", "shop").get_by_text("Unknown")).to_be_visible()
    expect(row(page, "edge-7", "pay").get_by_text("Masked")).to_be_visible()
    # Where a policy decides, and in namespaces of the cluster itself, there is nothing to be checked.
    expect(row(page, "edge-7", "pay").get_by_role("checkbox")).to_have_count(0)
    expect(row(page, "prod", "kube-system").get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_text("Nothing is heard now of dev")).to_be_visible()
    page.get_by_role("button", name="Conflict 1").click()
    expect(page).to_have_url(re.compile("state=conflict"))
    expect(page.get_by_text("1 of 1 namespaces")).to_be_visible()
    page.get_by_role("button", name="Conflict: mirror for cache in prod").click()
    facts = page.get_by_role("dialog", name="mirror in prod for cache")
    expect(facts.get_by_text("there is a Secret of this name that is not ours")).to_be_visible()
    expect(facts.get_by_text("an hour at most")).to_be_visible()
    assert serious(page) == []
    page.go_back()
    expect(facts).to_have_count(0)
    expect(page).to_have_url(re.compile("state=conflict"))


@runs("pages/access/Grant.tsx:Grant:ConfirmChange")
def test_checked_cells_are_granted_in_one_plan(console: Console, tmp_path: Path) -> None:
    page = console.page("/access?environment=prod")
    page.get_by_role("button", name="Check what is needed on this page").click()
    page.get_by_role("checkbox", name="harbor for cache in prod").check()
    page.get_by_role("button", name="Grant 2").click()
    ask = page.get_by_role("dialog", name="Grant registries")
    ask.get_by_role("radio", name=re.compile("Just in time")).check()
    assert serious(page) == []
    shot(page, "access-delivery")
    ask.get_by_role("button", name="Look at the plan").click()
    dialog = plan_of(page, "Grant 2 places")
    expect(dialog.get_by_text("jobs/quay.io/acme/")).to_be_visible()
    assert serious(page) == []
    after = twice(console, dialog, "Grant", tmp_path / "typed")
    assert after["quay-prod"]["namespaces"] == {"names": ["jobs"]}
    # The access of that name delivers otherwise, so that it is not widened.
    assert after["harbor-prod-2"]["delivery"]["mode"] == "lease"


def test_what_is_needed_is_granted_by_keyboard_alone(console: Console) -> None:
    page, before = console.page("/access"), documents(console)
    page.get_by_role("button", name="Check what is needed on this page").focus()
    page.keyboard.press("Enter")
    tab_to(page, "Grant 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Grant registries")).to_be_visible()
    tab_to(page, "Look at the plan")
    page.keyboard.press("Enter")
    expect(plan_of(page, "Grant quay in prod for jobs").get_by_role("button", name="Grant", exact=True)).to_be_enabled()
    tab_to(page, "Grant")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("said")).to_contain_text("Granted quay in prod for jobs")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert accesses(console)["quay-prod"]["namespaces"] == {"names": ["jobs"]}
    # Whoever goes on by keyboard begins where they were, and not at the top of the page.
    expect(page.locator(":focus")).to_have_count(1)
    undo(console, before)


def tab_to(page: Page, name: str) -> None:
    """Go on with Tab until what has this name has the focus."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"{name} cannot be reached by Tab")


@runs("pages/access/GrantByLabels.tsx:GrantByLabels:ConfirmChange")
def test_a_grant_by_label_is_for_namespaces_to_come(console: Console, tmp_path: Path) -> None:
    page = console.page("/access")
    page.get_by_role("button", name="Grant by label").click()
    ask = page.get_by_role("dialog", name="Grant by label")
    ask.get_by_label(re.compile("^Registry")).select_option("quay")
    ask.get_by_label(re.compile("^Where")).select_option("g:production")
    expect(ask.get_by_text("Every namespace, also those of others")).to_be_visible()
    ask.get_by_label("Label", exact=True).select_option("team")
    ask.get_by_label(re.compile("^Value of team")).fill("jobs")
    ask.get_by_role("button", name="Look at the plan").click()
    dialog = plan_of(page, "Grant quay to namespaces with team=jobs")
    after = twice(console, dialog, "Grant", tmp_path / "typed")
    assert after["quay-prod"]["namespaces"] == {"selector": {"matchLabels": {"team": "jobs"}}}


@runs("pages/access/Grant.tsx:Revoke:ConfirmChange")
def test_what_nothing_uses_is_taken_back_and_what_a_policy_grants_stays(console: Console, tmp_path: Path) -> None:
    page = console.page("/access?view=unused")
    expect(page.get_by_text("1 environment has not told enough")).to_be_visible()
    page.get_by_label("Select all rows of this page").check()
    page.get_by_role("button", name="Take back 2").click()
    dialog = plan_of(page, "Take back 2 places")
    expect(dialog.get_by_text("1 of these stay granted")).to_be_visible()
    expect(dialog.get_by_text("the policy edge-sources grants it")).to_be_visible()
    assert serious(page) == []
    after = twice(console, dialog, "Take back", tmp_path / "typed")
    assert after["harbor-prod"]["namespaces"] == {"names": ["shop"]}


def request(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("gridcell", name=name, exact=True))


def test_a_request_is_refused_with_a_reason_and_then_approved(console: Console) -> None:
    page, before = console.page("/access?view=requests"), documents(console)
    page.get_by_role("button", name="Deny prod/jobs/needs-harbor").click()
    dialog = page.get_by_role("dialog", name="Deny prod/jobs/needs-harbor")
    dialog.get_by_label("Reason").fill("use the mirror")
    dialog.get_by_role("button", name="Deny", exact=True).click()
    asked = request(page, "needs-harbor")
    expect(asked.get_by_text("Refused", exact=True)).to_be_visible()
    expect(asked.get_by_text("use the mirror")).to_be_visible()
    page.get_by_role("button", name="Approve prod/jobs/needs-harbor").click()
    plan = plan_of(page, "Approve prod/jobs/needs-harbor")
    plan.get_by_role("button", name="Approve", exact=True).click()
    expect(asked.get_by_text("by access requested-harbor-prod")).to_be_visible()
    undo(console, before)


@runs("pages/access/Requests.tsx:Requests:ConfirmChange", "pages/access/Requests.tsx:Deny:POST")
@pytest.mark.slow
def test_the_commands_on_a_request_do_what_the_buttons_do(console: Console, tmp_path: Path) -> None:
    """On a request of its own, whatever became of the other one."""
    page, before = console.page("/access?view=requests"), documents(console)
    page.get_by_role("button", name="Deny prod/cache/needs-quay").click()
    dialog = page.get_by_role("dialog", name="Deny prod/cache/needs-quay")
    dialog.get_by_label("Reason").fill("it's not yours; $(id)")
    for form, text in codes(dialog, page).items():
        as_typed(console, tmp_path / f"deny-{form}", text, user=f"typist-{form}")
        (asked,) = console.ask("GET", "access-requests?namespace=cache")["items"]
        assert (asked["state"], asked["decidedBy"]) == ("refused", f"typist-{form}")
    dialog.get_by_role("button", name="Cancel").click()
    page.reload()
    expect(request(page, "needs-quay").get_by_text("Refused", exact=True)).to_be_visible()
    expect(request(page, "needs-quay").get_by_text("it's not yours; $(id)")).to_be_visible()
    page.get_by_role("button", name="Approve prod/cache/needs-quay").click()
    plan = plan_of(page, "Approve prod/cache/needs-quay")
    made = same(console, plan, "Approve", tmp_path / "approve")
    assert made[Key("RegistryAccess", "requested-quay-prod")][0]["namespaces"] == {"names": ["cache"]}
    undo(console, before)


def test_only_who_has_a_role_on_a_host_can_be_granted_something_there(console: Console, tmp_path: Path) -> None:
    page = console.page("/access?view=people")
    expect(row(page, "build-host", "team ops").get_by_text("Granted")).to_be_visible()
    page.get_by_role("button", name="Grant to users and teams").click()
    ask = page.get_by_role("dialog", name="Grant to users and teams")
    ask.get_by_label(re.compile("^Registry")).select_option("quay")
    ask.get_by_label(re.compile("^Environment")).select_option("build-host")
    expect(ask.get_by_label("team ops")).to_be_visible()
    expect(ask.get_by_text("strangers")).to_have_count(0)
    ask.get_by_label("user olga").check()
    ask.get_by_role("button", name="Go on with 1").click()
    page.get_by_role("dialog", name="Grant registries").get_by_role("button", name="Look at the plan").click()
    dialog = plan_of(page, "Grant quay in build-host for the user olga")
    after = twice(console, dialog, "Grant", tmp_path / "typed")
    assert after["quay-build-host"]["subjects"] == {"users": ["olga"]}


def test_whoever_may_not_grant_sees_who_can(console: Console) -> None:
    page = console.page("/access", user="dora", role="developer", scope={"environments": ["prod"]})
    expect(row(page, "prod", "shop").get_by_text("Synced")).to_be_visible()
    expect(page.locator("table").get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_text(re.compile("Granting: .*can do this"))).to_be_visible()
    expect(row(page, "prod", "jobs").get_by_text("Needed", exact=True)).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view_is_usable(console: Console, *, dark: bool) -> None:
    page = console.page(dark=dark)
    for view in ("matrix", "requests") if dark else ("matrix", "people", "needed", "unused", "requests", "grants"):
        console.go(page, f"/access?view={view}")
        settled(page)
        expect(page.get_by_role("tabpanel").locator("table")).to_be_visible()
        shot(page, f"access-{view}-{'dark' if dark else 'light'}")
        assert serious(page) == [], view

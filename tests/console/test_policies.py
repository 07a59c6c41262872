"""Policies: the flow of the registry policy as its source document describes it, by mouse and by keyboard; then what a
policy is shown with. The fleet has told what runs, so that numbers can be held against it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.console.browser import Console, serious, settled, shot
from tests.console.typed import as_typed, documents, undo
from tests.server.plane import document
from tests.server.served import Served

pytestmark = pytest.mark.wide

NAMESPACES = ("cache", "kube-system", "pay", "shop")
RUNNING = (
    ("shop", "Deployment/api", "harbor.example.com/shop/api:1.4"),
    ("shop", "Deployment/web", "harbor.example.com/shop/web:2"),
    ("cache", "StatefulSet/redis", "redis:7"),
    ("pay", "Deployment/pay", "base.example.com/pay:1"),
    ("kube-system", "DaemonSet/cni", "quay.io/cni/agent:3"),
)


@pytest.fixture(scope="module", autouse=True)
def fleet(plane: Served) -> None:
    """Two clusters in production, one of which is too old, and one that has told nothing in staging."""
    plane.put(
        document("EnvironmentGroup", "production"),
        document("EnvironmentGroup", "staging"),
        document("EnvironmentGroup", "covered"),
        document("EnvironmentGroup", "hosts", type="docker"),
        document("Environment", "prod-eu", tier="production", group="production"),
        document("Environment", "old-us", tier="production", group="production"),
        document("Environment", "stage-1", tier="staging", group="staging"),
        document("Environment", "edge", tier="development", group="covered"),
        document("Environment", "host-1", type="docker", tier="production", group="hosts"),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop"),
        document("Team", "crew", members=["dora"]),
        document(
            "RoleBinding", "crew-on-hosts", role="operator", subjects={"teams": ["crew"]}, scope={"groups": ["hosts"]}
        ),
        document(
            "RegistryPolicy",
            "edge-sources",
            groups=["covered"],
            restrict={"stage": "audit", "allowedSources": [{"prefix": "edge.example.com", "scope": "Global"}]},
        ),
    )
    report(plane, "prod-eu", "v1.33.1", RUNNING)
    report(plane, "old-us", "v1.29.4", (("shop", "Deployment/api", "harbor.example.com/shop/api:1.4"),))


def report(plane: Served, environment: str, kubernetes: str, images: Any) -> None:
    """What an environment has told."""
    facts = {"kubernetes": kubernetes, "namespaces": [{"name": name, "labels": {}} for name in NAMESPACES]}
    rows = [(RunningImage(environment, *image), "") for image in images]

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation(environment, 1, facts, rows))

    plane.run(plane.plane.server.writer.run(job))


def effect(page: Page) -> Locator:
    return page.get_by_role("complementary", name="What the policy would do")


def choose(page: Page, what: str, *names: str) -> None:
    """Choose in a list with boxes behind a button."""
    page.get_by_role("button", name=re.compile(f"^{what}")).click()
    for name in names:
        page.get_by_role("menuitem", name=re.compile(f"^{name}")).get_by_role("checkbox").click()
    page.keyboard.press("Escape")


def test_a_kubernetes_registry_policy_is_created_by_mouse(console: Console) -> None:
    page = console.page("/fleet")
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Policies").click()
    page.get_by_role("button", name="Create policy").click()
    page.get_by_role("group", name="Kubernetes > Registry").get_by_label("Custom").check()
    assert not serious(page)
    page.get_by_role("button", name="Continue").click()

    page.get_by_role("textbox", name=re.compile("^Name")).fill("Production sources")
    expect(page.get_by_text("production-sources")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Environment groups")).click()
    expect(page.get_by_role("menuitem", name=re.compile("covered"))).to_contain_text("in the policy edge-sources")
    assert not serious(page)
    page.get_by_role("menuitem", name=re.compile("^production")).get_by_role("checkbox").click()
    page.keyboard.press("Escape")

    page.get_by_label("Select registry").select_option("harbor")
    choose(page, "Select namespaces", "shop")
    page.get_by_role("button", name="Add access").click()
    granted = page.get_by_role("table", name="Registry access list")
    expect(granted.get_by_role("row", name=re.compile("harbor"))).to_contain_text("shop")

    page.get_by_label("Restrict to allowed sources").check(force=True)
    sources = page.get_by_role("table", name="Allowed sources")
    expect(sources.get_by_role("row").filter(has_text="quay.io/cni/agent")).to_contain_text("kube-system")
    own = sources.get_by_role("row").filter(has_text="registry.k8s.io/pause")
    expect(own).to_contain_text("part of every policy")
    expect(own.get_by_role("checkbox")).to_have_count(0)
    page.get_by_label("Registry URL prefix").fill("base.example.com")
    expect(page.get_by_text("base.example.com.evil.example/app")).to_be_visible()
    page.get_by_role("button", name="Add source").click()
    expect(sources.get_by_role("row").filter(has_text="base.example.com")).to_contain_text("Global")
    expect(effect(page)).to_contain_text("Of 6 running images: 5 allowed, 1 blocked")
    expect(effect(page)).to_contain_text("1 of 2 can refuse images at admission")
    expect(effect(page)).to_contain_text("old-us")

    page.get_by_label("Image", exact=True).fill("base.example.com/pay:2")
    expect(effect(page)).to_contain_text("base.example.com/pay:2")
    expect(sources.locator("tr[aria-current]")).to_contain_text("base.example.com")
    page.get_by_label("Image", exact=True).fill("nginx")
    expect(effect(page)).to_contain_text("docker.io/library/nginx:latest")
    assert not serious(page)
    shot(page, "policy-form")

    page.get_by_role("radio", name=re.compile("^Deny")).check()
    page.get_by_role("button", name="Create policy").click()
    dialog = page.get_by_role("dialog", name="Create the policy production-sources")
    expect(dialog.get_by_text("create RegistryPolicy")).to_be_visible()
    expect(dialog).to_contain_text("Running workloads that would be denied: 1")
    expect(dialog).to_contain_text("redis:7")
    expect(dialog.get_by_text("ValidatingAdmissionPolicy").first).to_be_attached()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Create policy")).to_be_focused()
    page.keyboard.press("Enter")
    confirm = dialog.get_by_role("button", name="Confirm")
    expect(confirm).to_be_disabled()
    dialog.get_by_label(re.compile("^Type deny")).fill("deny")
    assert not serious(page)
    shot(page, "policy-confirmation")
    confirm.click()
    expect(page).to_have_url(re.compile(r"/policies/production-sources$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Production sources")
    stored = console.ask("GET", "policies/production-sources")["spec"]
    assert stored["title"] == "Production sources"
    assert [(one["registry"], one["namespaces"]) for one in stored["access"]] == [("harbor", {"names": ["shop"]})]
    assert {one["prefix"] for one in stored["restrict"]["allowedSources"]} == {"quay.io/cni/agent", "base.example.com"}
    assert stored["restrict"]["stage"] == "deny"


def reach(page: Page, target: Locator, *, back: bool = False) -> None:
    """Go to an element with Tab alone, as somebody without a mouse does."""
    for _ in range(80):
        if target.count() and target.first.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"Tab does not reach {target}")


def mark(page: Page, name: str) -> None:
    """Choose an entry of the list that is open, by keyboard."""
    entry = page.get_by_role("menuitem", name=re.compile(f"^{name}")).get_by_role("checkbox")
    for _ in range(20):
        if entry.evaluate(
            "one => one === document.activeElement || one.closest('li').contains(document.activeElement)"
        ):
            page.keyboard.press("Space")
            expect(entry).to_be_checked()
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"the arrow keys do not reach {name}")


def test_the_same_by_keyboard_names_the_policy_that_is_replaced(console: Console) -> None:
    page = console.page("/fleet")
    before = documents(console)
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_have_text("Policies")
    reach(page, page.get_by_role("button", name="Create policy"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("radio").first)
    page.keyboard.press("Space")
    reach(page, page.get_by_role("button", name="Continue"))
    page.keyboard.press("Enter")

    reach(page, page.locator("#policy-name"))
    page.keyboard.type("By keyboard")
    reach(page, page.locator("#policy-groups"))
    page.keyboard.press("Enter")
    mark(page, "covered")
    page.keyboard.press("Escape")
    expect(page.get_by_text("covered leaves edge-sources")).to_be_visible()
    expect(page.locator("#policy-groups")).to_be_focused()

    reach(page, page.locator("#access-registry"))
    page.keyboard.type("harbor")
    reach(page, page.locator("#access-others"))
    page.keyboard.type("shop, shop-jobs")
    reach(page, page.get_by_role("button", name="Add access"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Registry access list")).to_contain_text("shop, shop-jobs")
    reach(page, page.locator("#policy-restrict"))
    page.keyboard.press("Space")
    reach(page, page.locator("#source-prefix"))
    page.keyboard.type("base.example.com/Team")
    expect(page.get_by_text("write base.example.com/team")).to_be_visible()
    for _ in "Team":
        page.keyboard.press("Backspace")
    page.keyboard.type("team")
    page.keyboard.press("Enter")
    sources = page.get_by_role("table", name="Allowed sources")
    row = sources.get_by_role("row").filter(has_text="base.example.com/team")
    expect(row).to_be_visible()
    # A second one, which is taken out again.
    page.keyboard.type("other.example.com")
    page.keyboard.press("Enter")
    other = sources.get_by_role("row").filter(has_text="other.example.com")
    expect(other).to_be_visible()
    reach(page, other.get_by_role("checkbox"))
    page.keyboard.press("Space")
    remove = page.get_by_role("region", name="Allowed sources", exact=True).get_by_role("button", name="Remove")
    reach(page, remove, back=True)
    page.keyboard.press("Enter")
    expect(other).to_have_count(0)
    reach(page, page.get_by_role("button", name="Create policy"))
    page.keyboard.press("Enter")

    dialog = page.get_by_role("dialog", name="Create the policy by-keyboard")
    expect(dialog).to_contain_text("leaves the policy edge-sources for by-keyboard, which then covers no group")
    expect(dialog).to_contain_text("change RegistryPolicy edge-sources")
    reach(page, dialog.get_by_role("button", name="Confirm"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/policies/by-keyboard$"))
    assert console.ask("GET", "policies/edge-sources")["spec"].get("groups", []) == []
    stored = console.ask("GET", "policies/by-keyboard")["spec"]
    assert stored["restrict"]["stage"] == "audit"
    assert [one["prefix"] for one in stored["restrict"]["allowedSources"]] == ["base.example.com/team"]
    undo(console, before)  # the other tests look at that policy as it was


def test_a_changed_world_refuses_the_confirmation_and_says_so(console: Console) -> None:
    console.put(document("RegistryPolicy", "moving", groups=["staging"], restrict={"stage": "audit"}))
    page = console.page("/policies/moving/edit")
    page.get_by_role("radio", name=re.compile("^Warn")).check()
    page.get_by_role("button", name="Save changes").click()
    dialog = page.get_by_role("dialog", name="Change the policy moving")
    expect(dialog.get_by_role("button", name="Confirm")).to_be_enabled()
    other = document("RegistryPolicy", "moving", groups=["staging"], restrict={"stage": "audit"}, title="Another")
    plan = console.ask("POST", "plans", json={"documents": [other]})
    console.ask("POST", f"plans/{plan['id']}/confirm")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_role("button", name="Look at the plan anew")).to_be_visible()
    expect(dialog).to_contain_text("version")
    assert console.ask("GET", "policies/moving")["spec"]["restrict"]["stage"] == "audit"


def shown_command(page: Page, within: Locator) -> str:
    """What "Do this in code" shows for the command line; it is closed again."""
    within.get_by_role("button", name="Do this in code").click()
    found = page.locator("pre[aria-label=portreeve]").inner_text()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Do this in code")).to_have_count(0)
    # It alone is closed, and the focus is where it was.
    expect(within.get_by_role("button", name="Do this in code")).to_be_focused()
    return found


def test_the_command_that_is_shown_does_the_same(console: Console, tmp_path: Path) -> None:
    page = console.page("/policies/new?type=docker&template=custom&step=form")
    page.locator("#policy-name").fill("For hosts")
    choose(page, "Environment groups", "hosts")
    page.get_by_label("Select registry").select_option("harbor")
    choose(page, "Teams", "crew")
    page.get_by_role("button", name="Add access").click()
    expect(page.get_by_role("table", name="Registry access list")).to_contain_text("team crew")
    command = shown_command(page, page.locator("form"))
    expect(effect(page)).to_contain_text("0 of 1 can refuse images at admission")
    as_typed(console, tmp_path / "typed", command)
    by_command = console.ask("GET", "policies/for-hosts")["spec"]
    plan = console.ask("POST", "plans", json={"delete": [{"kind": "RegistryPolicy", "name": "for-hosts"}]})
    console.ask("POST", f"plans/{plan['id']}/confirm")
    page.get_by_role("button", name="Create policy").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page).to_have_url(re.compile(r"/policies/for-hosts$"))
    assert console.ask("GET", "policies/for-hosts")["spec"] == by_command
    assert by_command["access"][0]["subjects"] == {"teams": ["crew"]}


def test_the_list_is_found_again_by_its_address_and_several_are_removed(console: Console) -> None:
    for name in ("doomed-1", "doomed-2"):
        console.put(document("RegistryPolicy", name, groups=[]))
    page = console.page("/policies")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Kubernetes > Registry")
    page.keyboard.press("/")
    page.keyboard.type("doomed")
    expect(page).to_have_url(re.compile(r"/policies\?q=doomed$"))
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.reload()
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.get_by_label("Select all rows of this page").check()
    page.get_by_role("button", name="Remove 2").click()
    dialog = page.get_by_role("dialog", name="Remove 2 policies")
    expect(dialog).to_contain_text("delete RegistryPolicy doomed-1")
    assert not serious(page)
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    assert not [one for one in console.ask("GET", "policies")["items"] if one["metadata"]["name"].startswith("doomed")]


def test_a_policy_is_shown_matched_renamed_moved_and_moved_back(console: Console, tmp_path: Path) -> None:
    restrict = {"stage": "off", "allowedSources": [{"prefix": "base.example.com", "scope": {"namespaces": ["pay"]}}]}
    console.put(
        document("EnvironmentGroup", "own"),
        document("Environment", "own-1", tier="development", group="own"),
        document("RegistryPolicy", "shown", groups=["own"], restrict=restrict),
    )
    report(console.served, "own-1", "v1.33.1", RUNNING[2:3])
    page = console.page("/policies/shown")
    expect(page.get_by_text("Of 1 running image: 0 allowed, 1 blocked")).to_be_visible()
    assert not serious(page)
    shot(page, "policy-overview")

    page.get_by_role("tab", name="Matcher").click()
    expect(page).to_have_url(re.compile("tab=matcher"))
    page.get_by_label("Image", exact=True).fill("base.example.com/x")
    page.get_by_label("In namespace").fill("pay")
    rows = page.get_by_role("table", name="Effective rows")
    expect(rows.locator("tr[aria-current]")).to_contain_text("base.example.com")
    page.get_by_label("Image", exact=True).fill("Base/x")
    expect(page.get_by_text("it cannot be read safely")).to_be_visible()
    expect(page.get_by_text("an upper-case first segment")).to_be_visible()
    expect(rows.locator("tr[aria-current]")).to_have_count(0)
    assert not serious(page)
    shot(page, "policy-matcher")

    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Shown to all")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("dialog", name="Rename the policy shown").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Shown to all")

    page.get_by_role("tab", name="Roll-out").click()
    page.get_by_role("button", name="Go on to audit").click()
    as_typed(
        console, tmp_path / "typed", shown_command(page, page.get_by_role("dialog", name="Move shown on to audit"))
    )
    page.reload()
    expect(page.get_by_role("button", name="Go on to warn")).to_be_visible()
    page.get_by_role("button", name="Go on to warn").click()
    dialog = page.get_by_role("dialog", name="Move shown on to warn")
    expect(dialog).to_contain_text("Held back from warn")
    expect(dialog.get_by_role("button", name="Move on to warn")).to_be_disabled()
    dialog.get_by_label("Why it goes on all the same").fill("a rehearsal")
    assert not serious(page)
    dialog.get_by_role("button", name="Move on to warn").click()
    expect(page.get_by_role("button", name="Go on to deny")).to_be_visible()
    assert console.ask("GET", "policies/shown")["status"]["moved"]["reason"] == "a rehearsal"
    page.get_by_role("button", name="Back to off").click()
    page.get_by_role("dialog").get_by_role("button", name="Move back to off").click()
    expect(page.get_by_role("button", name="Go on to audit")).to_be_visible()
    settled(page)
    assert not serious(page)
    shot(page, "policy-rollout")


def test_who_may_only_read_hears_who_can_change(console: Console) -> None:
    page = console.page("/policies", user="vera", role="auditor")
    button = page.get_by_role("button", name="Create policy")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("platform-admin")
    console.go(page, "/policies/edge-sources")
    expect(page.get_by_text("Name for references")).to_be_visible()


def test_who_administers_a_group_writes_a_policy_for_it(console: Console) -> None:
    scope = {"groups": ["production"]}
    page = console.page(
        "/policies/new?type=kubernetes&template=custom&step=form", user="ed", role="environment-admin", scope=scope
    )
    expect(effect(page)).to_contain_text("Choose groups with environments")
    page.get_by_label("Restrict to allowed sources").check(force=True)
    page.get_by_label("Registry URL prefix").fill("base.example.com")
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_text("Choose environment groups first.")).to_be_visible()
    choose(page, "Environment groups", "production")
    expect(effect(page)).to_contain_text("running images")
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("table", name="Allowed sources")).to_contain_text("base.example.com")


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_are_there_in_both_themes(console: Console, dark: bool) -> None:
    page = console.page("/policies", dark=dark)
    theme = "dark" if dark else "light"
    for name, path in (
        ("policies", "/policies"),
        ("policies-new", "/policies/new?type=kubernetes&template=air-gapped"),
        ("policies-form", "/policies/new?type=kubernetes&template=development&step=form"),
        ("policies-edit", "/policies/edge-sources/edit"),
    ):
        console.go(page, path)
        if name == "policies-form":
            expect(effect(page)).to_contain_text("Choose groups with environments")
        if name == "policies-edit":
            # Its one environment has told nothing.
            expect(effect(page)).to_contain_text("What runs there is not known")
            page.get_by_label("Image", exact=True).fill("edge.example.com/x")
            expect(page.locator("tr[aria-current]")).to_be_visible()
        assert not serious(page), path
        shot(page, f"{name}-{theme}")

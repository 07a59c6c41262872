"""Policies: the flow of the registry policy as its source document describes it, by mouse and by keyboard; then what a
policy is shown with. The fleet has told what runs, so that numbers can be held against it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.console.browser import Console, serious, shot
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

"""The first reference journey, against a real API server with an agent and a real registry: from an install without
anything to a registry that works, access for two namespaces and a policy that watches, by mouse within eight clicks and
once more by keyboard alone. What it ends in is looked at in the cluster. (The second is in test_people.py.)

Source: the design's console, 2.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.agent.governed import Governed, governed, until
from tests.console.browser import Console, serious
from tests.server.registries.reached import ALLOWED
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient
from tests.tools.registry import PASSWORD, USER, Access, DockerRegistry

pytestmark = pytest.mark.slow

MOST_CLICKS = 8


def pod(name: str, image: str) -> dict[str, object]:
    """A pod that somebody makes."""
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": image}]}}


_COUNTED = """
addEventListener('pointerdown', () => sessionStorage.setItem('clicks', Number(sessionStorage.getItem('clicks') ?? 0) + 1), true)
"""  # noqa: E501 -- one statement


def answers(kube: KubeClient, path: str) -> bool:
    """Whether there is something at a path."""
    return kube.request("GET", path).status == 200


@pytest.fixture
def scene(kubernetes: Cluster, tmp_path: Path, namespaces: tuple[str, str]) -> Iterator[Governed]:
    """One cluster whose agent has told what runs, and nothing else."""
    with governed(kubernetes, tmp_path, private_addresses=ALLOWED) as found:
        found.confirmed("DELETE", "environments/west")
        for name in namespaces:
            running = pod("api", "harbor.example.com/shop/api:1.4")
            found.kube.request("POST", f"/api/v1/namespaces/{name}/pods", running).expect(201)
        until(lambda: found.ask("GET", "images")["metadata"]["total"] >= 2, "the inventory")
        yield found


@pytest.fixture
def namespaces(kubernetes: Cluster, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two of them, for this test alone: it takes a while until a name is free again."""
    names = (f"pay-{request.node.name.split('_')[-1]}", f"shop-{request.node.name.split('_')[-1]}")
    with kubernetes.client() as kube:
        for name in names:
            kube.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).expect(201, 409)
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            until(partial(answers, kube, account), "its account")
        yield names
        for name in names:
            kube.request("DELETE", f"/api/v1/namespaces/{name}").expect(200)


def test_journey_1_by_mouse(
    scene: Governed, browser: Browser, docker_registry: Callable[[Access], DockerRegistry], namespaces: tuple[str, str]
) -> None:
    real, console = docker_registry(Access.HTPASSWD), Console(scene.served, browser)
    page = console.page("/fleet")
    page.add_init_script(_COUNTED)
    page.reload()
    page.get_by_role("button", name="Add registry").click()
    typed(page, real)
    page.get_by_role("button", name="Save and check").click()
    expect(page.get_by_text("it accepts the pull credential")).to_be_visible()
    for name in namespaces:
        page.get_by_role("checkbox", name=name).click()
    expect(page.get_by_text("create RegistryAccess")).to_be_visible()
    page.get_by_role("button", name="Grant", exact=True).click()
    page.get_by_role("button", name="A policy from what runs").click()
    expect(page.get_by_role("table", name="Allowed sources").get_by_text("harbor.example.com")).to_be_visible()
    page.get_by_role("button", name="Create policy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Confirm", exact=True)).to_be_enabled()
    assert serious(page) == []
    dialog.get_by_role("button", name="Confirm", exact=True).click()
    expect(page).to_have_url(re.compile(r"/policies/sources-of-production"))
    clicks = int(page.evaluate("sessionStorage.getItem('clicks')"))
    print(f"journey 1: {clicks} clicks")
    assert clicks <= MOST_CLICKS
    console.close()
    kept(scene, namespaces)


def test_journey_1_by_keyboard(
    scene: Governed, browser: Browser, docker_registry: Callable[[Access], DockerRegistry], namespaces: tuple[str, str]
) -> None:
    real, console = docker_registry(Access.HTPASSWD), Console(scene.served, browser)
    page = console.page("/fleet")
    page.add_init_script(_COUNTED)
    page.reload()
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-text")).to_be_focused()
    page.keyboard.type("add a registry")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/registries/add$"))
    typed(page, real)
    press(page, "Save and check")
    expect(page.get_by_text("it accepts the pull credential")).to_be_visible()
    for name in namespaces:
        press(page, name, key="Space")
    expect(page.get_by_text("create RegistryAccess")).to_be_visible()
    press(page, "Grant")
    expect(page.get_by_role("heading", name=re.compile("is granted$"))).to_be_visible()
    press(page, "A policy from what runs")
    expect(page.get_by_role("table", name="Allowed sources").get_by_text("harbor.example.com")).to_be_visible()
    press(page, "Create policy")
    expect(page.get_by_role("dialog").get_by_role("button", name="Confirm", exact=True)).to_be_enabled()
    press(page, "Confirm")
    expect(page).to_have_url(re.compile(r"/policies/sources-of-production"))
    assert page.evaluate("sessionStorage.getItem('clicks')") is None, "the mouse was used"
    console.close()
    kept(scene, namespaces)


def typed(page: Page, real: DockerRegistry) -> None:
    """The registry's fields, as they are typed."""
    page.get_by_label("Paste anything").fill(f"docker login -u {USER} https://127.0.0.1:{real.port}/v2/")
    expect(page.get_by_text("taken over")).to_be_visible()
    page.locator("#registry-parameter-username").fill(USER)
    page.locator("#registry-secret").fill(PASSWORD)
    page.get_by_label("Certificate authority").fill(real.authority)
    expect(page.get_by_text("create Registry")).to_be_visible()


def press(page: Page, name: str | re.Pattern[str], *, key: str = "Enter") -> None:
    """Go on with Tab until what is called this has the focus, and press it."""
    for _ in range(200):
        page.keyboard.press("Tab")
        called = page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim() "
            "|| document.activeElement.getAttribute('aria-label') || ''"
        )
        if called == name if isinstance(name, str) else name.search(called):
            page.keyboard.press(key)
            return
    raise AssertionError(f"{name} cannot be reached by Tab")


def kept(scene: Governed, namespaces: tuple[str, str]) -> None:
    """Both namespaces hold the credential, and the cluster watches without refusing."""
    for name in namespaces:
        until(partial(scene.holds, name, PASSWORD), f"the pull secret of {name}")
    until(lambda: scene.status()["enforcement"] == "Auditing", "auditing")
    elsewhere = pod("elsewhere", "docker.io/library/nginx:1.27")
    scene.kube.request("POST", f"/api/v1/namespaces/{namespaces[0]}/pods", elsewhere).expect(201)

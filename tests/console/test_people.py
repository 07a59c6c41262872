"""Credentials, exemptions, audit, settings, and why somebody was blocked: what people do there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.agent.governed import governed, until
from tests.agent.test_why import tried
from tests.console.browser import Console, RealClock, serious, settled, shot
from tests.console.mutations import runs
from tests.console.typed import as_typed, code, codes, documents, same, undo
from tests.kube.conftest import namespace
from tests.server.plane import document
from tests.server.served import Served, served
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.wide

SOURCES = [{"prefix": "harbor.example.com/hub", "scope": "Global"}]
SCENE = (
    document("EnvironmentGroup", "production"),
    document("Environment", "prod", tier="production", group="production"),
    document("RegistryPolicy", "sources", groups=["production"], restrict={"stage": "deny", "allowedSources": SOURCES}),
    document("Team", "cache-team", members=["dev"]),
)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A control plane with a policy, credentials and people in it."""
    directory = tmp_path_factory.mktemp("people")
    database = f"sqlite:///{directory / 'portreeve.db'}"
    with served(database, directory, clock=RealClock(), public_url="http://portreeve.example.com") as found:
        found.put(*SCENE)
        for name, days in {"harbor": 5, "quay": 40, "ghcr": None}.items():
            pull: dict[str, Any] = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
            pull |= {"expiresAt": ends(days)} if days else {}
            found.put(document("Registry", name, provider="harbor", host=f"{name}.example.com", credentials=[pull]))
        admin = found.run(found.plane.client("root", "platform-admin"))
        for name in ("harbor", "quay", "ghcr"):
            path = f"/api/v1/registries/{name}/credentials/pull"
            assert found.run(admin.put(path, json={"secret": "canary"})).status_code == 200
        yield found


def ends(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def shown(page: Page, name: str) -> None:
    """In both themes: kept to be looked at, and without serious faults."""
    settled(page)
    # Colours that are on their way to the other theme are of neither.
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Light theme").click()
    shot(page, f"{name}-light")
    assert serious(page) == []
    page.get_by_role("button", name="Dark theme").click()
    shot(page, f"{name}-dark")
    assert serious(page) == []


def test_what_ends_is_seen_as_a_picture_a_table_and_a_red_band(console: Console) -> None:
    page = console.page("/credentials")
    expect(page.get_by_role("heading", name="1 credential never ends")).to_be_visible()
    expect(page.get_by_text("2 end, 0 of them over; 1 without an end")).to_be_visible()
    rows = page.get_by_role("grid", name="What ends when", exact=True).locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("harbor/pull")
    expect(rows.first).to_contain_text("ends within 7 days")
    shown(page, "credentials")
    page.get_by_role("combobox", name="End").select_option("never")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"level=never"))
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("link", name="iCalendar")).to_have_attribute("href", re.compile(r"ics\?level=never$"))


def test_an_exemption_is_asked_for_by_one_and_decided_on_by_another(console: Console) -> None:
    developer = console.page(
        "/exemptions/new?policy=sources&image=docker.io/library/redis&namespace=cache",
        user="dev",
        role="developer",
        scope={"environments": ["prod"]},
    )
    developer.get_by_role("button", name="Request it").click()
    expect(developer.get_by_text("whoever approves decides by it")).to_be_visible()
    expect(developer.locator("#reason")).to_be_focused()
    developer.locator("#reason").fill("the mirror is not there yet")
    shown(developer, "exemption-new")
    developer.get_by_role("button", name="Request it").click()
    dialog = developer.get_by_role("dialog", name=re.compile("Request the exemption"))
    expect(dialog.get_by_text("create Exemption")).to_be_visible()
    assert serious(developer) == []
    dialog.get_by_role("button", name="Request", exact=True).click()
    expect(developer).to_have_url(re.compile(r"/exemptions/redis-until-"))
    name = developer.url.rpartition("/")[2]
    expect(developer.get_by_role("button", name="Approve", exact=True)).to_have_attribute("aria-disabled", "true")

    approver = console.page(
        f"/exemptions/{name}", user="eva", role="environment-admin", scope={"groups": ["production"]}
    )
    approver.get_by_role("button", name="Approve", exact=True).click()
    dialog = approver.get_by_role("dialog", name=f"Approve: {name}")
    expect(dialog.get_by_text("Widens what may run")).to_be_visible()
    dialog.locator("#comment").fill("until the mirror is there")
    assert serious(approver) == []
    dialog.get_by_role("button", name="Approve", exact=True).click()
    expect(approver.get_by_text("In force until")).to_be_visible()
    assert console.ask("GET", f"exemptions/{name}")["status"]["decidedBy"] == "eva"
    shown(approver, "exemption")
    console.go(approver, "/exemptions?state=active")
    expect(approver.get_by_role("grid", name="Exemptions", exact=True).locator("tbody tr")).to_have_count(1)
    expect(approver.get_by_role("progressbar", name=re.compile("How much of the time"))).to_be_visible()
    shown(approver, "exemptions")

    console.go(approver, f"/exemptions/{name}")
    approver.get_by_role("button", name="Revoke", exact=True).click()
    dialog = approver.get_by_role("dialog", name=f"Revoke: {name}")
    expect(dialog.get_by_text("is refused from now on")).to_be_visible()
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(approver.get_by_label("over")).to_be_visible()
    assert console.ask("GET", f"exemptions/{name}")["status"]["state"] == "revoked"


def test_the_log_is_searched_and_an_event_is_proven_in_the_browser(console: Console) -> None:
    page = console.page("/audit?action=credential.set")
    rows = page.get_by_role("grid", name="Events", exact=True).locator("tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("textbox", name="Text in any field").fill("QUAY")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=QUAY"))
    shown(page, "audit")
    rows.first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile(r"Event \d+"))).to_be_visible()
    expect(page.get_by_text(re.compile("This browser worked it out"))).to_be_visible(timeout=15_000)
    expect(page.get_by_text("portreeve verify audit audit.jsonl")).to_be_visible()
    shown(page, "audit-event")
    page.get_by_role("link", name=re.compile("^credential ")).click()
    expect(page).to_have_url(re.compile(r"kind=credential&name="))
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile(r"q=QUAY"))


def test_a_role_is_given_by_a_form_that_says_what_it_means(console: Console) -> None:
    console.known("cleo")
    page = console.page("/settings?tab=roles")
    page.get_by_role("button", name="New role binding").click()
    editor = page.get_by_role("dialog", name="New role binding")
    editor.locator("#name").fill("cleo-operates")
    editor.get_by_role("radio", name=re.compile("operator")).check()
    editor.locator("#users").fill("cleo")
    editor.locator("#groups").fill("production")
    assert serious(page) == []
    shot(page, "settings-role-form")
    editor.get_by_role("button", name="See what it changes").click()
    dialog = page.get_by_role("dialog", name="Create the role binding cleo-operates")
    expect(dialog.get_by_text("cleo is operator in the group production.")).to_be_visible()
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("gridcell", name="cleo-operates", exact=True)).to_be_visible()
    assert console.ask("GET", "rolebindings/cleo-operates")["spec"]["role"] == "operator"
    shown(page, "settings-roles")
    console.go(page, "/settings/users/cleo")
    expect(page.get_by_text("cleo is operator in the group production.")).to_be_visible()
    shown(page, "settings-user")


def test_a_token_is_shown_once_and_may_be_revoked(console: Console) -> None:
    page = console.page("/settings")
    page.get_by_role("button", name="Make a token").click()
    dialog = page.get_by_role("dialog", name="Make an API token")
    dialog.locator("#token-title").fill("pipeline")
    assert serious(page) == []
    dialog.get_by_role("button", name="Make it").click()
    token = page.get_by_label("the token", exact=True).inner_text()
    assert token.startswith("prt_")
    page.reload()
    expect(page.get_by_role("table", name="API tokens")).to_contain_text("pipeline")
    assert token not in page.content()
    shown(page, "settings-me")
    page.get_by_role("button", name="Revoke the token pipeline").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("No API tokens")).to_be_visible()


@pytest.mark.slow
def test_every_tab_of_the_settings_is_usable(console: Console) -> None:
    page = console.page("/settings")
    for tab in ("users", "teams", "projects", "sign-in", "platform", "server"):
        console.go(page, f"/settings?tab={tab}")
        shown(page, f"settings-{tab}")


def test_an_administrator_sees_it_as_somebody_else_and_can_only_look(console: Console) -> None:
    console.known("ada", "platform-admin")
    console.known("dana", "developer", environments=["prod"])
    alone = documents(console)
    apart = (
        document("EnvironmentGroup", "apart"),
        document("Environment", "elsewhere", tier="development", group="apart"),
    )
    console.put(*apart)
    before = documents(console)
    page = console.page("/registries")
    add = page.locator(".page-actions").get_by_role("button", name="Add registry")
    expect(add).to_be_enabled()
    page.get_by_role("button", name="Ada").click()
    page.get_by_role("menuitem", name="View as somebody else").click()
    page.get_by_role("link", name="dana", exact=True).click()
    page.get_by_role("link", name="View as dana").click()
    expect(page).to_have_url(re.compile(r"/fleet\?as=dana$"))
    bar = page.get_by_role("heading", name=re.compile("You see the console as dana does"))
    expect(bar).to_be_visible()
    assert serious(page) == []
    shot(page, "view-as")
    # What dana may not do is not there, links keep to the view, and files are dana's, too.
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Registries").click()
    expect(page).to_have_url(re.compile(r"/registries\?as=dana$"))
    expect(add).to_be_disabled()
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Environments").click()
    expect(page.get_by_role("gridcell", name="prod", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON", exact=True).click()
    listed = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert [one["metadata"]["name"] for one in listed] == ["prod"]
    # What is done all the same is refused, by the server.
    said = page.evaluate("""async () => (await (await fetch('api/v1/me/tokens', {
      method: 'POST', headers: { 'Portreeve-View-As': 'dana', 'Content-Type': 'application/json' }, body: '{}'
    })).json()).code""")
    assert said == "viewing_as"
    page.get_by_role("button", name="ada as dana").click()
    page.get_by_role("menuitem", name="Stop viewing as dana").click()
    expect(bar).to_have_count(0)
    expect(page.get_by_role("button", name="Ada")).to_be_visible()
    assert documents(console) == before
    undo(console, alone)
    # Who is no platform-admin is told so, and how to go on.
    vera = console.page("/fleet", user="vera", role="auditor")
    vera.goto(f"{console.url}/fleet?as=dana")
    expect(vera.get_by_text("you may not look at what others see")).to_be_visible()
    vera.get_by_role("link", name="See it as yourself").click()
    expect(vera.get_by_role("heading", level=1, name="Fleet")).to_be_visible()


def token_of(plane: Served) -> str:
    async def swept() -> str:
        await plane.plane.server.desired.sweep()
        held = await plane.plane.server.desired.current("prod")
        assert held is not None
        return str(json.loads(held.document)["document"]["sources"]["whyUrl"])

    return plane.run(swept()).partition("#")[2].rstrip("/")


def test_a_developer_reads_why_and_what_to_use_instead_without_signing_in(console: Console, plane: Served) -> None:
    page = console.anonymous()
    page.goto(f"{console.url}/why#{token_of(plane)}/cache/redis:7")
    expect(page.get_by_label("the allowed image", exact=True)).to_have_text("harbor.example.com/hub/library/redis:7")
    expect(page.get_by_text("portreeve explain redis:7 -n cache")).to_be_visible()
    shown(page, "why")
    # Another image, at the same place: what is allowed is not refused, and what is odd is only text.
    page.locator("#image").fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="May it run?").click()
    expect(page.get_by_text("It is no image reference")).to_be_visible()
    page.locator("#image").fill("harbor.example.com/hub/library/redis:7")
    page.get_by_role("button", name="May it run?").click()
    expect(page.get_by_text("is allowed now")).to_be_visible()
    page.goto(f"{console.url}/why#{'A' * 24}/cache/redis:7")
    page.reload()
    expect(page.get_by_text("belongs to no policy that is in force")).to_be_visible()


def test_a_message_is_pasted_as_it_is(console: Console, plane: Served) -> None:
    page = console.anonymous()
    page.goto(f"{console.url}/why")
    message = (
        "pods is forbidden: image redis:7 not allowed in namespace cache (policy sources, generation 1); "
        f"why: portreeve explain redis:7 -n cache or open http://portreeve.example.com/why#{token_of(plane)}/cache/redis:7"
    )
    page.locator("#message").fill("nothing of ours")
    page.get_by_role("button", name="Explain it").click()
    expect(page.get_by_text("This holds no message of a policy of ours")).to_be_visible()
    shown(page, "why-paste")
    page.locator("#message").fill(message)
    page.get_by_role("button", name="Explain it").click()
    expect(page.get_by_label("the allowed image", exact=True)).to_have_text("harbor.example.com/hub/library/redis:7")
    page.get_by_role("link", name="Request an exemption").click()
    expect(page).to_have_url(re.compile(r"/login\?next="))


@runs(
    "pages/exemptions/NewExemption.tsx:NewExemption:ConfirmChange", "pages/exemptions/Exemption.tsx:Decide:ConfirmCall"
)
@pytest.mark.slow
def test_the_commands_beside_the_changes_make_the_same_state(console: Console, tmp_path: Path) -> None:
    page = console.page("/exemptions/new?policy=sources&image=docker.io/library/nginx&namespace=shop", user="ida")
    page.locator("#reason").fill('it\'s "urgent" $(reboot)')
    page.locator("#name").fill("nginx-by-command")
    page.get_by_role("button", name="Request it").click()
    dialog = page.get_by_role("dialog", name=re.compile("Request the exemption"))
    same(console, dialog, "Request", tmp_path / "request")
    stored = console.ask("GET", "exemptions/nginx-by-command")
    assert stored["spec"]["reason"] == 'it\'s "urgent" $(reboot)'
    # Asked for by the one who types: another approves it by the command of the other's dialog.
    console.ask("POST", "exemptions", json=stored | {"metadata": {"name": "asked"}, "status": None})
    approver = console.page("/exemptions/asked", user="ian")
    for step, state in (("Approve", "active"), ("Revoke", "revoked")):
        approver.reload()
        approver.get_by_role("button", name=step, exact=True).click()
        dialog = approver.get_by_role("dialog", name=f"{step}: asked")
        dialog.locator("#comment").fill("as agreed;\nsee 'the ticket'")
        before = documents(console)
        for form, text in codes(dialog, approver).items():
            undo(console, before)
            as_typed(console, tmp_path / step / form, text)
            status = console.ask("GET", "exemptions/asked")["status"]
            assert (status["state"], status["comment"]) == (state, "as agreed;\nsee 'the ticket'")
        dialog.get_by_role("button", name="Cancel").click()


@pytest.mark.slow
def test_a_search_of_the_log_is_the_same_by_its_command(console: Console, tmp_path: Path) -> None:
    page = console.page("/audit?action=credential.set&q=quay&since=2026-01-01")
    rows = page.get_by_role("grid", name="Events", exact=True).locator("tbody tr")
    expect(rows).to_have_count(1)
    found = as_typed(console, tmp_path / "audit", f"{code(page, page)} -o json")
    assert [str(one["sequence"]) for one in json.loads(found)["items"]] == [rows.first.get_attribute("data-row")]


@pytest.mark.slow
def test_journey_2_from_the_message_of_a_cluster_to_an_image_that_runs(
    kubernetes: Cluster, browser: Browser, tmp_path: Path, namespace: str
) -> None:
    """A real API server refuses; its link is opened without signing in; what the page offers is admitted."""
    with governed(kubernetes, tmp_path, public_url="https://portreeve.example.com") as scene:
        restrict = {"stage": "deny", "allowedSources": SOURCES}
        policy = document("RegistryPolicy", "p", groups=["production"], restrict=restrict)
        scene.confirmed("POST", "policies", json=policy)
        until(lambda: scene.reason("Enforced") == "PolicyEnforced", "enforced")
        message = tried(scene, namespace, "redis:7").expect(422, 403).message
        link = re.search(r"or open https://portreeve\.example\.com(/why#\S+)$", message)
        assert link, message
        console = Console(scene.served, browser)
        page = console.anonymous()
        page.goto(f"{console.url}{link[1]}")
        offered = page.get_by_label("the allowed image", exact=True)
        expect(offered).to_have_text("harbor.example.com/hub/library/redis:7")
        page.get_by_role("button", name="Copy the allowed image").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        tried(scene, namespace, copied).expect(201)
        console.close()

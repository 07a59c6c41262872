"""Registries in the console: one is added by pasting, tried against a real registry and granted; its images are looked
at, tagged and deleted; and an image that will be admitted is taken along as a manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Locator, Page, expect

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.console.browser import Console, RealClock, serious, settled, shot
from tests.console.mutations import runs
from tests.console.typed import as_typed, codes, documents, undo, written
from tests.fakes.images import image, index
from tests.server.plane import document
from tests.server.registries.reached import ALLOWED, pushed, spec_of
from tests.server.served import Served, served
from tests.tools.registry import PASSWORD, USER, Access, DockerRegistry

pytestmark = pytest.mark.slow

Start = Callable[[Access], DockerRegistry]
NAMESPACES = ("pay", "shop", "web")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A control plane that may contact this machine."""
    directory = tmp_path_factory.mktemp("registries")
    url = f"sqlite:///{directory / 'portreeve.db'}"
    with served(url, directory, clock=RealClock(), private_addresses=ALLOWED) as found:
        yield found


@pytest.fixture(scope="module")
def real(plane: Served, docker_registry: Start) -> DockerRegistry:
    """A registry with two images of team/api, which a policy of production does not allow; and what runs from it."""
    found = docker_registry(Access.HTPASSWD)
    old, new = image("old"), image("new")
    both = index([old, new], ["linux/amd64", "linux/arm64"])

    async def push() -> None:
        await pushed(found, "team/api", old)
        await pushed(found, "team/api", new)
        await pushed(found, "team/api", both, "1.4")
        await pushed(found, "team/api", both, "stable")
        await pushed(found, "team/api", new, "1.5")

    plane.run(push())  # the browser has a loop in this thread
    for name, tier in (("dev", "development"), ("prod", "production")):
        plane.put(document("EnvironmentGroup", name), document("Environment", f"{name}-eu", tier=tier, group=name))
        running = [RunningImage(f"{name}-eu", "shop", "Deployment/api", f"127.0.0.1:{found.port}/team/api:1.4")]
        told(plane, f"{name}-eu", running)
    restrict = {"stage": "deny", "allowedSources": [{"prefix": "mirror.example.com", "scope": "Global"}]}
    strict = {**restrict, "includeGrantedRegistries": False}
    plane.put(
        document("RegistryPolicy", "production", groups=["prod"], allowOverride=True, restrict=restrict),
        document("EnvironmentGroup", "stage"),
        document("Environment", "stage-eu", tier="staging", group="stage"),
        document("RegistryPolicy", "staging", groups=["stage"], allowOverride=True, restrict=strict),
    )
    told(plane, "stage-eu", [])
    return found


def told(plane: Served, environment: str, running: list[RunningImage]) -> None:
    """What an environment has told."""
    facts = {
        "kubernetes": "v1.33.1",
        "namespaces": [{"name": name, "labels": {}} for name in NAMESPACES],
        "inventory": {name: {"workloads": []} for name in NAMESPACES},
    }

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation(environment, 1, facts, [(one, "") for one in running]))

    plane.run(plane.plane.server.writer.run(job))


@pytest.fixture(autouse=True)
def nothing(console: Console) -> None:
    """No registry is left from the test before: two of one host, granted in one namespace, would be in conflict."""
    clear(console)


def clear(console: Console) -> None:
    """Delete every registry and every access."""
    gone = [
        {"kind": one["kind"], "name": one["metadata"]["name"]}
        for plural in ("access", "registries")
        for one in console.ask("GET", f"{plural}?limit=500")["items"]
    ]
    if gone:
        plan = console.ask("POST", "plans", json={"delete": gone, "force": True})
        console.ask("POST", f"plans/{plan['id']}/confirm")


def here(console: Console, real: DockerRegistry, name: str = "here", **granted: list[str]) -> None:
    """The registry stored with its credential, and granted: environment → namespaces."""
    credential = {"purpose": "pull", "method": "basic", "parameters": {"username": USER}}
    console.put(document("Registry", name, **spec_of(real, credentials=[credential])))
    console.ask("PUT", f"registries/{name}/credentials/pull", json={"secret": PASSWORD})
    for environment, names in granted.items():
        place = {"environment": f"{environment}-eu", "namespaces": {"names": names}}
        console.put(document("RegistryAccess", f"{name}-{environment}", registry=name, **place))


def code(dialog: Page | Locator, form: str, what: str = "") -> str:
    """What stands under one form, under the name by which it is read out."""
    dialog.get_by_role("tab", name=form, exact=True).click()
    return str(dialog.get_by_label(what or form, exact=True).locator("code").inner_text())


@runs(
    "pages/registries/AddRegistry.tsx:What:PlanBeside",
    "pages/registries/AddRegistry.tsx:What:PUT",
    "pages/registries/Grant.tsx:Grant:PlanBeside",
)
def test_a_registry_is_pasted_tried_and_granted(console: Console, real: DockerRegistry, tmp_path: Path) -> None:
    page = console.page("/registries")
    clicks = 0

    def click(target: Locator) -> None:
        nonlocal clicks
        clicks += 1
        target.click()

    click(page.get_by_role("button", name="Add registry").first)
    page.get_by_label("Paste anything").fill(f"docker login -u {USER} https://127.0.0.1:{real.port}/v2/")
    expect(page.get_by_text("taken over")).to_be_visible()
    expect(page.get_by_label("OCI registry")).to_be_checked()
    page.get_by_label("Name", exact=False).first.fill("pasted")
    page.locator("#registry-parameter-username").fill(USER)
    page.locator("#registry-secret").fill(PASSWORD)
    page.get_by_label("Certificate authority").fill(real.authority)
    expect(page.get_by_text("create Registry")).to_be_visible()
    assert serious(page) == []
    page.get_by_role("button", name="Do this in code").click()
    drawer = page.get_by_role("dialog", name="Do this in code")
    shown = {form: code(drawer, form) for form in ("portreeve", "curl")}
    assert PASSWORD not in drawer.inner_text()
    page.keyboard.press("Escape")
    click(page.get_by_role("button", name="Save and check"))
    expect(
        page.get_by_text("It works: an image can be pulled").or_(page.get_by_text("It does not work"))
    ).to_be_visible()
    stages = page.get_by_role("list", name="Stages")
    expect(stages.get_by_text("it accepts the pull credential")).to_be_visible()
    shot(page, "registry-checked")
    assert PASSWORD not in page.content()
    assert PASSWORD not in page.url
    page.get_by_label("Environment").select_option("dev-eu")
    click(page.get_by_role("checkbox", name="shop"))
    click(page.get_by_role("checkbox", name="pay"))
    expect(page.get_by_text("create RegistryAccess")).to_be_visible()
    assert serious(page) == []
    granting, before = codes(page.get_by_role("region", name="What this would do"), page), documents(console)
    click(page.get_by_role("button", name="Grant", exact=True))
    expect(page.get_by_role("heading", name="pasted is granted")).to_be_visible()
    granted = written(documents(console))
    click(page.get_by_role("button", name="See the registry"))
    expect(page).to_have_url(re.compile(r"/registries/pasted$"))
    expect(page.get_by_text("1 environment, 2 namespaces")).to_be_visible()
    assert clicks <= 6
    # What the drawer showed makes the same, once it is run as it stands.
    for form, text in granting.items():
        undo(console, before)
        as_typed(console, tmp_path / f"grant-{form}", text)
        assert written(documents(console)) == granted, form
    stored = console.ask("GET", "registries/pasted")
    for form, text in shown.items():
        clear(console)
        as_typed(console, tmp_path / form, text, REGISTRY_SECRET=PASSWORD)
        other = console.ask("GET", "registries/pasted")
        assert other["spec"] == stored["spec"]
        assert [one["state"] for one in other["status"]["credentials"]] == ["stored"]


def test_a_refused_address_shows_the_entry_and_the_state_says_so(console: Console) -> None:
    page = console.page("/registries/add")
    page.get_by_label("Paste anything").fill("10.1.2.3:5000")
    page.get_by_label("Without signing in").check()
    page.get_by_role("button", name="Save and check").click()
    expect(page.get_by_text("It does not work as it is")).to_be_visible()
    expect(page.get_by_text("PORTREEVE_SERVER_PRIVATE_ADDRESSES=10.1.2.3/32")).to_be_visible()
    page.get_by_role("button", name="Leave it granted nowhere").click()
    expect(page.get_by_text("Unreachable")).to_be_visible()
    expect(page.get_by_text("the last check failed: address_refused")).to_be_visible()


@runs("pages/registries/ImageActions.tsx:Retag:POST")
def test_images_are_rows_tags_are_chips_and_both_are_changed_from_what_was_seen(
    console: Console, real: DockerRegistry, tmp_path: Path
) -> None:
    here(console, real, dev=["shop"])
    page = console.page("/registries/here?tab=browse")
    page.get_by_role("searchbox", name="Part of the name").or_(page.get_by_label("Part of the name")).first.fill("api")
    expect(page).to_have_url(re.compile("search=api"))
    page.get_by_role("link", name="team/api").click()
    table = page.get_by_role("table", name="Images")
    row = table.get_by_role("row").filter(has_text="stable")
    expect(row).to_contain_text("1.4")
    expect(row).to_contain_text("linux/arm64")
    expect(row.get_by_role("button", name=re.compile("prod: not admitted"))).to_be_visible()
    expect(row.get_by_role("button", name=re.compile("dev: no policy"))).to_be_visible()
    settled(page)
    shot(page, "registry-images")
    assert serious(page) == []
    row.get_by_role("button", name=re.compile("prod: not admitted")).click()
    expect(page.get_by_text("not under any allowed source").first).to_be_visible()
    page.keyboard.press("Escape")
    table.get_by_role("row").filter(has_text="1.5").get_by_role("button", name="Tag 1.5 anew").click()
    dialog = page.get_by_role("dialog", name="Let a tag name this image")
    dialog.get_by_label("Tag").fill("typed")
    expect(dialog.get_by_role("button", name="Do this in code")).to_be_visible()
    dialog.get_by_role("button", name="Do this in code").click()
    as_typed(console, tmp_path / "typed", code(page.get_by_role("dialog", name="Do this in code"), "curl"))
    page.get_by_role("dialog", name="Do this in code").get_by_role("button", name="Close").click()
    dialog.get_by_label("Tag").fill("stable")
    expect(dialog.get_by_text("and is moved")).to_be_visible()
    dialog.get_by_role("button", name="Move the tag").click()
    expect(table.get_by_role("row").filter(has_text="1.5")).to_contain_text("stable")
    # The command and the button name the same image by two tags.
    expect(table.get_by_role("row").filter(has_text="1.5")).to_contain_text("typed")
    table.get_by_role("row").filter(has_text="1.4").get_by_role("button", name="Delete 1.4").click()
    dialog = page.get_by_role("dialog", name="Delete from the registry")
    expect(dialog.get_by_text("2 workloads run it")).to_be_visible()
    expect(dialog.get_by_text("prod-eu/shop: Deployment/api")).to_be_visible()
    assert serious(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    page.reload()
    expect(page.get_by_role("table", name="Images")).to_be_visible()


@runs(
    "pages/registries/stream.ts:validate:POST",
    "pages/registries/stream.ts:validate:fetch",
    "pages/registries/ImageActions.tsx:DeleteImage:DELETE 2",
)
def test_a_registry_is_checked_and_an_image_deleted_by_command(
    console: Console, real: DockerRegistry, tmp_path: Path
) -> None:
    here(console, real)
    page = console.page("/registries/here?tab=check")
    # Their agents have never come, so what they told once says nothing of now.
    clusters = page.get_by_role("table", name="From the clusters")
    expect(clusters.get_by_role("row", name=re.compile("^dev-eu unknown .*has not come lately"))).to_be_visible()
    page.get_by_label("An image to try, if you know one").fill("team/api:1.5")
    for form, text in codes(page.get_by_role("tabpanel", name="Checks"), page).items():
        clear(console)
        here(console, real)
        assert console.ask("GET", "registries/here/overview")["checks"] is None
        # Its credential may push, so that portreeve says that something is wrong.
        as_typed(console, tmp_path / f"check-{form}", text, exits=(0, 1))
        checks = console.ask("GET", "registries/here/overview")["checks"]
        assert [one["outcome"] for one in checks if one["stage"] == "pull"] == ["ok"], form

    def there() -> list[int]:
        paths = [f"registries/here/image?repository=team/gone&reference={tag}" for tag in ("1", "kept")]
        return [console.answer("GET", path).status_code for path in paths]

    gone, kept = image("gone"), image("kept")
    console.served.run(pushed(real, "team/gone", kept, "kept"))
    for way in ("curl", "button"):
        console.served.run(pushed(real, "team/gone", gone, "1"))
        console.go(page, "/registries/here?tab=browse&repository=team/gone")
        assert there() == [200, 200]
        page.get_by_role("button", name="Delete 1", exact=True).click()
        dialog = page.get_by_role("dialog", name="Delete from the registry")
        dialog.get_by_label("the image with all its tags").check()
        expect(dialog.get_by_text(re.compile("^It is sha256:"))).to_be_visible()
        if way == "curl":
            as_typed(console, tmp_path / "delete", codes(dialog, page)["curl"])
        else:
            dialog.get_by_role("button", name="Delete", exact=True).click()
            expect(dialog).to_have_count(0)
        assert there() == [404, 200]


def test_the_list_says_what_hangs_on_a_registry_and_deleting_it_names_whom_it_hits(
    console: Console, real: DockerRegistry
) -> None:
    here(console, real, "busy", dev=["shop"], prod=["shop"])
    page = console.page("/registries?q=busy")
    row = page.get_by_role("row").filter(has_text="busy")
    expect(row).to_contain_text("2 environments")
    expect(row).to_contain_text("2 workloads")
    expect(row).to_contain_text("Unknown")
    actions = row.get_by_role("button", name="Actions for busy")
    actions.press("Enter")
    page.get_by_role("menuitem", name="Annotation").press("Enter")
    annotation = page.get_by_role("dialog", name="Annotation of busy")
    annotation.get_by_label("Environment").select_option("prod-eu")
    annotation.get_by_label("Namespace").fill("shop")
    expect(annotation.get_by_text("You need nothing: this namespace already has access")).to_be_visible()
    assert "portreeve.io/registry.busy: busy" in code(annotation, "YAML", "the pod template")
    page.keyboard.press("Escape")
    expect(annotation).to_be_hidden()
    expect(actions).to_be_focused()
    actions.press("Enter")
    page.get_by_role("menuitem", name="Delete").press("Enter")
    dialog = page.get_by_role("dialog", name="Delete the registry busy")
    expect(dialog.get_by_text("delete RegistryAccess busy-prod")).to_be_visible()
    expect(
        dialog.get_by_role("table").filter(has_text="prod-eu").filter(has_text="Deployment/api").first
    ).to_be_visible()
    assert serious(page) == []
    delete = dialog.get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    dialog.get_by_label(re.compile("Type deny")).fill("deny")
    delete.click()
    expect(dialog).to_be_hidden()
    assert console.answer("GET", "registries/busy").status_code == 404
    assert console.ask("GET", "access?registry=busy")["items"] == []
    developer = console.page("/registries", user="dev", role="developer", scope={"environments": ["dev-eu"]})
    button = developer.get_by_role("button", name="Add registry").first
    expect(button).to_be_disabled()


def test_a_credential_is_rotated_and_never_shown(console: Console, real: DockerRegistry) -> None:
    here(console, real, "rotating", dev=["shop"])
    page = console.page("/registries/rotating?tab=credentials")
    page.get_by_role("button", name="Rotate").click()
    dialog = page.get_by_role("dialog", name="Rotate the pull credential of rotating")
    dialog.get_by_label("OCI").or_(dialog.locator("#credential-secret")).first.fill("next-secret")
    assert serious(page) == []
    dialog.get_by_role("button", name="Rotate").click()
    expect(dialog.get_by_text("The new version is on its way")).to_be_visible()
    assert "next-secret" not in page.content()
    assert console.ask("GET", "registries/rotating")["status"]["credentials"][0]["version"] == 2


def test_an_image_that_will_be_admitted_is_taken_along_with_its_digest(
    console: Console, real: DockerRegistry, tmp_path: Path
) -> None:
    here(console, real, "deployed", dev=["shop"], prod=["shop"])
    page = console.page("/deploy")
    page.get_by_label("Environment").select_option("dev-eu")
    page.get_by_label("Namespace").select_option("shop")
    page.get_by_role("radiogroup", name="Registry").get_by_label("deployed").check()
    page.get_by_role("radiogroup", name="Repository").get_by_label("team/api").check()
    images = page.get_by_role("radiogroup", name="Image")
    images.get_by_label("1.5").check()
    expect(page.get_by_text("You need nothing: this namespace already has access")).to_be_visible()
    settled(page)
    shot(page, "deploy")
    assert serious(page) == []
    manifest = yaml.safe_load(code(page, "YAML"))
    digest = console.ask("GET", "registries/deployed/image?repository=team/api&reference=1.5")["digest"]
    main = manifest["spec"]["template"]["spec"]["containers"][0]
    assert main["image"] == f"127.0.0.1:{real.port}/team/api@{digest}"
    assert "imagePullSecrets" not in json.dumps(manifest)
    as_typed(console, tmp_path / "typed", code(page, "portreeve"))
    # Everything stands in the address: who is sent it sees the same.
    page.reload()
    expect(page.get_by_text("You need nothing: this namespace already has access")).to_be_visible()
    # In production the same image is admitted by the grant where it is granted, and by nothing elsewhere.
    console.go(page, page.url.removeprefix(console.url).replace("dev-eu", "prod-eu"))
    expect(page.get_by_text("will be admitted").first).to_be_visible()


def test_only_what_is_granted_and_will_be_admitted_can_be_chosen(console: Console, real: DockerRegistry) -> None:
    here(console, real, "mine", stage=["shop"], dev=["pay"])
    console.put(document("Registry", "other", provider="harbor", host="harbor.example.com"))
    place = {"environments": ["stage-eu"], "namespaces": ["shop"]}
    page = console.page("/deploy?environment=stage-eu", user="dora", role="developer", scope=place)
    # Where there is no choice, nobody has to make it.
    expect(page).to_have_url(re.compile("namespace=shop&registry=mine"))
    registries = page.get_by_role("radiogroup", name="Registry").get_by_role("radio")
    expect(registries).to_have_count(1)
    page.get_by_role("radiogroup", name="Repository").get_by_label("team/api").check()
    expect(page.get_by_text("Nothing here will be admitted in this namespace")).to_be_visible()
    page.get_by_role("switch", name=re.compile("Show also")).check(force=True)
    choice = page.get_by_role("radiogroup", name="Image").get_by_role("radio").first
    expect(choice).to_be_disabled()
    expect(page.get_by_text("not under any allowed source for namespace shop").first).to_be_visible()
    assert serious(page) == []


def test_every_part_of_a_registry_is_usable_in_both_themes(console: Console, real: DockerRegistry) -> None:
    here(console, real, "seen", dev=["shop"])
    light = ("Checks", "Credentials", "Grants", "Running", "Rate limits", "History", "Edit", "Overview")
    for dark, tabs in ((False, light), (True, ("Checks", "Edit"))):
        page = console.page("/registries/seen", dark=dark)
        for tab in tabs:
            page.get_by_role("tab", name=tab).click()
            settled(page)
            shot(page, f"registry-{tab.lower().replace(' ', '-')}-{'dark' if dark else 'light'}")
            assert serious(page) == [], tab

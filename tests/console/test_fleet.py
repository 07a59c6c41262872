"""The first page: what an empty installation finds, numbers that lead to as many rows, pictures with their tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from playwright.sync_api import Page, expect

from tests.cli.conftest import POLICY
from tests.cli.program import Program
from tests.console.browser import Console, RealClock, serious, settled, shot
from tests.server.plane import document
from tests.server.served import Served, served
from tests.server.test_fleet import RUNS, SCENE, reports

pytestmark = pytest.mark.wide

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "kind-shop",
    "contexts": [
        {"name": "kind-shop", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
        {"name": "prod <b>eu</b>", "context": {"cluster": "c", "user": "u"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "canary-of-the-kubeconfig"}}],
}
LOGINS = {"auths": {"harbor.example.com": {"auth": "Y2FuYXJ5OmNhbmFyeQ=="}}, "credHelpers": {"ghcr.io": "pass"}}


HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of whoever runs the control plane."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def plane(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A control plane on a machine with a kubeconfig and two logins."""
    (home / ".kube").mkdir()
    (home / ".kube/config").write_text(json.dumps(KUBECONFIG))
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(json.dumps(LOGINS))
    directory = tmp_path_factory.mktemp("console")
    url = f"sqlite:///{directory / 'portreeve.db'}"
    with served(url, directory, clock=RealClock(), surroundings={"HOME": str(home)}) as found:
        yield found


@pytest.fixture
def filled(console: Console) -> Console:
    """Three environments, two of which have told what runs there."""
    if not [one for one in console.ask("GET", "environments")["items"] if one["metadata"]["name"] == "prod"]:
        console.put(*SCENE)

        async def told() -> None:
            for name, runs in RUNS.items():
                await reports(console.served.plane, name, runs)

        console.served.run(told())
    return console


def test_an_empty_installation_shows_what_could_be_connected_and_contacts_nothing(console: Console) -> None:
    page = console.page("/fleet")
    expect(page.get_by_text("Nothing was contacted")).to_be_visible()
    expect(page.get_by_role("heading", name="kind-shop")).to_be_visible()
    # Text of a file is text here, whatever is in it.
    expect(page.get_by_role("heading", name="prod <b>eu</b>")).to_be_visible()
    for command in (
        "portreeve adopt --context kind-shop",
        "portreeve add environment kind-shop",
        "portreeve add registry ghcr.io --from-helper pass",
        "portreeve add registry harbor.example.com --secret-stdin",
    ):
        expect(page.get_by_text(command, exact=True)).to_be_visible()
    expect(page.get_by_text("only reads").first).to_be_visible()
    assert "canary" not in page.content().lower()
    assert serious(page) == []
    shot(page, "fleet-empty")
    dark = console.page("/fleet", dark=True)
    expect(dark.get_by_role("heading", name="kind-shop")).to_be_visible()
    assert serious(dark) == []
    shot(dark, "fleet-empty-dark")


@pytest.fixture
def checks(home: Path, tmp_path: Path) -> Program:
    """The program of the same user, in a folder with a policy and with texts that would like to be more than text."""
    program = Program(tmp_path, env={"HOME": str(home)})
    program.write("policy.yaml", POLICY)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": HOSTILE, "namespace": "shop"}}
    containers = [
        {"name": "<b>web</b>", "image": f"{HOSTILE}:1"},
        {"name": "api", "image": "nginx"},
        {"name": "own", "image": "harbor.example.com/shop/api:1"},
    ]
    program.write(f"app/{HOSTILE}.json", json.dumps({**pod, "spec": {"containers": containers}}))
    program.write(f"app/broken {HOSTILE}.yaml", "kind: Pod\nspec: [unclosed\n")
    return program


def test_what_a_check_found_stands_first_as_text_and_leads_on(console: Console, checks: Program) -> None:
    page = console.page("/fleet")
    card = page.get_by_role("region", name="Your last check")
    expect(card.get_by_text("portreeve check .", exact=True)).to_be_visible()
    assert checks.run("check", "app").code == 3
    page.reload()
    expect(card.get_by_text("nothing is said to be allowed or denied")).to_be_visible()
    expect(card.get_by_text("Denied", exact=True)).to_have_count(0)
    expect(card.get_by_text("portreeve suggest app > policy.yaml")).to_be_visible()
    assert checks.run("check", "app", "-p", "policy.yaml").code == 1
    page.reload()
    rows = card.get_by_role("grid", name="Findings of the last check").get_by_role("row")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text(f"{HOSTILE}:1")
    expect(rows.nth(1)).to_contain_text(f"app/{HOSTILE}.json:1Pod/{HOSTILE}, <b>web</b>, namespace shop")
    expect(rows.nth(2)).to_contain_text("docker.io/library/nginx:latest")
    expect(rows.nth(2)).to_contain_text("not under any allowed source for namespace shop")
    expect(rows.nth(2)).to_contain_text("Fix: use a mirror under harbor.example.com/shop/")
    expect(rows.nth(3)).to_contain_text("Allowed")
    card.get_by_text("1 not evaluated").click()
    expect(card.get_by_text(f"broken {HOSTILE}.yaml")).to_be_visible()
    expect(card.get_by_text("portreeve check -p policy.yaml app")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert serious(page) == []
    shot(page, "fleet-checked")


def test_whoever_may_not_look_around_is_told_what_will_stand_there(console: Console) -> None:
    page = console.page("/fleet", user="nora", role="")
    expect(page.get_by_text("Nothing to see yet")).to_be_visible()


def test_in_use_the_last_check_is_one_line_that_opens_and_is_not_for_everybody(
    filled: Console, checks: Program
) -> None:
    assert checks.run("check", "app", "-p", "policy.yaml").code == 1
    page = filled.page("/fleet")
    page.get_by_text("Your last check").click()
    expect(page.get_by_role("grid", name="Findings of the last check").get_by_role("row")).to_have_count(4)
    expect(page).to_have_url(re.compile("check=open"))
    assert serious(page) == []
    shot(page, "fleet-checked-below")
    dev = filled.page("/fleet", user="dev", role="developer")
    settled(dev)
    expect(dev.get_by_text("Your last check")).to_have_count(0)


def test_each_number_leads_to_a_list_with_as_many_rows(filled: Console) -> None:
    page = filled.page("/fleet")
    expect(page.get_by_role("heading", name="Three things to do")).to_be_visible()
    expect(page.get_by_text("portreeve describe policy prod-sources")).to_be_visible()
    totals = page.get_by_role("region", name="Running images")
    for term, count in (("Denied", 2), ("No policy", 2), ("Allowed", 2), ("Unknown", 0)):
        entry = totals.locator("div", has=page.locator("dt", has_text=term)).locator("dd a")
        expect(entry).to_have_text(str(count))
        entry.click()
        expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
        if count:
            expect(page.locator("tr[data-row]")).to_have_count(count)
        else:
            expect(page.get_by_text("Nothing matches")).to_be_visible()
        page.go_back()
    # What nobody has told is never a number.
    expect(page.get_by_text("Nobody has told what runs there.")).to_be_visible()
    tile = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="The shop"))
    tile.get_by_role("link", name="2 Denied").click()
    expect(page.locator("tr[data-row]")).to_have_count(2)


def test_filters_and_views_stand_in_the_address(filled: Console) -> None:
    page = filled.page("/fleet?q=dev")
    expect(page.get_by_role("link", name="dev", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="The shop")).to_have_count(0)
    page.get_by_role("button", name="Map").click()
    expect(page.get_by_role("group", name="Fleet map")).to_be_visible()
    assert "view=map" in page.url
    page.go_back()
    expect(page.get_by_role("link", name="dev", exact=True)).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_pages_have_no_serious_issue_in_either_theme(filled: Console, dark: bool) -> None:
    page = filled.page("/fleet", dark=dark)
    explained = "/images/explained?image=docker.io/library/redis:7&environment=prod&namespace=shop"
    pages = {
        "fleet": "/fleet",
        "fleet-map": "/fleet?view=map",
        "fleet-coverage": "/fleet?view=coverage",
        "images": "/images",
        "image": explained,
    }
    for name, path in pages.items():
        filled.go(page, path)
        expect(page.get_by_role("status")).not_to_contain_text(["Loading", "Drawing", "Judging"])
        assert serious(page) == [], name
        shot(page, f"{name}{'-dark' if dark else ''}")


def test_a_picture_has_the_same_as_a_table_and_goes_along_as_a_file(filled: Console, tmp_path: Path) -> None:
    page = filled.page("/fleet?view=map")
    figure = page.get_by_role("figure", name="Fleet map")
    figure.get_by_text("As a table").click()
    expect(figure.get_by_role("row", name="prod shop 3 Denied")).to_be_visible()
    with page.expect_download() as download:
        figure.get_by_role("button", name="Download as SVG").click()
    file = tmp_path / "map.svg"
    download.value.save_as(file)
    drawing = Xml.fromstring(file.read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [one.text for one in drawing.iter(f"{space}text")]
    assert {"shop", "prod", "play", "dev"} <= set(texts)
    assert not [one for one in drawing.iter() if "class" in one.attrib or one.tag == f"{space}a"]
    figure.get_by_role("link", name="shop").first.click()
    expect(page.locator("tr[data-row]")).to_have_count(3)


def test_an_image_is_explained_step_by_step_with_the_words_of_the_cluster(filled: Console) -> None:
    page = filled.page("/images?q=redis")
    page.get_by_role("link", name="docker.io/library/redis:7").click()
    expect(page.get_by_role("heading", name="docker.io/library/redis:7", exact=True)).to_be_visible()
    expect(page.get_by_text("The cluster refuses it.")).to_be_visible()
    said = "image docker.io/library/redis:7 not allowed in namespace shop (policy prod-sources, generation 1)"
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("rowheader", name="sources")).to_be_visible()
    expect(page.get_by_role("region", name="Where docker.io/library/redis runs").first).to_be_visible()


def test_the_first_thing_is_reached_and_opened_by_keyboard(filled: Console) -> None:
    page = filled.page("/fleet")
    settled(page)
    _tab_to(page, "1 running image would be refused by prod-sources when started again")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    assert "stage=deny" in page.url


def _tab_to(page: Page, text: str, most: int = 60) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.textContent") == text:
            return
    raise AssertionError(f"no step of {most} comes to {text!r}")


def test_each_day_of_a_roll_out_is_drawn_and_what_nobody_knows_is_hatched(filled: Console) -> None:
    filled.put(document("RegistryPolicy", "later", groups=["development"], restrict={"stage": "audit"}))
    filled.served.run(filled.served.plane.server.stages.sweep())
    page = filled.page("/policies/later?tab=rollout")
    figure = page.get_by_role("figure", name="Violations a day")
    expect(figure).to_contain_text("not safe to enforce yet")
    figure.get_by_text("As a table").click()
    expect(figure.get_by_role("row").nth(1)).to_contain_text("watched from here")
    expect(figure.get_by_role("row").nth(2)).to_contain_text("unknown")
    assert serious(page) == []
    shot(page, "burn-down")

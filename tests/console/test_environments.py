"""Environments, groups and attachments in the console: what counts in a place and why, a cluster added and its agent
awaited, environments moved to another policy and removed, and what agents say of it all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from portreeve.core.secret import SecretValue
from tests.console.access_scene import set_up
from tests.console.browser import Console, RealClock, serious, settled, shot
from tests.console.typed import code
from tests.server.agents.agent import TRUST, Agent, join
from tests.server.plane import document
from tests.server.served import Served, served

pytestmark = pytest.mark.wide


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The fleet of `access_scene`, with a policy that allows nothing of what runs in production."""
    directory = tmp_path_factory.mktemp("environments")
    trust = directory / "trust.pem"
    trust.write_text(TRUST)
    url = f"sqlite:///{directory / 'portreeve.db'}"
    with served(url, directory, clock=RealClock(), agents_trust=trust) as found:
        set_up(found)
        restrict = {"stage": "deny", "allowedSources": [{"prefix": "base.example.com", "scope": "Global"}]}
        found.put(
            document("EnvironmentGroup", "strict"),
            document("RegistryPolicy", "strict", groups=["strict"], restrict=restrict),
        )
        yield found


def test_a_list_says_which_clusters_cannot_restrict_and_leads_to_why(console: Console) -> None:
    page = console.page("/environments")
    old = page.get_by_role("row").filter(has=page.get_by_role("link", name="edge-7"))
    expect(old.get_by_text("cannot restrict: needs 1.30")).to_be_visible()
    expect(old.get_by_text("v1.29.4")).to_be_visible()
    dev = page.get_by_role("row").filter(has=page.get_by_role("link", name="dev", exact=True))
    expect(dev.get_by_text("Unknown")).to_be_visible()
    page.get_by_role("combobox", name="Health").select_option("Unknown")
    expect(page.get_by_role("link", name="edge-7")).to_have_count(0)
    expect(page).to_have_url(re.compile("health=Unknown"))
    page.go_back()
    console.go(page, "/environments")
    page.get_by_role("link", name="edge-7").click()
    counts = page.get_by_role("region", name="What counts here")
    expect(counts.get_by_text("The policy edge-sources covers edge for Kubernetes.")).to_be_visible()
    expect(counts.get_by_text("1 access of the environment is masked")).to_be_visible()
    counts.get_by_text("Masked by the policy: 1").click()
    expect(counts.get_by_role("link", name="access harbor-edge-7")).to_be_visible()


def test_what_is_delivered_told_and_to_be_reached_is_there(console: Console) -> None:
    page = console.page("/environments/prod")
    expect(page.get_by_role("region", name="Conditions").get_by_text("SecretConflict")).to_be_visible()
    page.get_by_role("tab", name="Pull secrets").click()
    expect(page).to_have_url(re.compile("tab=pullsecrets"))
    expect(page.get_by_role("row", name=re.compile("^shop")).get_by_text("version 1")).to_be_visible()
    page.get_by_role("tab", name="Inventory").click()
    expect(page.get_by_role("row", name=re.compile("^shop"))).to_be_visible()
    page.get_by_role("tab", name="Egress").click()
    expect(page.get_by_role("row", name=re.compile("harbor.example.com"))).to_be_visible()
    expect(page.get_by_role("link", name="NetworkPolicy")).to_have_attribute("href", re.compile("format=networkpolicy"))
    page.get_by_role("button", name="Remember as handed over").click()
    expect(page.get_by_text(re.compile("Last handed over .* by ada: since then 0 new"))).to_be_visible()
    # A list that nobody has told is not shown as an empty one.
    console.go(page, "/environments/dev?tab=inventory")
    expect(page.get_by_text("not that nothing is there")).to_be_visible()


def test_a_cluster_is_added_and_its_agent_is_waited_for(console: Console) -> None:
    page = console.page("/environments")
    page.get_by_role("button", name="Add an environment").click()
    ask = page.get_by_role("dialog", name="Add an environment")
    ask.locator("#environment-name").fill("new-eu")
    ask.get_by_role("radio", name=re.compile("^staging")).check()
    ask.locator("#environment-new-group").fill("staging")
    assert serious(page) == []
    ask.get_by_role("button", name="Look at the plan").click()
    dialog = page.get_by_role("dialog", name="Add the environment new-eu")
    expect(dialog.get_by_text("create EnvironmentGroup")).to_be_visible()
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page).to_have_url(re.compile(r"/environments/new-eu\?tab=agent"))
    page.get_by_role("button", name="Make the enrolment command").click()
    command = page.get_by_label("the enrolment command", exact=True).inner_text()
    expect(page.get_by_text("Waiting for the agent")).to_be_visible()
    assert serious(page) == []
    found = re.fullmatch(r"printf %s (prtj_\S+) \| portreeve-agent enrol --server \S+", command.strip())
    assert found is not None, command
    enrol(console, SecretValue(found[1].partition(".")[0]))
    expect(page.get_by_text("The agent is there").first).to_be_visible()
    # The token is in no address, and another visit does not show it again.
    assert "prtj_" not in page.url
    page.reload()
    expect(page.get_by_role("button", name="Make the enrolment command")).to_be_visible()
    assert "prtj_" not in page.content()
    page.get_by_role("button", name="Shut the agent out").click()
    shut = page.get_by_role("dialog", name="Shut out the agent of new-eu")
    assert "portreeve revoke --agent new-eu -y" in code(shut, page)
    shut.get_by_role("button", name="Shut it out").click()
    expect(page.get_by_text("shut out", exact=True)).to_be_visible()


def enrol(console: Console, token: SecretValue) -> Agent:
    """Be the agent that the command makes, and ask once for what is wanted."""

    async def joined() -> Agent:
        answer, agent = await join(console.served.plane, token)
        assert agent is not None, answer.text
        assert (await agent.report(namespaces={"added": []})).status_code == 200
        await console.served.plane.server.doorbell.note()
        return agent

    return console.served.run(joined())


def test_moving_into_a_group_shows_whom_its_policy_would_deny(console: Console) -> None:
    page = console.page("/groups/strict")
    page.get_by_role("button", name="Take environments in").click()
    ask = page.get_by_role("dialog", name="Take environments into strict")
    ask.get_by_role("checkbox", name=re.compile("prod production")).check()
    ask.get_by_role("button", name="Look at the plan").click()
    dialog = page.get_by_role("dialog", name="Take prod into strict")
    expect(dialog.get_by_text("Running workloads that would be denied: 3")).to_be_visible()
    expect(dialog.get_by_text("Accesses that the policy then replaces: harbor-prod, mirror-prod")).to_be_attached()
    confirm = dialog.get_by_role("button", name="Take in")
    expect(confirm).to_be_disabled()
    assert serious(page) == []
    dialog.get_by_label(re.compile("Type deny")).fill("deny")
    confirm.click()
    expect(page.get_by_role("link", name="prod", exact=True)).to_be_visible()
    assert console.ask("GET", "environments/prod")["spec"]["group"] == "strict"
    page.get_by_role("checkbox", name="Select prod").check()
    page.get_by_role("button", name="Move 1 to another group").click()
    page.get_by_label(re.compile("^To the group")).select_option("production")
    expect(page.get_by_text("No policy would count then")).to_be_visible()
    page.get_by_role("button", name="Look at the plan").click()
    page.get_by_role("dialog", name="Move prod to production").get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("No environment is in this group")).to_be_visible()


def test_attachments_are_searched_and_filtered(console: Console) -> None:
    page = console.page("/attachments")
    expect(
        page.get_by_role("row", name=re.compile("harbor-edge-7")).get_by_text("Masked", exact=True).first
    ).to_be_visible()
    page.get_by_label("Text in any column").fill("not ours")
    expect(page.get_by_role("row", name=re.compile("SecretConflict")).first).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("ClusterSeen"))).to_have_count(0)
    expect(page).to_have_url(re.compile("q=not"))


def test_an_environment_goes_with_what_is_granted_in_it(console: Console) -> None:
    page = console.page("/environments/dev")
    page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove the environment dev")
    expect(dialog.get_by_text("delete RegistryAccess")).to_be_visible()
    expect(dialog.get_by_text("there is nothing of ours in it")).to_be_visible()
    shown = code(dialog, page)
    assert shown.splitlines() == ["portreeve delete access quay-dev -y &&", "portreeve delete environments dev -y"]
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page).to_have_url(re.compile(r"/environments$"))
    expect(page.get_by_role("link", name="dev", exact=True)).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_usable(console: Console, *, dark: bool) -> None:
    page = console.page(dark=dark)
    tabs = ("overview",) if dark else ("overview", "pullsecrets", "inventory", "pulls", "agent", "egress")
    for path in ("environments", "groups", "attachments", *(f"environments/prod?tab={tab}" for tab in tabs)):
        console.go(page, f"/{path}")
        settled(page)
        shot(page, f"{re.sub('[^a-z]+', '-', path)}-{'dark' if dark else 'light'}")
        assert serious(page) == [], path

"""What "Do this in code" shows for one change after the other: each form is run as it stands, and makes what the button
makes. Which changes there are is found in the console's sources (mutations.py); those of this file have no other test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from portreeve.core.estate import Key
from tests.console.access_scene import set_up
from tests.console.browser import Console, RealClock
from tests.console.mutations import runs
from tests.console.typed import as_typed, at_a_terminal, codes, documents, same, undo
from tests.server.agents.agent import TRUST
from tests.server.plane import document
from tests.server.served import Served, served
from tests.server.test_credentials import opened

pytestmark = pytest.mark.slow


PULL = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The fleet of `access_scene`, with policies and people to be changed; below a path, as proxies show it."""
    directory = tmp_path_factory.mktemp("commands")
    trust = directory / "trust.pem"
    trust.write_text(TRUST)
    url, public = f"sqlite:///{directory / 'portreeve.db'}", "http://127.0.0.1/below/a/path"
    with served(url, directory, clock=RealClock(), agents_trust=trust, public_url=public) as found:
        found.url += "/below/a/path"
        set_up(found)
        watch = {"stage": "audit", "allowedSources": [{"prefix": "base.example.com", "scope": "Global"}]}
        found.put(
            document("EnvironmentGroup", "spare"),
            document("User", "cleo"),
            document("Registry", "bare", provider="generic", host="bare.example.com", credentials=[PULL]),
            *(document("RegistryPolicy", name, groups=[], restrict=watch) for name in ("old-1", "old-2", "third")),
            document("RegistryPolicy", "moving", groups=["development"], restrict=watch | {"stage": "off"}),
        )
        yield found


@pytest.fixture(scope="module")
def console(plane: Served, browser: Browser) -> Iterator[Console]:
    """One page goes through all of it."""
    found = Console(plane, browser)
    yield found
    found.close()


@pytest.fixture(scope="module")
def page(console: Console) -> Page:
    return console.page("/settings")


@pytest.fixture(autouse=True)
def as_before(console: Console, page: Page) -> Iterator[None]:
    """Each test leaves the documents as they were."""
    console.known("typist", "platform-admin")
    before = documents(console)
    yield
    undo(console, before)


def dialog(page: Page, title: str) -> Locator:
    return page.get_by_role("dialog", name=title, exact=True)


TEXTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "User": ("users", "user", {"title": 'It\'s "Dora" $(id) `id` \\ ü'}),
    "Team": ("teams", "team", {"members": "cleo", "groups": "cn=a b; $(id)"}),
    "RoleBinding": ("roles", "role binding", {"users": "cleo", "groups": "production", "namespaces": "shop"}),
    "Project": ("projects", "project", {"title": "- a: b #c", "teams": "ops", "spaces": "prod: shop, pay\ndev: shop"}),
}


@runs(
    "pages/settings/People.tsx:Users:Area",
    "pages/settings/People.tsx:Teams:Area",
    "pages/settings/People.tsx:Roles:Area",
    "pages/settings/People.tsx:Projects:Area",
)
@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_people_and_what_they_may(console: Console, page: Page, tmp_path: Path, kind: str) -> None:
    tab, word, texts = TEXTS[kind]
    console.go(page, f"/settings?tab={tab}")
    page.get_by_role("button", name=f"New {word}").click()
    editor = dialog(page, f"New {word}")
    for field, text in {"name": "made", **texts}.items():
        editor.locator(f"#{field}").fill(text)
    editor.get_by_role("button", name="See what it changes").click()
    made = same(console, dialog(page, f"Create the {word} made"), "Create", tmp_path / "create")
    assert Key(kind, "made") in made
    page.reload()
    if kind == "Project":
        page.get_by_role("button", name="Edit made").click()
        editor = dialog(page, f"Edit the {word} made")
        editor.locator("#title").fill("another\u2028one")
        editor.locator("#teams").fill("")
        editor.locator("#users").fill("cleo, olga")
        editor.get_by_role("button", name="See what it changes").click()
        changed = same(console, dialog(page, f"Change the {word} made"), "Change", tmp_path / "change")
        assert changed[Key(kind, "made")][0]["admins"] == {"users": ["cleo", "olga"]}
        page.reload()
    page.get_by_role("button", name="Delete made").click()
    gone = same(console, dialog(page, f"Delete the {word} made"), "Delete", tmp_path / "delete")
    assert Key(kind, "made") not in gone


@runs("pages/settings/Platform.tsx:Platform:ConfirmChange", "pages/registries/DockerHub.tsx:Hide:ConfirmChange")
def test_the_settings(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/settings?tab=platform")
    page.locator("#labels").fill("team\nexample.com/stage")
    page.get_by_role("button", name="See what it changes").click()
    same(console, dialog(page, "Change the settings"), "Change", tmp_path / "labels")
    console.go(page, "/registries")
    page.locator("#hide-docker-hub").dispatch_event("click")
    made = same(console, dialog(page, "Hide Docker Hub without signing in"), "Hide", tmp_path / "hide")
    spec, _, _ = made[Key("Settings", "platform")]
    assert spec["hideAnonymousDockerHub"] is True
    assert len(spec["selectorLabels"]) == 2


@runs(
    "pages/registries/EditRegistry.tsx:EditRegistry:ConfirmChange",
    "pages/registries/DeleteRegistry.tsx:DeleteRegistry:ConfirmChange",
)
def test_a_registry_is_changed_and_deleted(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/registries/mirror?tab=edit")
    page.locator("#registry-title").fill("our: mirror")
    page.get_by_role("button", name="Look at the plan").click()
    made = same(console, dialog(page, "Change the registry mirror"), "Change", tmp_path / "change")
    assert made[Key("Registry", "mirror")][0]["title"] == "our: mirror"
    console.go(page, "/registries/quay")
    page.get_by_role("button", name="Delete", exact=True).click()
    gone = same(console, dialog(page, "Delete the registry quay"), "Delete", tmp_path / "delete")
    assert Key("RegistryAccess", "quay-dev") not in gone


@runs(
    "pages/policies/Policies.tsx:Policies:ConfirmChange",
    "pages/policies/Policy.tsx:Policy:ConfirmChange",
    "pages/policies/Policy.tsx:Rename:ConfirmPolicy",
)
def test_policies_are_renamed_and_removed(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/policies?q=old-")
    page.get_by_label("Select all rows of this page").check()
    page.get_by_role("button", name="Remove 2").click()
    gone = same(console, dialog(page, "Remove 2 policies"), "Remove", tmp_path / "several")
    assert Key("RegistryPolicy", "old-2") not in gone
    console.go(page, "/policies/third")
    page.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_role("dialog").get_by_label("Name").fill("Third: 'one'")
    page.get_by_role("button", name="Go on").click()
    same(console, dialog(page, "Rename the policy third"), "Rename", tmp_path / "rename")
    page.reload()
    page.get_by_role("button", name="Remove", exact=True).click()
    gone = same(console, dialog(page, "Remove the policy third"), "Remove", tmp_path / "remove")
    assert Key("RegistryPolicy", "third") not in gone


@runs("pages/policies/PolicyForm.tsx:PolicyForm:ConfirmPolicy")
def test_a_policy_takes_a_group_of_another(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/policies/new?type=kubernetes&template=custom&step=form&groups=edge")
    page.locator("#policy-name").fill("Edge anew")
    page.get_by_label("Restrict to allowed sources").check(force=True)
    page.get_by_label("Registry URL prefix").fill("base.example.com")
    page.get_by_role("button", name="Add source").click()
    page.get_by_role("button", name="Create policy").click()
    made = same(console, dialog(page, "Create the policy edge-anew"), "Confirm", tmp_path / "create")
    assert made[Key("RegistryPolicy", "edge-anew")][0]["groups"] == ["edge"]
    assert not made[Key("RegistryPolicy", "edge-sources")][0].get("groups")


@runs("pages/policies/Rollout.tsx:Move:POST 2", "pages/policies/Rollout.tsx:moveCall:POST")
def test_a_policy_is_moved_on_and_back(console: Console, page: Page, tmp_path: Path) -> None:
    def moved(title: str, button: str, stage: str, **asked: str) -> None:
        before = documents(console)
        found = dialog(page, title)
        expect(found.get_by_role("list", name="Documents")).to_be_visible()
        for label, text in asked.items():
            found.locator(f"#{label}").fill(text)
        shown = codes(found, page)
        found.get_by_role("button", name=button).click()
        expect(found).to_have_count(0)
        made = standing()
        assert made["restrict"]["stage"] == stage
        for form, text in shown.items():
            undo(console, before)
            as_typed(console, tmp_path / stage / form, text)
            assert standing() == made
        assert set(shown) == {"portreeve", "curl"}

    def standing() -> Any:
        found = console.ask("GET", "policies/moving")
        told = found["status"]["moved"]
        return {
            "restrict": found["spec"]["restrict"],
            **{part: told.get(part) for part in ("from", "to", "forced", "reason")},
        }

    console.go(page, "/policies/moving?tab=rollout")
    page.get_by_role("button", name="Go on to audit").click()
    moved("Move moving on to audit", "Move on to audit", "audit")
    page.reload()
    page.get_by_role("button", name="Go on to warn").click()
    moved("Move moving on to warn", "Move on to warn", "warn", **{"move-reason": 'it\'s a "rehearsal"'})
    page.reload()
    page.get_by_role("button", name="Back to off").click()
    moved("Move moving back to off", "Move back to off", "off")


@runs("pages/access/Grants.tsx:ChangeDelivery:ConfirmChange", "pages/access/Grants.tsx:Grants:ConfirmChange")
def test_accesses_are_delivered_otherwise_and_deleted(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/access?view=grants")
    page.get_by_role("button", name="Change delivery of quay-dev").click()
    asked = dialog(page, "How quay-dev is delivered")
    asked.get_by_role("radio", name=re.compile("Just in time")).check()
    asked.get_by_role("button", name="Look at the plan").click()
    made = same(console, dialog(page, "Change quay-dev"), "Change", tmp_path / "deliver")
    assert made[Key("RegistryAccess", "quay-dev")][0]["delivery"]["mode"] == "lease"
    # So much that it needs a consent, where no policy masks it and nothing is known of the namespaces.
    many = {"names": [f"space-{number}" for number in range(12)]}
    console.put(
        document("EnvironmentGroup", "many"),
        document("Environment", "many", tier="development", group="many"),
        document("RegistryAccess", "harbor-many", registry="harbor", environment="many", namespaces=many),
    )
    page.reload()
    page.get_by_label("Select all rows of this page").check()
    page.get_by_role("button", name=re.compile(r"^Delete \d")).click()
    found = page.get_by_role("dialog", name=re.compile(r"^Delete \d accesses"))
    found.get_by_role("button", name="Delete this many all the same").click()
    assert " --force " in codes(found, page)["portreeve"]
    gone = same(console, found, "Delete", tmp_path / "delete")
    assert not [key for key in gone if key.kind == "RegistryAccess"]


@runs(
    "pages/environments/AddEnvironment.tsx:AddEnvironment:ConfirmChange",
    "pages/environments/ChangeEnvironment.tsx:ChangeEnvironment:ConfirmChange",
    "pages/environments/RemoveEnvironment.tsx:RemoveEnvironment:ConfirmChange",
)
def test_an_environment_is_added_changed_and_removed(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/environments")
    page.get_by_role("button", name="Add an environment").click()
    asked = dialog(page, "Add an environment")
    asked.locator("#environment-name").fill("fresh")
    asked.locator("#environment-new-group").fill("fresh-group")
    asked.get_by_role("button", name="Look at the plan").click()
    same(console, dialog(page, "Add the environment fresh"), "Add", tmp_path / "add")
    console.go(page, "/environments/dev")
    page.get_by_role("button", name="Change", exact=True).click()
    asked = dialog(page, "Change dev")
    asked.locator("#change-title").fill("yes")
    asked.get_by_role("radio", name=re.compile("^staging")).check()
    asked.get_by_role("button", name="Look at the plan").click()
    made = same(console, dialog(page, "Change dev"), "Change", tmp_path / "change")
    assert made[Key("Environment", "dev")][0]["title"] == "yes"
    page.reload()
    page.get_by_role("button", name="Remove", exact=True).click()
    gone = same(console, dialog(page, "Remove the environment dev"), "Remove", tmp_path / "remove")
    assert not {Key("Environment", "dev"), Key("RegistryAccess", "quay-dev")} & set(gone)


@runs(
    "pages/groups/Groups.tsx:AddGroup:ConfirmChange",
    "pages/groups/Group.tsx:Rename:ConfirmChange",
    "pages/groups/Group.tsx:Join:ConfirmChange",
    "pages/groups/Group.tsx:MoveTo:ConfirmChange",
    "pages/groups/Group.tsx:Found:ConfirmChange",
)
def test_groups(console: Console, page: Page, tmp_path: Path) -> None:
    console.go(page, "/groups")
    page.get_by_role("button", name="Add a group").first.click()
    asked = dialog(page, "Add a group")
    asked.locator("#group-name").fill("added")
    asked.locator("#group-title").fill("null")
    asked.get_by_role("button", name="Look at the plan").click()
    same(console, dialog(page, "Add the group added"), "Add", tmp_path / "add")
    console.go(page, "/groups/spare")
    page.get_by_role("button", name="Rename").click()
    dialog(page, "Rename spare").locator("#rename-title").fill("1.0")
    page.get_by_role("button", name="Look at the plan").click()
    same(console, dialog(page, "Rename spare"), "Rename", tmp_path / "rename")
    page.reload()
    page.get_by_role("button", name="Take environments in").click()
    page.get_by_role("checkbox", name=re.compile("^dev development")).check()
    page.get_by_role("button", name="Look at the plan").click()
    same(console, dialog(page, "Take dev into spare"), "Take in", tmp_path / "join")
    page.reload()
    page.get_by_role("checkbox", name="Select dev").check()
    page.get_by_role("button", name="Move 1 to another group").click()
    page.get_by_label(re.compile("^To the group")).select_option("development")
    page.get_by_role("button", name="Look at the plan").click()
    same(console, dialog(page, "Move dev to development"), "Move", tmp_path / "move")
    page.reload()
    page.get_by_role("button", name="Remove", exact=True).click()
    gone = same(console, dialog(page, "Remove the group spare"), "Remove", tmp_path / "remove")
    assert Key("EnvironmentGroup", "spare") not in gone


@runs("pages/environments/Egress.tsx:Egress:POST")
def test_hosts_are_handed_over(console: Console, page: Page, tmp_path: Path) -> None:
    def handed_over() -> Any:
        found = console.ask("GET", "environments/prod/egress")
        return found["lastExport"], found["changed"]

    assert handed_over()[0] is None
    console.go(page, "/environments/prod?tab=egress")
    shown = codes(page.get_by_role("tabpanel", name="Egress"), page)
    for form, user in (("portreeve", "typist"), ("curl", "typist-2")):
        hosts = as_typed(console, tmp_path / form, shown[form], user=user)
        assert "harbor.example.com" in hosts
        last, changed = handed_over()
        assert last["by"] == user
        assert not changed["added"]
    page.get_by_role("button", name="Remember as handed over").click()
    expect(page.get_by_text(re.compile("by ada: since then 0 new"))).to_be_visible()
    assert handed_over()[1] == changed


PASSWORD = "correct horse battery staple"


@runs("pages/settings/Me.tsx:MakeToken:ConfirmCall", "pages/settings/Held.tsx:Tokens:ConfirmCall")
def test_tokens_are_made_and_revoked(console: Console, page: Page, tmp_path: Path) -> None:
    """One's own with the password that the command asks a terminal for; those of others as their administrator."""

    def held(user: str) -> dict[str, Any]:
        items = console.ask("GET", f"users/{user}/tokens")["items"]
        return {one["title"]: {part: one[part] for part in ("scope", "expiresAt", "id")} for one in items}

    def without_id(found: dict[str, Any]) -> dict[str, Any]:
        return {title: {**one, "id": ""} for title, one in found.items()}

    console.go(page, "/settings?tab=me")
    page.locator("#new-password").fill(PASSWORD)
    page.locator("#again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_test_id("said")).to_contain_text("Set the password")
    page.get_by_role("button", name="Make a token").click()
    asked = dialog(page, "Make an API token")
    asked.locator("#token-title").fill('the "nightly" $(id)')
    asked.get_by_label("audit", exact=True).check()
    shown = codes(asked, page)
    assert set(shown) == {"portreeve"}, "no token makes a token"
    answered = at_a_terminal(console, tmp_path / "create", shown["portreeve"], PASSWORD)
    assert "Password of ada:" in answered
    assert re.search(r"^prt_\S+\r?$", answered, re.MULTILINE)
    by_command = held("ada")
    (made,) = by_command.values()
    console.ask("DELETE", f"users/ada/tokens/{made['id']}")
    asked.get_by_role("button", name="Make it").click()
    expect(page.get_by_label("the token", exact=True)).to_be_visible()
    assert without_id(held("ada")) == without_id(by_command)

    page.reload()
    page.get_by_role("button", name="Revoke the token the").click()
    shown = codes(page.get_by_role("dialog"), page)
    assert "revoked" in at_a_terminal(console, tmp_path / "revoke", shown["portreeve"], PASSWORD)
    assert held("ada") == {}

    console.served.token("cleo")
    console.go(page, "/settings/users/cleo")
    page.get_by_role("button", name="Revoke the token test").click()
    shown = codes(page.get_by_role("dialog"), page)
    assert set(shown) == {"curl"}
    as_typed(console, tmp_path / "other", shown["curl"])
    assert held("cleo") == {}


@runs("pages/settings/Held.tsx:Sessions:ConfirmCall")
def test_the_session_of_another_is_ended(console: Console, page: Page, tmp_path: Path) -> None:
    other = console.page("/fleet", user="olga", role="auditor")
    console.go(page, "/settings/users/olga")
    page.get_by_role("button", name=re.compile("^End the session")).click()
    shown = codes(page.get_by_role("dialog"), page)
    assert set(shown) == {"curl"}
    as_typed(console, tmp_path / "end", shown["curl"])
    assert console.ask("GET", "users/olga/sessions")["items"] == []
    other.close()
    # Of one's own a browser alone ends one: no token may, and so no command is shown.
    console.go(page, "/settings?tab=me")
    page.get_by_role("button", name=re.compile("^End the session")).first.click()
    expect(page.get_by_role("dialog").get_by_role("button", name="End it")).to_be_visible()
    expect(page.get_by_role("button", name="Do this in code")).to_have_count(0)


@runs("pages/registries/CredentialDialog.tsx:CredentialDialog:PUT")
def test_a_credential_is_set_and_then_rotated(console: Console, page: Page, tmp_path: Path) -> None:
    def version() -> int:
        (held,) = console.ask("GET", "registries/bare")["status"]["credentials"]
        assert held["state"] == "stored"
        return int(held["version"])

    console.go(page, "/registries/bare?tab=credentials")
    for at, verb in ((1, "Set"), (3, "Rotate")):
        page.get_by_role("button", name=verb, exact=True).first.click()
        shown = codes(dialog(page, f"{verb} the pull credential of bare"), page)
        assert "$" not in shown["portreeve"], "the secret stands there as the name of a variable"
        for count, (form, text) in enumerate(shown.items()):
            as_typed(console, tmp_path / verb / form, text, REGISTRY_SECRET=f"canary-{at + count}")
            assert version() == at + count, "setting is a version, too"
        page.reload()
    page.get_by_role("button", name="Rotate", exact=True).first.click()
    asked = dialog(page, "Rotate the pull credential of bare")
    asked.locator("#credential-secret").fill("canary-5")
    asked.get_by_role("button", name="Rotate", exact=True).click()
    expect(asked.get_by_text("The new version is on its way")).to_be_visible()
    assert version() == 5
    assert "canary" not in page.content()


def test_a_credential_of_several_lines_goes_in_as_it_is(console: Console, page: Page, tmp_path: Path) -> None:
    """A key file: quotes, line ends, and what shells and JSON would take for something else. Its last line end goes."""
    secret = '{\r\n\t"key": "-----BEGIN\\nAB\\\\C$HOME`id`&\'x\'",\n  "e": "ü"\n}\n'

    console.go(page, "/registries/harbor?tab=credentials")
    page.get_by_role("button", name="Rotate", exact=True).first.click()
    found = dialog(page, "Rotate the pull credential of harbor")
    for form, text in codes(found, page).items():
        as_typed(console, tmp_path / form, text, REGISTRY_SECRET=secret)
        assert console.served.run(opened(console.served.plane)).decode() == secret.removesuffix("\n"), form


@runs("pages/exemptions/Exemption.tsx:Decide:ConfirmCall")
def test_an_exemption_is_denied_and_another_one_renewed(console: Console, page: Page, tmp_path: Path) -> None:
    """Approving and ending one is in test_people.py."""

    def ends(days: int) -> str:
        return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT00:00:00Z}"

    scope: dict[str, Any] = {"groups": ["development"], "namespaces": ["cache"], "image": "docker.io/library/redis"}
    spec = {"policy": "moving", "scope": scope, "reason": "mirror", "ticket": "", "owner": "cache"}
    for name in ("no", "longer"):
        console.ask("POST", "exemptions", json=document("Exemption", name, expiresAt=ends(20), **spec))

    def run_each(step: str, asked: Locator) -> None:
        before = documents(console)
        for form, text in codes(asked, page).items():
            undo(console, before)
            as_typed(console, tmp_path / step / form, text)
            status = {name: console.ask("GET", f"exemptions/{name}")["status"] for name in ("no", "longer")}
            if step == "deny":
                assert status["no"]["state"] == "denied"
            else:
                assert status["longer"]["renewal"]["expiresAt"] == ends(40)

    console.go(page, "/exemptions/no")
    page.get_by_role("button", name="Deny", exact=True).click()
    run_each("deny", dialog(page, "Deny: no"))
    console.go(page, "/exemptions/longer")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("button", name="Renew", exact=True).click()
    asked = dialog(page, "Ask for a later end: longer")
    asked.locator("#until").fill(ends(40)[:10])
    run_each("renew", asked)

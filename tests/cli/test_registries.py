"""Adding, trying, browsing: the real program, a real control plane, a real registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Operator
from tests.fakes.images import image
from tests.server.registries.reached import ALLOWED, fresh, pushed
from tests.server.served import Served, served
from tests.tools.registry import PASSWORD, READER, READER_PASSWORD, USER, Access, DockerRegistry

pytestmark = pytest.mark.slow

Start = Callable[[Access], DockerRegistry]


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[Served]:
    """As everywhere here, and it may contact this machine."""
    with served(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, private_addresses=ALLOWED) as started:
        yield started


@pytest.fixture
def registry(docker_registry: Start) -> DockerRegistry:
    return docker_registry(Access.TOKEN)


def adding(operator: Operator, registry: DockerRegistry, pasted: str) -> list[str]:
    operator.program.write("ca.pem", registry.authority)
    flags = ["--name", "here", "--registry-ca", "ca.pem", "--parameter", f"username={READER}", "--from-env", "SECRET"]
    realm = ["--token-realm", registry.realm] if registry.realm else []
    return ["add", "registry", pasted, *flags, *realm, "--expires-at", "2027-06-01T00:00:00Z"]


def test_a_pasted_reference_becomes_a_registry_that_works(operator: Operator, registry: DockerRegistry) -> None:
    repository = fresh()
    asyncio.run(pushed(registry, repository, image("api"), "1.4"))
    words = adding(operator, registry, f"127.0.0.1:{registry.port}/{repository}:1.4")
    env = {"SECRET": READER_PASSWORD}
    asked = operator.run(*words, env=env)
    assert (asked.code, operator.run("get", "registries", "-o", "name").out) == (2, "")
    added = operator.run(*words, "-y", env=env)
    assert (added.code, "Registry/here created" in added.out) == (0, True), added.out + added.err
    assert "FAILED" not in added.out
    tried = operator.run("validate", "registry", "here", "--image", f"{repository}:1.4")
    assert tried.code == 0, tried.out + tried.err
    assert "it works" in tried.err
    for done in (asked, added, tried):
        assert READER_PASSWORD not in done.out + done.err


def test_a_wrong_password_is_told_as_one_and_stored_all_the_same(operator: Operator, registry: DockerRegistry) -> None:
    words = adding(operator, registry, f"https://127.0.0.1:{registry.port}/v2/")
    added = operator.run(*words, "-y", env={"SECRET": "wrong-canary"})
    assert added.code == 1, added.out
    assert "[registry_unauthorized]" in added.out
    assert "wrong-canary" not in added.out + added.err
    assert operator.run("get", "registries", "-o", "name").out.strip().endswith("here")
    json = operator.run("validate", "registry", "here", "-o", "json")
    failed = [check["stage"] for check in json.json["checks"] if check["outcome"] == "failed"]
    assert (json.code, failed) == (1, ["token"])


def test_browsing_from_repositories_to_one_image(operator: Operator, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    built = image("api")
    asyncio.run(pushed(registry, repository, built, "1.4"))
    words = adding(operator, registry, f"127.0.0.1:{registry.port}")
    operator.run(*words, "--no-validate", "--parameter", f"username={USER}", "-y", env={"SECRET": PASSWORD})
    assert repository in operator.run("browse", "here", "-o", "name", "--limit", "5000").out.splitlines()
    assert operator.run("browse", f"here/{repository}", "-o", "name").out == "1.4\n"
    shown = operator.run("browse", f"here/{repository}:1.4")
    assert built.digest in shown.out
    pinned = operator.run("browse", f"here/{repository}@{built.digest}", "-o", "name").out
    assert pinned == f"127.0.0.1:{registry.port}/{repository}@{built.digest}\n"
    absent = operator.run("browse", f"here/{repository}:none")
    assert (absent.code, absent.err.split(":")[0]) == (2, "manifest_unknown")


def test_a_login_line_is_read_without_its_password(operator: Operator, registry: DockerRegistry) -> None:
    line = f"docker login -u {READER} -p line-canary 127.0.0.1:{registry.port}"
    done = operator.run(*adding(operator, registry, line), "--no-validate", "-y", env={"SECRET": READER_PASSWORD})
    assert done.code == 0, done.err
    everything = done.out + done.err + operator.run("export").out
    assert "line-canary" not in everything


@pytest.mark.parametrize("pasted", ["", "  ", "http://", "\x1b[31mred", "a" * 5000])
def test_what_names_no_registry_is_refused_with_what_to_paste(operator: Operator, pasted: str) -> None:
    done = operator.run("add", "registry", pasted)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


def test_what_a_method_needs_is_said_before_anything_is_stored(operator: Operator) -> None:
    done = operator.run("add", "registry", "harbor.example.com", "--provider", "harbor", "--method", "robot", "-y")
    assert done.code == 2
    assert "--parameter username=" in done.err or "credential_method" in done.err
    assert operator.run("get", "registries", "-o", "name").out == ""


def test_egress_and_its_difference(operator: Operator) -> None:
    from tests.server.plane import document

    operator.plane.put(
        document("EnvironmentGroup", "production", type="kubernetes"),
        document("Environment", "prod-eu", type="kubernetes", tier="production", group="production"),
        document("Registry", "quay", provider="quay", host="quay.io", path="acme"),
        document("RegistryAccess", "shop", registry="quay", environment="prod-eu", namespaces={"names": ["shop"]}),
    )
    assert "quay.io" in operator.run("egress", "prod-eu", "-o", "name").out.splitlines()
    new = operator.run("egress", "prod-eu", "--diff")
    assert (new.code, "+ quay.io:443" in new.out) == (1, True)
    assert operator.run("egress", "prod-eu", "--export", "-o", "csv").code == 0
    assert operator.run("egress", "prod-eu", "--diff").code == 0
    assert "CiliumNetworkPolicy" in operator.run("egress", "prod-eu", "-o", "cilium").out


def test_limits_say_when_nothing_tells_them(operator: Operator, registry: DockerRegistry) -> None:
    done = operator.run(
        *adding(operator, registry, f"127.0.0.1:{registry.port}"), "--no-validate", "-y", env={"SECRET": "x"}
    )
    assert done.code == 0, done.err
    told = operator.run("limits", "here", "--fresh")
    assert (told.code, "rate_limit_unknown" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("docker pull r.example.com/team/api:1.4", "team/api:1.4"),
        ("r.example.com/team/api@sha256:" + "a" * 64, "team/api@sha256:" + "a" * 64),
        ("r.example.com/team/api", None),
        ("r.example.com:5000/team/api:1", None),
        ("https://r.example.com/v2/", None),
        ("docker login r.example.com", None),
        ("", None),
    ],
)
def test_a_pasted_image_is_the_one_that_is_tried(text: str, image: str | None) -> None:
    from portreeve.cli.add import pasted_image

    assert pasted_image(text, "r.example.com") == image


def test_how_a_registry_is_used(operator: Operator) -> None:
    from tests.server.plane import document

    operator.plane.put(document("Registry", "quay", provider="quay", host="quay.io", path="acme"))
    assert operator.run("use", "quay", "-o", "annotation").out == "portreeve.io/registry.quay: quay\n"
    line = operator.run("use", "quay", "-n", "shop", "--repository", "acme/api", "--tag", "1.4", "-o", "command").out
    assert line == "kubectl run main --image=quay.io/acme/api:1.4 --namespace=shop\n"
    pod = operator.run("use", "quay", "-n", "shop", "-o", "yaml").out
    assert pod.startswith("apiVersion: v1\nkind: Pod\n")
    text = operator.run("use", "quay", "-n", "shop", "--environment", "nowhere")
    assert "portreeve-pull" in text.out
    assert "there is no environment nowhere" in text.err

"""What people paste, and what it stands for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.errors import Invalid
from portreeve.providers.contract import Claim
from portreeve.providers.recognise import recognise

SECRET = "hunter2-7f3a91c2"

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

CASES = [
    # pasted, provider, prefix, certain
    ("docker.io", "docker-hub", "docker.io", True),
    ("nginx", "docker-hub", "docker.io", True),
    ("nginx:1.25", "docker-hub", "docker.io", True),
    ("nginx:7", "docker-hub", "docker.io", True),
    ("acme/app:1.0", "docker-hub", "docker.io/acme", True),
    ("index.docker.io/acme/app", "docker-hub", "docker.io/acme", True),
    ("https://index.docker.io/v1/", "docker-hub", "docker.io", True),
    ("https://registry-1.docker.io/v2/acme/app/manifests/latest", "docker-hub", "docker.io/acme", True),
    ("https://hub.docker.com/r/acme/app", "docker-hub", "docker.io/acme", True),
    ("https://hub.docker.com/r/acme/app/tags?page=2#x", "docker-hub", "docker.io/acme", True),
    ("https://hub.docker.com/_/nginx", "docker-hub", "docker.io", True),
    ("https://hub.docker.com/repository/docker/acme/app/general", "docker-hub", "docker.io/acme", True),
    ("docker login", "docker-hub", "docker.io", True),
    ("docker login -u acmebot", "docker-hub", "docker.io", True),
    ("docker pull acme/app", "docker-hub", "docker.io/acme", True),
    (f"{ECR}/shop/api:1", "ecr", ECR, True),
    ("arn:aws:ecr:eu-west-1:123456789012:repository/shop/api", "ecr", ECR, True),
    ("arn:aws-cn:ecr:cn-north-1:123456789012:repository/a", "ecr",
     "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", True),
    ("arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/a", "ecr",
     "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", True),
    ("arn:aws-iso-b:ecr:us-isob-east-1:123456789012:repository/a", "ecr",
     "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", True),
    ("https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/shop/api?region=eu-west-1", "ecr",
     "123456789012.dkr.ecr.eu-west-1.amazonaws.com", True),
    (f"aws ecr get-login-password | docker login --username AWS --password-stdin {ECR}", "ecr", ECR, True),
    ("public.ecr.aws/acme/app", "ecr-public", "public.ecr.aws/acme", True),
    ("https://gallery.ecr.aws/acme/app", "ecr-public", "public.ecr.aws/acme", True),
    ("arn:aws:ecr-public::123456789012:repository/app", "ecr-public", "public.ecr.aws", True),
    ("acme.azurecr.io", "acr", "acme.azurecr.io", True),
    ("ACME.azurecr.io/base/os:1", "acr", "acme.azurecr.io", True),
    (f"us-docker.pkg.dev/acme/shop/api@sha256:{'ab' * 32}", "gar", "us-docker.pkg.dev/acme/shop", True),
    ("https://console.cloud.google.com/artifacts/docker/acme/europe-west1/shop/api?project=acme", "gar",
     "europe-west1-docker.pkg.dev/acme/shop", True),
    ("https://console.cloud.google.com/artifacts/docker/example.com:acme/us/shop", "gar",
     "us-docker.pkg.dev/example.com/acme/shop", True),
    ("us-docker.pkg.dev/example.com/acme/shop/api", "gar", "us-docker.pkg.dev/example.com/acme/shop", True),
    ("gcr.io/acme/app", "gar", "gcr.io/acme", True),
    ("ghcr.io/acme/app:1", "ghcr", "ghcr.io/acme", True),
    ("https://github.com/orgs/Acme/packages/container/package/app", "ghcr", "ghcr.io/acme", True),
    ("https://github.com/acme/repo/pkgs/container/app", "ghcr", "ghcr.io/acme", True),
    ("registry.gitlab.com/acme/shop/api:1", "gitlab", "registry.gitlab.com/acme/shop", True),
    ("https://gitlab.com/acme/shop/container_registry", "gitlab", "registry.gitlab.com/acme/shop", True),
    ("https://gitlab.com/groups/acme/-/container_registries", "gitlab", "registry.gitlab.com/acme", True),
    ("https://gitlab.com/acme/shop", "gitlab", "registry.gitlab.com/acme/shop", True),
    ("gitlab.com/acme/shop/-/merge_requests/7", "gitlab", "registry.gitlab.com/acme/shop", True),
    ("registry.gitlab.example.com", "gitlab", "registry.gitlab.example.com", False),
    ("git.example.com:5050/a/b/c", "gitlab", "git.example.com:5050/a/b", False),
    ("quay.io/acme/app", "quay", "quay.io/acme", True),
    ("https://quay.io/repository/acme/app?tab=tags", "quay", "quay.io/acme", True),
    ("https://harbor.example.com/harbor/projects/7/repositories", "harbor", "harbor.example.com", False),
    ("https://registry.example.com/harbor/projects", "harbor", "registry.example.com", False),
    ("harbor.example.com/shop/api:1", "harbor", "harbor.example.com/shop", False),
    ("nexus.example.com:8083", "nexus", "nexus.example.com:8083", False),
    ("acme.jfrog.io/docker-local/app", "artifactory", "acme.jfrog.io/docker-local", True),
    ("proget.example.com/feed/app", "proget", "proget.example.com/feed", False),
    ("mcr.microsoft.com/dotnet/runtime:8.0", "mcr", "mcr.microsoft.com", True),
    ("https://mcr.microsoft.com/en-us/artifact/mar/dotnet/runtime/about", "mcr", "mcr.microsoft.com", True),
    ("registry.k8s.io/pause", "generic", "registry.k8s.io", True),
    ("registry.example.com", "generic", "registry.example.com", False),
    ("https://registry.example.com/v2/", "generic", "registry.example.com", False),
    ("https://registry.example.com:443/", "generic", "registry.example.com", False),
    ("https://registry.example.com:8443/v2/_catalog", "generic", "registry.example.com:8443", False),
    ("http://registry.example.com:5000", "generic", "registry.example.com:5000", False),
    ("localhost:5000/app", "generic", "localhost:5000", False),
    ("192.0.2.7:5000", "generic", "192.0.2.7:5000", False),
    ("registry:5000", "generic", "registry:5000", False),
    ("oci://registry.example.com/charts/app", "generic", "registry.example.com", False),
    ("docker://quay.io/acme/app:1", "quay", "quay.io/acme", True),
    ("podman login -u robot registry.example.com", "generic", "registry.example.com", False),
    ("$ sudo docker login registry.example.com:5000 -u robot", "generic", "registry.example.com:5000", False),
    ("helm pull oci://ghcr.io/acme/charts/web --version 1.2.3", "ghcr", "ghcr.io/acme", True),
    ("helm registry login -u robot ghcr.io", "ghcr", "ghcr.io", True),
    ("helm install web oci://ghcr.io/acme/charts/web", "ghcr", "ghcr.io/acme", True),
    ("crane manifest quay.io/acme/app:1", "quay", "quay.io/acme", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "provider", "prefix", "certain"), CASES, ids=[case[0][:50] for case in CASES])
def test_what_is_pasted_names_provider_and_place(text: str, provider: str, prefix: str, certain: bool) -> None:
    claim = recognise(text)[0]
    assert (claim.provider, str(claim.place.prefix), claim.certain) == (provider, prefix, certain)


def test_a_guess_leaves_generic_as_another_answer_and_certainty_does_not() -> None:
    assert [one.provider for one in recognise("harbor.example.com")] == ["harbor", "generic"]
    assert [one.provider for one in recognise("ghcr.io/acme")] == ["ghcr"]


def test_a_host_without_a_domain_may_be_an_image_as_well() -> None:
    assert [(one.provider, str(one.place.prefix)) for one in recognise("registry:5000")] == [
        ("generic", "registry:5000"),
        ("docker-hub", "docker.io"),
    ]


def test_an_arn_and_a_host_tell_region_and_account() -> None:
    for text in ("arn:aws:ecr:eu-west-1:123456789012:repository/a", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a"):
        assert dict(recognise(text)[0].parameters) == {"region": "eu-west-1", "account": "123456789012"}


def test_the_legacy_host_names_what_to_use_instead() -> None:
    claim = recognise("eu.gcr.io/acme/app")[0]
    assert (claim.instead, "legacy" in claim.note) == ("europe-docker.pkg.dev", True)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("http://registry.example.com/", "TLS"),
        ("https://registry.example.com/v2/", "/v2/"),
        ("registry.example.com/v2/", "/v2/"),
        ("oci://registry.example.com/charts", "Helm"),
        (f"https://robot:{SECRET}@registry.example.com/", "user information"),
        (f"robot:{SECRET}@registry.example.com/app", "user information"),
        (f"docker login -u robot -p {SECRET} registry.example.com", "password"),
        (f"docker login -u robot --password={SECRET} registry.example.com", "password"),
        (f"docker login registry.example.com -urobot -p{SECRET}", "password"),
        (f"docker login -u robot -p '{SECRET} with spaces' registry.example.com", "password"),
        (f"skopeo inspect --creds robot:{SECRET} docker://registry.example.com/app", "password"),
        ("registry.example.com", "no provider"),
    ],
)
def test_what_a_person_should_know_is_said_and_no_secret_is_kept(text: str, note: str) -> None:
    claims = recognise(text)
    assert note in claims[0].note
    assert claims[0].place.host == "registry.example.com"
    assert SECRET not in repr(claims)


def test_the_user_of_a_login_line_is_kept_where_a_method_asks_for_one() -> None:
    assert recognise("docker login -u robot registry.example.com")[0].parameters == {"username": "robot"}
    assert recognise("docker login -u AWS 1.dkr.ecr.eu-west-1.amazonaws.com")[0].parameters.get("username") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "a\nb", "é.example.com", "x" * 5000, "[::1]:5000", "https://[::1]/", "*.azurecr.io", "Team/app",
        "ftp://registry.example.com/", "file:///etc/passwd", "https://", "https:///v2/", "registry.example.com:99999",
        "registry.example.com:0", "registry example com", "docker run -it nginx", "docker pull", "echo hello",
        f"docker login -u robot -p '{SECRET} registry.example.com", f"docker login --pass {SECRET}",
        "arn:aws:s3:::bucket", "arn:aws:ecr:eu-west-1:12:repository/a", "deadbeef", "a_.example.com", "-.example.com",
        f"https://{SECRET} @registry.example.com",
    ],
)  # fmt: skip
def test_what_names_no_registry_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        recognise(text)
    assert caught.value.code == "paste_unreadable"
    assert SECRET not in caught.value.diagnostics()


PIECES = st.sampled_from(
    ["docker", "login", "pull", "-u", "-p", "--password", "robot", SECRET, "https://", "http://", "oci://", "@", ":",
     "/", "//", "v2", "/v2/", "registry.example.com", "ghcr.io", "acme", "app", ":5000", ":443", "?x=1", "#y", "%2e%2e",
     "..", "*.",
     "arn:aws:ecr:eu-west-1:123456789012:repository/a", "hub.docker.com/r/",
     "console.cloud.google.com/artifacts/docker/",
     " ", "|", "&&", "'", '"', "\\", "A", "_", "-", "sha256:" + "a" * 64, "localhost", "\x00", "é", "=", ";", "$(x)"]
)  # fmt: skip
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60) | st.lists(PIECES, max_size=8).map(" ".join))
def test_any_text_gives_places_that_references_can_name_or_is_refused(text: str) -> None:
    refusal = None
    claims: tuple[Claim, ...] = ()
    try:
        claims = recognise(text)
    except Invalid as error:
        refusal = error
    if refusal is not None:
        assert (refusal.code, SECRET in refusal.diagnostics()) == ("paste_unreadable", False)
    assert bool(claims) == (refusal is None)
    for claim in claims:
        assert HOST.fullmatch(claim.place.host), claim.place.host
        assert re.fullmatch("[a-z0-9._/-]*", claim.place.path), claim.place.path
        assert claim.instead == "" or HOST.fullmatch(claim.instead)

"""What is shown to whoever wants to use a registry: valid names, one key for each registry, and no secret."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.policy import Registry
from portreeve.core.reference import SourcePrefix, parse
from portreeve.core.usage import annotation, command, example_repository, pod, pull_secret

HARBOR = Registry("harbor-prod", "harbor", SourcePrefix("harbor.example.com", "shop"))

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
QUALIFIED = re.compile(r"portreeve[.]io/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def test_the_annotation_names_the_registry() -> None:
    assert annotation("harbor-prod") == ("portreeve.io/registry.harbor-prod", "harbor-prod")


@given(NAMES)
def test_every_registry_has_a_key_that_kubernetes_takes(name: str) -> None:
    key, value = annotation(name)
    assert QUALIFIED.fullmatch(key)
    assert value == name


def test_the_pod_and_the_command_pull_the_same_image_and_name_no_secret() -> None:
    made = pod(HARBOR, "shop", "shop/api", "1.4")
    image = made["spec"]["containers"][0]["image"]
    assert str(parse(image)) == "harbor.example.com/shop/api:1.4"
    assert f"--image={image}" in command(HARBOR, "shop", "shop/api", "1.4")
    assert "imagePullSecrets" not in made["spec"]


def test_an_example_lies_below_the_path() -> None:
    assert example_repository(HARBOR.prefix) == "shop/app"
    assert example_repository(SourcePrefix("harbor.example.com", "")) == "team/app"


def test_the_pull_secret_is_shown_with_words_in_the_place_of_secrets() -> None:
    shown = pull_secret(["harbor.example.com/shop/"])
    (entry,) = shown["content"]["auths"].values()
    assert all(value.startswith("<") and value.endswith(">") for value in entry.values())
    assert "base64" in json.dumps(shown["explained"])

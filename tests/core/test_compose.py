"""Images of a Compose file."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.core.compose import compose_images, interpolate, is_compose
from portreeve.core.manifests import ImageUse, Located, NotEvaluated, Place, Source


def found(value: object, file: str = "compose.yaml") -> list[tuple[str, str]]:
    """Container and image of each use; "" and the code of what was not evaluated."""
    results = compose_images(value, Source(file, 1))
    return [(one.container, one.image) if isinstance(one, ImageUse) else ("", one.code) for one in results]


def services(**named: object) -> dict[str, Any]:
    return {"services": named}


def test_each_service_is_a_container() -> None:
    value = services(web={"image": Located("nginx", 4, plain=True)}) | {"name": "shop"}
    assert list(compose_images(value, Source("c.yaml", 1))) == [
        ImageUse("nginx", Place.COMPOSE, "c.yaml", 4, "Compose", "default", "shop", "web")
    ]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("nginx", "nginx"),
        ("nginx:${TAG:-1.2}", "nginx:1.2"),
        ("nginx:${TAG-1.2}", "nginx:1.2"),
        ("${A:-${B:-x}}/y:${C:-1}", "x/y:1"),
        ("a$$b", "a$b"),
        ("a$${TAG}", "a${TAG}"),
        ("nginx:${TAG}", None),
        ("nginx:$TAG", None),
        ("nginx:${TAG:?needed}", None),
        ("nginx:${TAG:+x}", None),
        ("nginx:${TAG:-${OTHER}}", None),
        ("${A:-" * 3000, None),
    ],
)
def test_only_written_defaults_are_put_in(text: str, filled: str | None) -> None:
    assert interpolate(text) == filled


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"build": "."}, []),
        ({"build": {"context": "."}, "image": "mine"}, [("s", "mine")]),
        ({"image": "${X}"}, [("", "template")]),
        ({"image": "${X:-}"}, [("", "template")]),
        ({"image": "{{ x }}"}, [("", "template")]),
        ({"image": Located("5", 1, plain=True)}, [("", "image_not_text")]),
        ({"image": ["x"]}, [("", "image_not_text")]),
        ({"command": "x"}, [("", "image_missing")]),
        ({"image": None}, [("", "image_missing")]),
        ({"provider": {"type": "x"}}, []),
        ("text", [("", "shape")]),
        ({"extends": {"service": "base", "file": "other.yaml"}}, [("", "compose_extends")]),
        ({"extends": {"service": "base", "file": "other.yaml"}, "image": "own"}, [("s", "own")]),
        ({"extends": "nobody"}, [("", "compose_extends")]),
        ({"extends": {"service": "s"}}, [("", "compose_extends")]),
        ({"extends": ["x"]}, [("", "compose_extends")]),
        ({"build": {"dockerfile_inline": "FROM alpine:3\n"}}, [("0", "alpine:3")]),
        ({"build": {"additional_contexts": {"b": "docker-image://busybox"}}}, [("s", "busybox")]),
        ({"build": ".", "volumes": [{"type": "image", "source": "data:1"}, "a:b"]}, [("s", "data:1")]),
    ],
)
def test_a_service_gives_its_images(service: object, expected: list[tuple[str, str]]) -> None:
    assert found(services(s=service)) == expected


def test_a_service_that_extends_one_of_the_same_file_runs_its_image() -> None:
    value = services(
        base={"image": "nginx"}, web={"extends": {"service": "base"}}, built={"build": "."}, b={"extends": "built"}
    )
    assert found(value) == [("base", "nginx"), ("web", "nginx")]


def test_what_another_file_adds_is_not_evaluated() -> None:
    assert found(services(a={"image": "x"}) | {"include": ["other.yaml"]}) == [("", "compose_include"), ("a", "x")]


def test_an_override_file_may_leave_the_image_to_its_base() -> None:
    assert found(services(a={"command": "x"}), "compose.override.yaml") == []


@pytest.mark.parametrize("value", ["text", [], {"services": "x"}, {"services": ["x"]}, {"web": {"image": "x"}}])
def test_another_shape_is_reported(value: object) -> None:
    assert found(value) == [("", "shape")]


def test_extension_fields_hold_no_service() -> None:
    assert found({"x-base": {"image": "x"}, "services": {"a": {"image": "y"}}}) == [("a", "y")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (services(a={"image": "x"}, b=None), True),
        (services(a={"build": "."}), True),
        (services(a={"port": 1}), False),
        (services(a={"image": "x"}) | {"kind": "Pod"}, False),
        ({"services": ["x"]}, False),
        ("text", False),
    ],
)
def test_a_compose_file_is_told_by_its_services(value: object, expected: bool) -> None:
    assert is_compose(value) is expected


def test_a_reason_names_the_service() -> None:
    [one] = compose_images(services(web={"image": "${X}"}), Source("c", 1))
    assert isinstance(one, NotEvaluated)
    assert "web" in one.reason

"""Images of a workflow."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.core.manifests import ImageUse, Located, Source
from portreeve.core.workflow import is_workflow, workflow_images


def found(value: object) -> list[tuple[str, str]]:
    results = workflow_images(value, Source("ci.yaml", 1))
    return [(one.container, one.image) if isinstance(one, ImageUse) else ("", one.code) for one in results]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"container": "node:20"}, [("j.container", "node:20")]),
        ({"container": {"image": "node:20"}}, [("j.container", "node:20")]),
        ({"container": {"image": Located("", 1, plain=False)}}, []),
        ({"container": {"options": "x"}}, [("", "image_missing")]),
        ({"container": "${{ matrix.image }}"}, [("", "template")]),
        ({"container": ["x"]}, [("", "image_not_text")]),
        (
            {"services": {"db": {"image": "postgres"}, "r": {"image": "${{ x }}"}}},
            [("j.services.db", "postgres"), ("", "template")],
        ),
        ({"services": {"db": {"ports": []}}}, [("", "image_missing")]),
        ({"services": "${{ fromJSON(x) }}"}, [("", "template")]),
        ({"services": ["x"]}, [("", "shape")]),
        ({"steps": [{"uses": "actions/checkout@v4"}, {"uses": "docker://alpine:3"}]}, [("j.steps[1]", "alpine:3")]),
        ({"steps": [{"uses": "docker://${{ x }}"}, "text"]}, [("", "template")]),
        ("text", [("", "shape")]),
        ({}, []),
    ],
)
def test_a_job_gives_its_images(job: object, expected: list[tuple[str, str]]) -> None:
    assert found({"on": "push", "jobs": {"j": job}}) == expected


@pytest.mark.parametrize("value", ["text", [], {}, {"jobs": ["x"]}])
def test_another_shape_is_reported(value: object) -> None:
    assert found(value) == [("", "shape")]


def test_a_workflow_is_told_by_its_jobs_and_triggers() -> None:
    value: dict[str, Any] = {"on": "push", "jobs": {}}
    assert is_workflow(value)
    assert not is_workflow({"jobs": {}})

"""A law for all readers of objects: whatever the shape, an answer and no exception."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.compose import compose_images, is_compose
from portreeve.core.dockerfile import dockerfile_images
from portreeve.core.manifests import ImageUse, Located, NotEvaluated, Source, flatten, is_kubernetes, object_images
from portreeve.core.workflow import is_workflow, workflow_images

KEYS = [
    "kind",
    "apiVersion",
    "metadata",
    "name",
    "namespace",
    "items",
    "spec",
    "template",
    "jobTemplate",
    "containers",
    "initContainers",
    "volumes",
    "image",
    "reference",
    "services",
    "build",
    "extends",
    "file",
    "service",
    "include",
    "dockerfile_inline",
    "additional_contexts",
    "type",
    "source",
    "jobs",
    "on",
    "container",
    "steps",
    "uses",
    "containerDisk",
]
TEXTS = [
    "",
    "null",
    "Pod",
    "List",
    "PodList",
    "CronJob",
    "v1",
    "x.io/v1",
    "nginx",
    "docker://a",
    "${A:-b}",
    "${",
    "image",
    "s",
    "FROM a",
]
LEAVES = (
    st.sampled_from(TEXTS)
    | st.builds(Located, st.sampled_from(TEXTS), st.integers(1, 9), st.booleans())
    | st.none()
    | st.integers()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "s"]), inner, max_size=6),
    max_leaves=30,
)
ROOTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
SOURCE = Source("f", 1)


@settings(max_examples=400, deadline=None)
@given(ROOTS | VALUES)
def test_no_shape_raises(value: object) -> None:
    results: list[object] = [*compose_images(value, SOURCE), *workflow_images(value, SOURCE)]
    assert {is_compose(value), is_workflow(value), is_kubernetes(value)} <= {True, False}
    if isinstance(value, dict):
        for found in flatten(value, SOURCE):
            results += [found] if isinstance(found, NotEvaluated) else object_images(*found)
    for one in results:
        assert isinstance(one, ImageUse | NotEvaluated)
        assert one.image if isinstance(one, ImageUse) else one.reason
        assert one.line >= 1


LINES = ["FROM a AS b", "FROM $A", "ARG A=b", "ARG", "FROM", "COPY --from=c x", "RUN --mount=from=d x", "RUN <<E", "E"]
LINES += ["\\", "#", "ONBUILD", "ONBUILD FROM a", "# escape=`", "'", '"', "RUN <<", "\t", "a \\"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=12).map("\n".join))
def test_no_dockerfile_raises_or_vanishes(text: str) -> None:
    results = list(dockerfile_images(text, SOURCE))
    assert all(isinstance(one, ImageUse | NotEvaluated) for one in results)
    assert results or "FROM" in text

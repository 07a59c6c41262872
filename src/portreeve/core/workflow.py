"""Images of a GitHub-style workflow: its mapping in, image uses out.

Read are `jobs.*.container` (text, or a mapping with `image`), `jobs.*.services.*.image` and steps that use
`docker://image`. Expressions (`${{ … }}`) make an image a template. Left out: images inside the actions and the
reusable workflows that `uses` names; they stand in other repositories.

Specification: Workflow syntax for GitHub Actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from portreeve.core.manifests import Place, Result, Source, image_result, is_null, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KIND: Final = "Workflow"
_DOCKER: Final = "docker://"


def is_workflow(value: object) -> bool:
    """Say whether a document is a workflow by its content: jobs, and what starts them."""
    return isinstance(value, dict) and isinstance(value.get("jobs"), dict) and "on" in value and "kind" not in value


def workflow_images(value: object, source: Source) -> Iterator[Result]:
    """Give the images of a workflow, job by job in the order written."""
    jobs = value.get("jobs") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(jobs, dict):
        yield source.not_evaluated("shape", "a workflow is a mapping with jobs")
        return
    name = value.get("name")
    workflow = str(name) if isinstance(name, str) else ""
    for key, job in jobs.items():
        if isinstance(job, dict):
            yield from _job_images(str(key), job, workflow, source)
        else:
            yield source.not_evaluated("shape", f"job {key} is not a mapping", line_of(job, source.line))


def _job_images(key: str, job: Mapping[str, Any], workflow: str, source: Source) -> Iterator[Result]:
    line = line_of(job, source.line)
    yield from _container(job.get("container"), f"{key}.container", workflow, source, line)
    services = job.get("services")
    if isinstance(services, dict):
        for name, service in services.items():
            yield from _container(service, f"{key}.services.{name}", workflow, source, line)
    elif not is_null(services):
        code = "template" if isinstance(services, str) and "${{" in services else "shape"
        yield source.not_evaluated(code, f"job {key}: services is not a mapping", line)
    steps = job.get("steps")
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        uses = step.get("uses") if isinstance(step, dict) else None
        if isinstance(uses, str) and uses.startswith(_DOCKER):
            at = line_of(uses, line_of(step, line))
            container = f"{key}.steps[{number}]"
            yield _image(uses.removeprefix(_DOCKER), container, workflow, source, at)


def _container(value: object, container: str, workflow: str, source: Source, line: int) -> Iterator[Result]:
    """A container is an image's name or a mapping with one; GitHub runs none for an empty name."""
    at = line_of(value, line)
    image = value.get("image") if isinstance(value, dict) else value
    if isinstance(value, dict) and "image" not in value:
        yield source.not_evaluated("image_missing", f"{container} has no image", at)
    elif not is_null(image) and image != "":
        yield _image(image, container, workflow, source, line_of(image, at))


def _image(image: object, container: str, workflow: str, source: Source, line: int) -> Result:
    return image_result(image, source, Place.WORKFLOW, kind=KIND, name=workflow, container=container, line=line)

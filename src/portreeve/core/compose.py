"""Images of a Compose file: its mapping in, image uses out.

Read are `services.*.image`, the image volumes of a service (`type: image`), and in its `build` the inline Dockerfile
and the `docker-image://` contexts. `${VAR:-default}` and `${VAR-default}` stand for their default; no environment is
read, so any other variable makes the image a template. A service that extends one of the same file has that one's
image. What another file could add (`include`, `extends` with a file) is reported as not evaluated. `x-` fields hold no
service; what they lend by anchor and merge key has been merged by the reader.

Specification: Compose Specification, 05-services, 12-interpolation, 14-include.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from portreeve.core.dockerfile import dockerfile_images
from portreeve.core.manifests import LONGEST, Place, Result, Source, image_result, is_null, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KIND: Final = "Compose"
# A service with one of these runs what it builds, what its base has (told apart above), or nothing.
_NO_IMAGE_NEEDED: Final = {"build", "provider", "extends"}
_ESCAPED: Final = "$$"
# The innermost variable with a default: its text holds no other.
_DEFAULT: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*:?-([^${}]*)\}")
_IMAGE_CONTEXT: Final = "docker-image://"


def is_compose(value: object) -> bool:
    """Say whether a document is a Compose file by its content: services that run something, and no Kubernetes kind."""
    if not isinstance(value, dict) or "apiVersion" in value or "kind" in value:
        return False
    services = value.get("services")
    return isinstance(services, dict) and any(_runs_something(one) for one in services.values())


def _runs_something(service: object) -> bool:
    return isinstance(service, dict) and not service.keys().isdisjoint(("image", "build", "extends"))


def compose_images(value: object, source: Source) -> Iterator[Result]:
    """Give the images of a Compose file, service by service in the order written."""
    if not isinstance(value, dict):
        yield source.not_evaluated("shape", "a Compose file is a mapping")
        return
    name = value.get("name")
    name = str(name) if isinstance(name, str) else ""
    if value.get("include") and not is_null(value["include"]):
        line = line_of(value, source.line)
        yield source.not_evaluated("compose_include", "include brings in services of another file", line)
    services = value.get("services")
    if is_null(services):
        if any(_runs_something(one) for one in value.values()):
            yield source.not_evaluated("shape", "services at the top level: Compose's first format is not read")
        return
    if not isinstance(services, dict):
        yield source.not_evaluated("shape", "services is not a mapping")
        return
    for key, service in services.items():
        yield from _service_images(str(key), service, services, _Project(source, name))


class _Project:
    """The Compose file that a service stands in."""

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name

    def image(self, value: object, container: str, line: int) -> Result:
        """What stands at an image field, its defaults put in."""
        if isinstance(value, str) and "$" in value and not is_null(value):
            at = line_of(value, line)
            filled = interpolate(str(value))
            if filled is None or not filled:
                reason = f"service {container}: image {str(value)[:200]!r} depends on the environment"
                return self.source.not_evaluated("template", reason, at)
            value, line = filled, at
        return image_result(
            value, self.source, Place.COMPOSE, kind=KIND, name=self.name, container=container, line=line
        )  # fmt: skip


def interpolate(text: str) -> str | None:
    """Put in the defaults that are written; None when something only the environment knows is left."""
    if len(text) > LONGEST:
        return None
    parts = []
    for part in text.split(_ESCAPED):
        filled = part
        while (found := _DEFAULT.search(filled)) is not None:
            filled = filled[: found.start()] + found[1] + filled[found.end() :]
        if "$" in filled:
            return None
        parts.append(filled)
    return "$".join(parts)


def _service_images(key: str, service: object, services: Mapping[str, Any], project: _Project) -> Iterator[Result]:
    source = project.source
    line = line_of(service, source.line)
    if not isinstance(service, dict):
        yield source.not_evaluated("shape", f"service {key} is not a mapping", line)
        return
    image, code = _own_or_extended(service, services)
    if code:
        yield source.not_evaluated(code, f"service {key} extends one that this file does not hold", line)
    elif not is_null(image):
        yield project.image(image, key, line_of(image, line))
    elif not (_NO_IMAGE_NEEDED & service.keys()) and ".override." not in source.file:
        yield source.not_evaluated("image_missing", f"service {key} has neither an image nor a build", line)
    yield from _build_images(key, service.get("build"), project, line)
    volumes = service.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        if isinstance(volume, dict) and volume.get("type") == "image":
            yield project.image(volume.get("source"), key, line_of(volume, line))


def _own_or_extended(service: Mapping[str, Any], services: Mapping[str, Any]) -> tuple[object, str]:
    """A service's image, or that of the service it extends, and "" or the code of why it cannot be known.

    A service that is built, itself or by what it extends, and names no image has none: (None, "").
    """
    seen: list[object] = [service]
    while is_null(service.get("image")) and is_null(service.get("build")) and not is_null(service.get("extends")):
        extends = service["extends"]
        name = extends.get("service") if isinstance(extends, dict) else extends
        elsewhere = isinstance(extends, dict) and not is_null(extends.get("file"))
        base = services.get(name) if isinstance(name, str) else None
        if elsewhere or not isinstance(base, dict) or any(base is one for one in seen):
            return None, "compose_extends"
        seen.append(base)
        service = base
    return service.get("image"), ""


def _build_images(key: str, build: object, project: _Project, line: int) -> Iterator[Result]:
    if not isinstance(build, dict):
        return
    inline = build.get("dockerfile_inline")
    if isinstance(inline, str) and not is_null(inline):
        source = Source(project.source.file, line_of(build, line), project.source.namespace)
        yield from dockerfile_images(str(inline), source, inline=True)
    contexts = build.get("additional_contexts")
    entries = contexts.values() if isinstance(contexts, dict) else contexts if isinstance(contexts, list) else ()
    for entry in entries:
        _, found, image = entry.partition(_IMAGE_CONTEXT) if isinstance(entry, str) else ("", "", "")
        if found:
            yield project.image(image, key, line_of(build, line))

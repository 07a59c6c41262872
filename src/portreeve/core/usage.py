"""How a workload uses a granted registry: the annotation, a pod, a command, and what the pull secret holds.

Nothing has to be put into a manifest where the registry is granted: ServiceAccounts there name the pull secret. The
annotation is for delivery by workload: it says that this one needs the registry although its images do not (yet)
come from there. Each registry has a key of its own, so that one pod can name several.

Sources: requirements C-09 and D-13; Kubernetes, "Pull an Image from a Private Registry".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from portreeve.core.policy import Registry
from portreeve.core.reference import SourcePrefix

PULL_SECRET_NAME: Final = "portreeve-pull"  # noqa: S105 -- the name of an object
"""The one Secret of ours in a namespace. Source: mission, "Pull secret"."""

ANNOTATION: Final = "portreeve.io/registry."
"""Before the registry's name. The part behind the slash has at most 63 characters in Kubernetes."""

MAX_NAME: Final = 63 - len("registry.")


def annotation(registry: str) -> tuple[str, str]:
    """Key and value of the annotation that names a registry; the value tells registries whose keys are cut alike."""
    return f"{ANNOTATION}{registry[:MAX_NAME].rstrip('-')}", registry


def pod(registry: Registry, namespace: str, repository: str, tag: str) -> dict[str, Any]:
    """A pod that pulls from the registry. `repository` is a path without the host, `tag` a tag or a digest."""
    key, value = annotation(registry.name)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"uses-{registry.name}"[:63].rstrip("-"),
            "namespace": namespace,
            "annotations": {key: value},
        },
        "spec": {"containers": [{"name": "main", "image": _image(registry, repository, tag)}]},
    }


def command(registry: Registry, namespace: str, repository: str, tag: str) -> tuple[str, ...]:
    """The same as the words of a command; whoever shows it as one line quotes them."""
    return ("kubectl", "run", "main", f"--image={_image(registry, repository, tag)}", f"--namespace={namespace}")


def _image(registry: Registry, repository: str, reference: str) -> str:
    return f"{registry.prefix.host}/{repository}{'@' if ':' in reference else ':'}{reference}"


def example_repository(prefix: SourcePrefix) -> str:
    """A repository at or below the registry's path, for those who named none."""
    return f"{prefix.path}/app" if prefix.path else "team/app"


def pull_secret(keys: Sequence[str]) -> dict[str, Any]:
    """What the pull secret looks like from inside, with words in the place of every secret."""
    entry = {"username": "<user name>", "password": "<password or token>", "auth": "<base64 of user name:password>"}
    return {
        "name": PULL_SECRET_NAME,
        "type": "kubernetes.io/dockerconfigjson",
        "content": {"auths": dict.fromkeys(keys, entry)},
        "explained": [
            "auths: a key for each granted registry or path; the longest that an image lies below is offered first",
            "auth: user name and password once more, in base64, which hides nothing from whoever may read the Secret",
            "it is made, rotated and removed by Portreeve; what is written into it by hand does not stay",
        ],
    }

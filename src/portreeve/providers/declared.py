"""What providers find wrong in a Registry document, offline: the programs ask where documents are read or proposed.

The documents' shape knows no provider, so that adding one does not touch it; names and parameters are checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from portreeve.core.reference import shown
from portreeve.errors import Problem
from portreeve.providers import every
from portreeve.providers.contract import Place


def problems(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong with the provider and the credentials of a Registry's spec, by its field.

    The spec has the documents' shape already. No value of a parameter is shown.
    """
    name = str(spec.get("provider", ""))
    provider = every().get(name)
    if provider is None:
        near = get_close_matches(name, every(), 1)
        hint = f"did you mean {near[0]}? " if near else ""
        hint += f"one of {', '.join(every())}"
        yield Problem("provider_unknown", f"there is no provider {shown(name, 40)}", "spec.provider", hint)
        return
    misplaced = provider.misplaced(Place(str(spec.get("host", "")), str(spec.get("path", ""))))
    if misplaced is not None:
        yield replace(misplaced, field=f"spec.{misplaced.field}")
    for index, credential in enumerate(spec.get("credentials", [])):
        parameters = {str(key): str(value) for key, value in credential.get("parameters", {}).items()}
        for problem in provider.problems(str(credential.get("method", "")), parameters):
            yield replace(problem, field=f"spec.credentials[{index}].{problem.field}")


def can_end(provider: str, method: str) -> bool:
    """Whether the provider lets a credential of this method end; False where either is not known."""
    known = every().get(provider)
    return known is not None and any(one.ends for one in known.methods if one.name == method)

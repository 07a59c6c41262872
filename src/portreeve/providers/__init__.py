"""The products behind registries, one file each. Adding one is a file here, a test file and a page in docs/providers.

A module holds one `PROVIDER`; `every()` finds them by looking at the files, so that nothing lists them twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from portreeve.core.reference import shown
from portreeve.errors import Invalid
from portreeve.providers.contract import Provider

_OTHERS: Final = frozenset({"contract", "declared", "firewall", "recognise"})
"""Modules here that are no provider."""


@cache
def every() -> Mapping[str, Provider]:
    """Name → provider, sorted by name."""
    found = {}
    for module in iter_modules(__path__):
        if module.name not in _OTHERS and not module.name.startswith("_"):
            provider = import_module(f"{__name__}.{module.name}").PROVIDER
            found[provider.name] = provider
    return MappingProxyType(dict(sorted(found.items())))


def named(name: str) -> Provider:
    """The provider of this name.

    Raises:
        Invalid: `provider_unknown`, with the names that there are.
    """
    found = every().get(name)
    if found is None:
        names = ", ".join(every())
        raise Invalid("provider_unknown", f"there is no provider {shown(name, 40)}", hint=f"one of {names}")
    return found

"""How a registry says that it wants to be asked: the header `WWW-Authenticate`.

Sources: RFC 9110 sections 5.6.4 and 11.6.1; Docker's "Token Authentication Specification".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from portreeve.errors import Stalled
from portreeve.oci.model import Challenge, Scheme

_LENGTH: Final = 8192
"""Characters. Real ones have a few hundred."""

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 -- a grammar, not a password
_PARAMETER: Final = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*+"|{_TOKEN}|(?=[\s,]|$))', re.ASCII)
_SCHEME: Final = re.compile(rf"[\s,]*({_TOKEN})(?=[\s,]|$)", re.ASCII)
_TOKEN68: Final = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """One challenge: its scheme in lower case, and its parameters with names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def offers(header: str, *, where: str) -> tuple[Offer, ...]:
    """The challenges of a header, in order; what cannot be read ends the list, and one too long has none.

    Raises:
        Stalled: `answer_ambiguous`: a parameter stands twice in a challenge.
    """
    return tuple(_offers(header, where)) if len(header) <= _LENGTH else ()


def _offers(header: str, where: str) -> Iterator[Offer]:
    at = 0
    while scheme := _SCHEME.match(header, at):
        at = scheme.end()
        parameters: dict[str, str] = {}
        while found := _PARAMETER.match(header, at):
            name = found[1].lower()
            if name in parameters:
                raise Stalled(
                    "answer_ambiguous",
                    f"{where} asks for a login in two ways at once",
                    hint="a proxy may have added to the answer; see what stands before the registry",
                )
            parameters[name] = _unquoted(found[2])
            at = found.end()
        if not parameters and (token := _TOKEN68.match(header, at)):
            at = token.end()
        yield Offer(scheme[1].lower(), parameters)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value


def chosen(header: str, *, where: str) -> Challenge | None:
    """The challenge to answer: Bearer before Basic, as Docker does; None if neither is offered.

    Raises:
        Stalled: `answer_ambiguous`: parameters stand twice, or two Bearer challenges differ.
    """
    found = offers(header, where=where)
    bearers = [each for each in found if each.scheme == "bearer" and each.parameters.get("realm")]
    if any(each.parameters != bearers[0].parameters for each in bearers):
        raise Stalled(
            "answer_ambiguous",
            f"{where} names two token services",
            hint="see what stands before the registry, and whether it is set up twice",
        )
    if bearers:
        first = bearers[0].parameters
        return Challenge(Scheme.BEARER, first["realm"], first.get("service", ""), first.get("scope", ""))
    return Challenge(Scheme.BASIC) if any(each.scheme == "basic" for each in found) else None

"""How a list goes on: the header `Link`, or the last name.

What continues a list is shown to whoever reads it and comes back from there, so it is never an address: it is the query
of the next page behind a "?", or the last name. The path is ours each time.

Sources: OCI Distribution Specification 1.1, "Listing tags"; RFC 8288 section 3.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from portreeve.core.reference import shown
from portreeve.errors import Invalid
from portreeve.transport.origin import Origin, joined, split_url

MOST: Final = 1000
"""Entries of a page; Distribution refuses more (PAGINATION_NUMBER_INVALID)."""

_AFTER_MOST: Final = 4096
"""Characters. Clouds put a token of a kilobyte and more into it."""
_LINK: Final = re.compile(r'<([^<>"]{0,8000})>\s*((?:;[^,"]{0,200}(?:"[^"]{0,200}")?)*+)')
_NEXT: Final = re.compile(r';\s*rel\s*=\s*"?next"?\s*(?:;|$)', re.IGNORECASE)
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%\[\]|-]*", re.ASCII)


def query(after: str, limit: int) -> str:
    """The query of the page behind `after`, "" for the first.

    Raises:
        Invalid: `page_refused`: `after` is not what a page gave.
    """
    if len(after) > _AFTER_MOST or not after.isprintable():
        raise _not_given(after)
    if after.startswith("?"):
        if not _QUERY.fullmatch(after[1:]):
            raise _not_given(after)
        return after[1:]
    number = f"n={min(max(limit, 1), MOST)}"
    return f"{number}&last={quote(after, safe='')}" if after else number


def following(header: str, origin: Origin, path: str) -> str:
    """What continues a list according to its `Link`, "" at the end.

    Args:
        path: of the page that had the header.
    Raises:
        Invalid: `url_refused`: it leads to another origin, or to another path.
    """
    for target, parameters in _LINK.findall(header[:16384]):
        if not _NEXT.search(parameters):
            continue
        to, to_path, to_query = split_url(joined(f"{origin}{path}", target))
        if to != origin or unquote(to_path) != unquote(path):
            raise Invalid(
                "url_refused",
                f"{origin}{path} continues at another address",
                hint="see what stands before the registry; it must name itself as it is asked",
            )
        if len(to_query) >= _AFTER_MOST or not _QUERY.fullmatch(to_query):
            raise Invalid(
                "url_refused", f"{origin}{path} continues at what is no address", hint="see the registry's version"
            )
        return f"?{to_query}"
    return ""


def _not_given(after: str) -> Invalid:
    return Invalid(
        "page_refused", f"{shown(after, 60)} continues no list", hint="begin at the first page, and go on from there"
    )

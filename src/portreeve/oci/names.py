"""Names that go into addresses: repositories, tags and digests. What does not fit the grammar never leaves.

Source: OCI Distribution Specification 1.1, "Pulling manifests"; Docker's limit of 255 characters.
"""

from __future__ import annotations

import re
from typing import Final

from portreeve.core.reference import shown
from portreeve.errors import Invalid
from portreeve.oci.digests import checked

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"(?=.{{1,255}}$){_PART}(?:/{_PART})*", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)


def is_repository(text: str) -> bool:
    """Whether it is a repository's path, without the host."""
    return _REPOSITORY.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether it is a tag."""
    return _TAG.fullmatch(text) is not None


def repository(text: str) -> str:
    """The repository's path.

    Raises:
        Invalid: `repository_grammar`.
    """
    if not is_repository(text):
        raise Invalid(
            "repository_grammar",
            f"{shown(text, 80)} is not a repository",
            hint="write its path without the host, in lower case: team/app",
        )
    return text


def tag(text: str) -> str:
    """The tag.

    Raises:
        Invalid: `tag_grammar`.
    """
    if not is_tag(text):
        raise Invalid(
            "tag_grammar",
            f"{shown(text, 80)} is not a tag",
            hint="a tag has letters, digits, dots, dashes and underscores, at most 128",
        )
    return text


def reference(text: str) -> str:
    """The tag or digest.

    Raises:
        Invalid: `digest_grammar`, `tag_grammar`.
    """
    return checked(text) if ":" in text else tag(text)

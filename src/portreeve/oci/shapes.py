"""Parts of answers, taken only if they are what the API says.

Source: OCI Image Specification 1.1, descriptor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from portreeve.errors import Stalled
from portreeve.oci.digests import is_digest
from portreeve.oci.model import Descriptor

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
"""Source: RFC 6838 section 4.2."""

_PLATFORM_PART: Final = re.compile(r"[A-Za-z0-9_.-]{0,40}", re.ASCII)
_DESCRIPTOR: Final = (
    "mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform",
)  # fmt: skip
_PLATFORM: Final = ("architecture", "os", "os.version", "os.features", "variant", "features")
_SIZE_MOST: Final = 2**63 - 1


class Shapes:
    """Takes parts of one answer; every refusal names who answered."""

    def __init__(self, where: str) -> None:
        self._where = where

    def mapping(self, value: object, known: Iterable[str] = ()) -> Mapping[str, Any]:
        """An object in which no known key stands in another spelling: Go would read `Layers` as `layers`.

        Raises:
            Stalled: `answer_shape`, as do all of these; `answer_ambiguous` for the spelling.
        """
        if not isinstance(value, dict):
            self.refuse("an object is something else")
        spelled = {name.casefold(): name for name in known}
        for key in value:
            if spelled.get(key.casefold(), key) != key:
                self.ambiguous("a key stands in another spelling")
        return value

    def listed(self, value: object) -> list[Any]:
        """A list; none at all is an empty one, as Go writes it (`null`)."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse("a list is something else")
        return value

    def text(self, value: object) -> str:
        """Text, "" where there is none."""
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse("a text is something else")
        return value

    def descriptor(self, value: object) -> Descriptor:
        """A descriptor of content that has a digest, a size and a type."""
        read = self.mapping(value, _DESCRIPTOR)
        digest, size = self.text(read.get("digest")), read.get("size")
        if not is_digest(digest):
            self.refuse("a digest is none")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _SIZE_MOST:
            self.refuse("a size is none")
        annotations = self.mapping(read.get("annotations") or {})
        return Descriptor(
            digest=digest,
            media_type=self.media_type(read.get("mediaType")),
            size_bytes=size,
            artifact_type=self.media_type(read["artifactType"]) if read.get("artifactType") else "",
            annotations={key: self.text(each) for key, each in annotations.items()},
            platform=self._platform(read.get("platform")),
        )

    def media_type(self, value: object) -> str:
        """A media type without parameters."""
        text = self.text(value)
        if not _MEDIA_TYPE.fullmatch(text):
            self.refuse("a media type is none")
        return text

    def _platform(self, value: object) -> str:
        if value is None:
            return ""
        read = self.mapping(value, _PLATFORM)
        parts = [self.text(read.get(name)) for name in ("os", "architecture", "variant")]
        if not all(_PLATFORM_PART.fullmatch(part) for part in parts):
            self.refuse("a platform is none")
        return "/".join(part for part in parts if part)

    def refuse(self, why: str) -> NoReturn:
        """Give up: the answer is JSON, and not what was asked for."""
        raise Stalled(
            "answer_shape",
            f"{self._where} answered with what the API does not know: {why}",
            hint="see that the address is that of a registry; the image may have been pushed by a broken tool",
        )

    def ambiguous(self, why: str) -> NoReturn:
        """Give up: two readers would read different things."""
        raise Stalled(
            "answer_ambiguous",
            f"{self._where} answered with what readers take for different things: {why}",
            hint="somebody may be showing different things to different readers; do not use this content",
        )

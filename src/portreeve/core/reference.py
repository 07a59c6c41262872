r"""Image references and source prefixes: parse, print, canonicalise, match.

Theory of operation
-------------------
A reference is read exactly as `github.com/distribution/reference` v0.6.0 reads it (`ParseNormalizedNamed`
followed by `TagNameOnly`), because containerd, the kubelet and Docker do:

1. Cut at the first `/`. Without one, the name is a Docker Hub official image: `nginx` is
   `docker.io/library/nginx`.
2. The first part is a host if it is `localhost`, contains `.` or `:`, or has an upper-case letter; else the
   whole name lives on `docker.io`. `index.docker.io` is the only alias of `docker.io`. On `docker.io` a
   one-segment path gets `library/` in front.
3. The rest must fit the grammar: lower-case path components, optional tag, optional digest.

Then come the refusals. The library accepts strings whose meaning a policy cannot pin down; here they raise
`UnsafeReference` with one of the `Refusal` reasons:

* A bare image id (`sha256:<64 hex>`, or hexadecimal digits alone). The library reads `deadbeef` as an
  official image, but containerd's CRI plugin, when no such image is stored, looks the same string up as
  an abbreviated image id: it would run whatever already lies on the node.
* IPv6 literals: one address has many spellings.
* A first segment that must be a host and is none (`a__b.c/x`): the library falls back to a name without any host.
* Upper case in `docker.io` or `index.docker.io`: the library sees another host there and adds no
  `library/`, while DNS sees the same one.
* An upper-case host of one label without port (`Team/app`): in lower case it would be read as a path of Docker Hub.
* More than 255 characters of host and path together: releases of the library disagree on what is counted.

Hosts are compared, and printed, in lower case; everything else is kept as written.

Source: distribution/reference v0.6.0, normalize.go, regexp.go, reference.go; opencontainers/go-digest v1.0.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portreeve.errors import Invalid

DOCKER_HUB: Final = "docker.io"
DOCKER_HUB_ALIAS: Final = "index.docker.io"
OFFICIAL: Final = "library/"
DEFAULT_TAG: Final = "latest"

MAX_NAME_LENGTH: Final = 255
"""Characters of host and path together.
Source: RepositoryNameTotalLengthMax, which before v0.6.0 counted the host too."""

MAX_REFERENCE_LENGTH: Final = 600
"""No reference within the grammar and MAX_NAME_LENGTH is longer: 255 + ":" + 128 (tag) + "@" + 7 + 128 (sha512) = 520.
A cheap first test that keeps hostile megabytes away from the regular expressions, here and in CEL."""

MAX_SOURCE_SEGMENTS: Final = 7
"""Path segments of a source prefix. The compiled policy looks a repository up once per leading segment; real
registries nest to five (GitLab: group/subgroup/project/image/name)."""

# The grammar, in the common subset of Python's and RE2's syntax: core.cel embeds the same strings.
# Digits and letters are spelled out because \d and \w mean other things to the two engines.
HOST_LABEL: Final = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST_PATTERN: Final = rf"{HOST_LABEL}(?:[.]{HOST_LABEL})*(?::[0-9]+)?"
PATH_COMPONENT: Final = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
PATH_PATTERN: Final = f"{PATH_COMPONENT}(?:/{PATH_COMPONENT})*"
TAG_PATTERN: Final = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST_PATTERN: Final = "sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}"
REFERENCE_PATTERN: Final = f"(?:{HOST_PATTERN}/)?{PATH_PATTERN}(?::{TAG_PATTERN})?(?:@(?:{DIGEST_PATTERN}))?"
IMAGE_ID_PATTERN: Final = "(?:sha256:[a-f0-9]{64}|[a-f0-9]{1,64})"

_NAME = re.compile(f"({HOST_PATTERN})/({PATH_PATTERN})")
_HOST = re.compile(HOST_PATTERN)
_TAG = re.compile(TAG_PATTERN)
_DIGEST = re.compile(DIGEST_PATTERN)
_IMAGE_ID = re.compile(IMAGE_ID_PATTERN)
_PRINTABLE = re.compile("[!-~]+")
_WILDCARD_HOST = re.compile(rf"[*](?:[.]{HOST_LABEL}){{2,}}(?::[0-9]+)?")
_PATH = re.compile(PATH_PATTERN)


class Refusal(StrEnum):
    """Why a string is not a reference that a policy can judge."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    CHARACTERS = "invalid_characters"
    FORMAT = "invalid_format"
    HOST = "invalid_host"
    UPPER_CASE = "upper_case_path"
    DIGEST = "invalid_digest"
    IMAGE_ID = "bare_image_id"
    IPV6 = "ipv6_host"
    HUB_CASE = "docker_hub_upper_case"
    HOST_CASE = "upper_case_single_label_host"


_EXPLAIN: Final[dict[Refusal, str]] = {
    Refusal.EMPTY: "the reference is empty",
    Refusal.TOO_LONG: f"host and path are longer than {MAX_NAME_LENGTH} characters",
    Refusal.CHARACTERS: "the reference holds spaces, control characters or letters outside ASCII",
    Refusal.FORMAT: "the reference does not fit the grammar host[:port]/path[:tag][@digest]",
    Refusal.HOST: "the first segment has a dot or a colon and yet is no host name with an optional port",
    Refusal.UPPER_CASE: "the path has upper-case letters",
    Refusal.DIGEST: "the digest is not sha256, sha384 or sha512 with lower-case hexadecimal digits of full length",
    Refusal.IMAGE_ID: "a bare image id names whatever already lies on a node, not a source",
    Refusal.IPV6: "a host written as an IPv6 literal has many spellings",
    Refusal.HUB_CASE: "Docker Hub's host in upper case is read as another registry by some runtimes",
    Refusal.HOST_CASE: "an upper-case first segment without dot or port is a host to some readers and a path to others",
}


class UnsafeReference(Invalid):
    """The string cannot be canonicalised safely; `reason` says why."""

    def __init__(self, text: str, reason: Refusal) -> None:
        super().__init__("unsafe_reference", f"{shown(text)}: {_EXPLAIN[reason]}")
        self.reason = reason
        self.explanation = _EXPLAIN[reason]


def shown(text: str, limit: int = 120) -> str:
    """`text` made safe for one line of a terminal, a log or a message: escaped, and cut at `limit` characters."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return cut if _PRINTABLE.fullmatch(cut.replace("…", "")) else ascii(cut)


@dataclass(frozen=True, slots=True)
class Reference:
    """A canonical image reference: `host` in lower case, `path` with `library/` where it belongs.

    At least one of `tag` and `digest` is set; a name alone got the tag `latest`.
    """

    host: str
    path: str
    tag: str | None
    digest: str | None

    @property
    def repository(self) -> str:
        """Host and path, as "docker.io/library/nginx"."""
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"

    @property
    def pinned(self) -> bool:
        """Whether a digest decides what is pulled."""
        return self.digest is not None


def parse(text: str) -> Reference:
    """Read an image reference as the container runtimes do.

    Raises:
        UnsafeReference: it cannot be canonicalised safely; `reason` says why.
    Source: distribution/reference v0.6.0, ParseNormalizedNamed and TagNameOnly.
    """
    _refuse_unreadable(text)
    name, digest = _cut_digest(text)
    host, rest = _cut_host(name, text)
    path, tag = _cut_tag(rest)
    if not _HOST.fullmatch(host):
        raise UnsafeReference(text, Refusal.HOST)
    if path != path.lower():
        raise UnsafeReference(text, Refusal.UPPER_CASE)
    if not _NAME.fullmatch(f"{host}/{path}") or (tag is not None and not _TAG.fullmatch(tag)):
        raise UnsafeReference(text, Refusal.FORMAT)
    if len(host) + 1 + len(path) > MAX_NAME_LENGTH:
        raise UnsafeReference(text, Refusal.TOO_LONG)
    if tag is None and digest is None:
        tag = DEFAULT_TAG
    return Reference(host.lower(), path, tag, digest)


def _refuse_unreadable(text: str) -> None:
    if not text:
        raise UnsafeReference(text, Refusal.EMPTY)
    if len(text) > MAX_REFERENCE_LENGTH:
        raise UnsafeReference(text, Refusal.TOO_LONG)
    if not _PRINTABLE.fullmatch(text):
        raise UnsafeReference(text, Refusal.CHARACTERS)
    if _IMAGE_ID.fullmatch(text):
        raise UnsafeReference(text, Refusal.IMAGE_ID)


def _cut_digest(text: str) -> tuple[str, str | None]:
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise UnsafeReference(text, Refusal.DIGEST if ":" in digest else Refusal.FORMAT)
    return name, digest if at else None


def _cut_host(name: str, text: str) -> tuple[str, str]:
    """Host and remainder (path with tag), with Docker Hub's defaults applied."""
    first, slash, rest = name.partition("/")
    if not slash:
        return DOCKER_HUB, OFFICIAL + name
    if first.startswith("["):
        raise UnsafeReference(text, Refusal.IPV6)
    lower = first.lower()
    if lower != first and lower in {DOCKER_HUB, DOCKER_HUB_ALIAS}:
        raise UnsafeReference(text, Refusal.HUB_CASE)
    if first == DOCKER_HUB_ALIAS:
        first = DOCKER_HUB
    elif lower != first and not looks_like_host(lower):
        raise UnsafeReference(text, Refusal.HOST_CASE)
    elif not looks_like_host(lower):
        first, rest = DOCKER_HUB, name
    if first == DOCKER_HUB and "/" not in rest:
        rest = OFFICIAL + rest
    return first, rest


def looks_like_host(first: str) -> bool:
    """Whether a lower-case first segment is a host and not a path of Docker Hub."""
    return first == "localhost" or "." in first or ":" in first


def _cut_tag(rest: str) -> tuple[str, str | None]:
    path, colon, tag = rest.partition(":")
    return path, tag if colon else None


@dataclass(frozen=True, slots=True, order=True)
class SourcePrefix:
    """A canonical prefix of repositories: a host, or a host and leading path segments.

    `host` is in lower case, with its port if it has one; it may begin with "*." and then stands for exactly
    one label there. `path` is "" for the whole host.
    """

    host: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.host}/{self.path}" if self.path else self.host

    @property
    def key(self) -> str:
        """The prefix with a closing slash, so that a plain comparison is a comparison of whole segments."""
        return f"{self}/"

    @property
    def wildcard(self) -> bool:
        """Whether the host begins with "*."."""
        return self.host.startswith("*.")

    def covers(self, reference: Reference) -> bool:
        """Whether the repository lies at or below this prefix."""
        return self.key in keys(reference)


def look_alikes(prefix: SourcePrefix) -> tuple[str, ...]:
    """Repositories that begin with the prefix's text, or nearly, and that it does not cover: what to show beside it."""
    if prefix.wildcard:
        parent = prefix.host.removeprefix("*.")
        return f"{parent}/app", f"a.b.{parent}/app", f"a.{parent}.evil.example/app"
    below = f"/{prefix.path}/app" if prefix.path else "/app"
    name, colon, _ = prefix.host.partition(":")
    found = [f"{name}.evil.example{below}", f"{name}{below}" if colon else f"{name}:5000{below}"]
    return (*found, f"{prefix}-evil/app") if prefix.path else tuple(found)


def keys(reference: Reference) -> tuple[str, ...]:
    """Every `SourcePrefix.key` that covers the repository, the most specific first, exact hosts before wildcards.

    A look-up of these few strings in a constant map is the whole match, here and in the compiled policy.
    """
    segments = reference.path.split("/")
    depth = min(len(segments), MAX_SOURCE_SEGMENTS)
    found: list[str] = []
    for host in (reference.host, *wildcard_of(reference.host)):
        found += ["/".join((host, *segments[:count])) + "/" for count in range(depth, -1, -1)]
    return tuple(found)


def wildcard_of(host: str) -> tuple[str, ...]:
    """The one wildcard host that covers `host`; empty for hosts of fewer than three labels."""
    first, dot, rest = host.partition(".")
    return (f"*.{rest}",) if dot and first and "." in rest else ()


class InvalidPrefix(Invalid):
    """The text is not a source prefix; `hint` says what to write."""


def parse_prefix(text: str) -> SourcePrefix:
    """Read an allowed source: `host[:port][/path…]`, the host optionally as `*.parent.domain`.

    A closing slash is accepted. Nothing else is guessed: short names, tags, digests and schemes are refused
    with what to write in their place.

    Raises:
        InvalidPrefix: with a hint.
    """
    if not text or not _PRINTABLE.fullmatch(text):
        raise InvalidPrefix("prefix_characters", f"{shown(text)} is empty or holds spaces or letters outside ASCII")
    if "://" in text:
        raise InvalidPrefix("prefix_scheme", f"{shown(text)} has a scheme", hint=f"write {text.partition('://')[2]}")
    host, _, path = text.removesuffix("/").partition("/")
    host = host.lower()
    _check_prefix_host(host, text)
    _check_prefix_path(path, text)
    if host == DOCKER_HUB_ALIAS:
        host = DOCKER_HUB
    if len(host) + 1 + len(path) > MAX_NAME_LENGTH:
        raise InvalidPrefix("prefix_too_long", f"{shown(text)} is longer than {MAX_NAME_LENGTH} characters")
    return SourcePrefix(host, path)


def _check_prefix_host(host: str, text: str) -> None:
    if host.startswith("["):
        raise InvalidPrefix("prefix_ipv6", f"{shown(text)}: IPv6 literals are refused", hint="give the registry a name")
    if not host.startswith("*") and not looks_like_host(host):
        raise InvalidPrefix(
            "prefix_without_host",
            f"{shown(text)} does not begin with a host",
            hint=f"write {DOCKER_HUB}/{text if '/' in text else OFFICIAL + text}" if _PATH.fullmatch(text) else "",
        )
    if "*" in host and not _WILDCARD_HOST.fullmatch(host):
        raise InvalidPrefix(
            "prefix_wildcard",
            f"{shown(text)}: a wildcard stands for one whole label in front of at least two others",
            hint="write *.azurecr.io, or name each host",
        )
    if not host.startswith("*") and not _HOST.fullmatch(host):
        raise InvalidPrefix("prefix_host", f"{shown(text)}: {shown(host)} is not a host name with an optional port")
    if host.startswith("*") and host.partition(":")[0].rpartition(".")[2].isdigit():
        raise InvalidPrefix("prefix_wildcard", f"{shown(text)}: an address takes no wildcard", hint="name each address")


def _check_prefix_path(path: str, text: str) -> None:
    if not path:
        return
    if "@" in path or ":" in path:
        raise InvalidPrefix(
            "prefix_tag",
            f"{shown(text)} has a tag or digest; a source covers a repository and all below it",
            hint=f"write {text.partition('@')[0].rpartition(':')[0] or text.partition('@')[0]}",
        )
    if "*" in path:
        raise InvalidPrefix(
            "prefix_path_wildcard",
            f"{shown(text)}: a path takes no wildcard",
            hint="a prefix already covers all below it",
        )
    if not _PATH.fullmatch(path):
        raise InvalidPrefix(
            "prefix_path",
            f"{shown(text)}: path segments are lower-case letters and digits, joined by a dot, underscores or dashes",
            hint=f"write {text.lower()}" if _PATH.fullmatch(path.lower()) else "",
        )
    if path.count("/") + 1 > MAX_SOURCE_SEGMENTS:
        raise InvalidPrefix(
            "prefix_too_deep",
            f"{shown(text)} has {path.count('/') + 1} path segments; a cluster policy holds {MAX_SOURCE_SEGMENTS}",
            hint="write a shorter prefix",
        )

"""Which entries of which pull secrets a kubelet offers for an image, and which ones almost match.

Theory of operation. The kubelet puts the entries of all pull secrets of a pod into one keyring and takes the matching
ones, the longest key first; `core.credential.offered_keys` is that rule. What is left over is held against the image
once more, leniently: a key for the same host with a port, in other letters, for another path, is a near miss, and the
reason why it does not count is told. Values of secrets are not needed for any of it.

Left out: credentials that a node has by itself (credential providers, its own config.json), which nobody sees from
outside; keys with sets of letters in the host (`[ab]`), which are told and not judged.

Sources: kubernetes.md 3.1; kubernetes/pkg/credentialprovider/keyring.go (BasicDockerKeyring.Lookup, URLsMatch).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final

from portreeve.core.credential import DOCKER_HUB_KEY, CredentialRef, offered_keys
from portreeve.core.observation import EntryFact
from portreeve.core.reference import DOCKER_HUB, DOCKER_HUB_ALIAS, Reference

GLOBS: Final = frozenset("*?[\\")

MOST_STARS: Final = 4
"""In one key that is judged."""

SIMILAR: Final = 0.85
"""How like two host names are before one is taken for a slip of the other: one letter in fifteen."""


class Reading(StrEnum):
    """What became of reading an object."""

    READ = "read"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    MALFORMED = "malformed"
    """It is there, and is none that a kubelet takes a credential from."""


_UNJUDGED: Final = ("it has a host glob of a kind that is not judged here", "")


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A pull secret without its values: its keys, those of them that have no login, and what an annotation tells."""

    name: str
    reading: Reading = Reading.READ
    keys: tuple[str, ...] = ()
    hollow: frozenset[str] = frozenset()
    entries: tuple[EntryFact, ...] = ()

    def credential(self, key: str) -> CredentialRef | None:
        """Which credential stands under a key, where the annotation of ours says so."""
        return next((one.credential for one in self.entries if one.key == key), None)


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry that a kubelet offers. `live` is False when it has neither user name nor password."""

    secret: str
    key: str
    credential: CredentialRef | None = None
    live: bool = True
    note: str = ""

    def ended(self, now: datetime) -> bool:
        """Whether its credential is known to have ended."""
        end = self.credential.expires_at if self.credential else None
        return end is not None and end <= now


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An entry that is not offered, why not, and the key that would be; "" where it was not judged and may be."""

    secret: str
    key: str
    why: str
    instead: str = ""


def offers(secrets: Iterable[PullSecret], reference: Reference, written: str) -> tuple[Offer, ...]:
    """What a kubelet offers, in the order in which it tries. `written` is the image as the pod has it."""
    if _host_of(written) != _host_of(written).lower():
        return ()  # It compares as the pod wrote it, and keys are in lower case.
    held: dict[str, PullSecret] = {}
    for secret in secrets:
        for key in secret.keys:
            held.setdefault(key, secret)
    taken = offered_keys((key for key in held if not _is_glob(key)), reference)
    taken += tuple(sorted((key for key in held if _is_glob(key) and _globbed(key, reference)), reverse=True))
    return tuple(
        Offer(held[key].name, key, held[key].credential(key), key not in held[key].hollow, _too_wide(key, reference))
        for key in taken
    )


def near_misses(secrets: Iterable[PullSecret], reference: Reference, written: str) -> tuple[NearMiss, ...]:
    """Entries that are not offered and were perhaps meant to be, in the order of secrets and keys."""
    secrets = tuple(secrets)
    taken = {(one.secret, one.key) for one in offers(secrets, reference, written)}
    upper = _host_of(written)
    found = []
    for secret in secrets:
        for key in secret.keys:
            if (secret.name, key) in taken:
                continue
            if upper != upper.lower() and offered_keys((key,) if not _is_glob(key) else (), reference):
                why = f"the pod writes its registry as {upper}; the kubelet compares letter by letter"
                found.append(NearMiss(secret.name, key, why, key))
            elif (missed := _missed(key, reference)) is not None:
                found.append(NearMiss(secret.name, key, *missed))
    return tuple(found)


def key_for(reference: Reference) -> str:
    """The key that covers the whole registry of an image."""
    return DOCKER_HUB_KEY if reference.host == DOCKER_HUB else f"{reference.host}/"


def _host_of(written: str) -> str:
    first, slash, _ = written.partition("/")
    return first if slash and (set(".:") & set(first) or first.lower() == "localhost") else ""


def _is_glob(key: str) -> bool:
    return bool(GLOBS & set(key.removeprefix("https://").removeprefix("http://").partition("/")[0]))


def _globbed(key: str, reference: Reference) -> bool:
    """Whether a key with `*` or `?` in its host matches, label by label; it comes after those without, as it sorts so.

    Source: keyring.go, URLsMatch.
    """
    host, path = _split(key)
    (name, _, port), (wanted, _, wanted_port) = host.partition(":"), reference.host.partition(":")
    labels, others = name.split("."), wanted.split(".")
    return (
        _is_simple(key)
        and port == wanted_port
        and len(labels) == len(others)
        and all(re.fullmatch(_pattern(label), other) for label, other in zip(labels, others, strict=True))
        and reference.path.startswith(path)
    )


def _pattern(label: str) -> str:
    parts = {"*": ".*", "?": "."}
    return "".join(parts.get(character) or re.escape(character) for character in re.sub(r"\*+", "*", label))


def _is_simple(key: str) -> bool:
    """Whether a glob is judged here. Many stars in a label would take long to match, and nobody means them."""
    host = _split(key)[0]
    return not set("[\\") & set(host) and host.count("*") <= MOST_STARS


def _too_wide(key: str, reference: Reference) -> str:
    """What a key without a slash at its end also covers, "" where it covers what it says."""
    path = _split(key)[1]
    if not path or path.endswith("/") or reference.path == path:
        return ""
    return f"without a slash at its end it is also offered to {reference.host}/{path}-anything"


def _split(key: str) -> tuple[str, str]:
    """Host and path of a key, without scheme and API version."""
    host, _, path = key.strip().removeprefix("https://").removeprefix("http://").partition("/")
    for version in ("v1/", "v2/"):
        if path.startswith(version):
            return host, path.removeprefix(version)
    return host, "" if path in {"v1", "v2"} else path


def _missed(key: str, reference: Reference) -> tuple[str, str] | None:
    """Why a key that looks as if it were meant is not offered, and what to write; None for other registries' keys."""
    host, path = _split(key)
    whole = key_for(reference)
    if _is_glob(key):
        return _missed_glob(key, host, reference)
    if key != key.strip():
        return "it has spaces around it", key.strip()
    if _named(host) != _named(reference.host):
        return _other_host(host, reference)
    if host.partition(":")[2] != reference.host.partition(":")[2]:
        return f"ports are compared as they are written, and the image has {_port(reference.host)}", whole
    if host != reference.host and host.lower() == reference.host:
        return "hosts are compared letter by letter, and an image's is in lower case", whole
    if host == DOCKER_HUB_ALIAS:
        return f"Docker Hub's paths are looked up below {DOCKER_HUB}", whole
    return _other_path(path, reference), f"{reference.host}/{reference.path.rpartition('/')[0]}".rstrip("/") + "/"


def _missed_glob(key: str, host: str, reference: Reference) -> tuple[str, str] | None:
    if not _named(reference.host).endswith(host.partition(":")[0].rpartition("*")[2] or "\n"):
        return None if _is_simple(key) or not host.endswith(_domain(reference.host)) else _UNJUDGED
    if not _is_simple(key):
        return _UNJUDGED
    return "a glob stands for one label of a host, and ports and paths are compared as they are", key_for(reference)


def _other_path(path: str, reference: Reference) -> str:
    if path.rstrip("/") == reference.path:
        return "a key that ends in a slash is for what lies below it, not for an image of that very name"
    if f"{reference.path}/".startswith(path.lower()):
        return "paths are compared letter by letter, and an image's is in lower case"
    if ":" in path or "@" in path:
        return "a key has neither tag nor digest"
    return f"it is for {path}, and the image is {reference.path}"


def _other_host(host: str, reference: Reference) -> tuple[str, str] | None:
    bare, wanted = _named(host), _named(reference.host)
    if SequenceMatcher(None, bare, wanted).ratio() < SIMILAR:
        return None
    return f"it is for {host}, and the image comes from {reference.host}", key_for(reference)


def _named(host: str) -> str:
    """The host's name alone, Docker Hub's aliases as one."""
    name = host.partition(":")[0].lower()
    return DOCKER_HUB if name == DOCKER_HUB_ALIAS else name


def _port(host: str) -> str:
    return f"port {port}" if (port := host.partition(":")[2]) else "none"


def _domain(host: str) -> str:
    name = host.partition(":")[0]
    return name.partition(".")[2] or name

"""Which registry somebody means: from whatever they paste, offline.

Understood are references and hosts, addresses of registries and of their consoles, lines of `docker login` or `pull`
and of their likes, Helm's `oci://`, and ARNs of ECR. Every provider is asked whether the host is its own; for one that
nobody knows the answer is `generic`, as a guess.

What is pasted may hold a secret: a password in an address or behind `-p`. It is dropped while reading, said to have
been there, and stands in no answer and in no message.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from portreeve.core.reference import DIGEST_PATTERN, DOCKER_HUB, TAG_PATTERN, looks_like_host, parse, parse_prefix
from portreeve.errors import Invalid
from portreeve.providers import every
from portreeve.providers.contract import Claim, Place, Provider, is_repository
from portreeve.providers.firewall import GENERIC

MAX_CHARACTERS: Final = 4096

ARN: Final = "arn"
"""The host under which providers are asked for an ARN, which is the path then."""

_PRINTABLE: Final = re.compile("[ -~]+")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)")
_TAIL: Final = re.compile(rf"(?::{TAG_PATTERN})?(?:@(?:{DIGEST_PATTERN}))?")
_API: Final = re.compile(r"v[12](?:/(?:_catalog$)?|$)")
_OBJECT: Final = re.compile(r"/(?:manifests|blobs|tags|referrers)/.*")
_DEFAULT_PORT: Final = {"http": ":80", "https": ":443", "oci": ":443", "docker": ":443"}

_PROGRAMS: Final = frozenset({"buildah", "crane", "docker", "helm", "nerdctl", "oras", "podman", "regctl", "skopeo"})
_VERBS: Final = frozenset({"login", "pull", "push", "install", "upgrade", "inspect", "manifest"})
_USER: Final = frozenset({"-u", "--username"})
_SECRET: Final = frozenset({"-p", "--password", "--creds", "--identity-token", "--registry-token"})
_ALONE: Final = frozenset({
    "--all-tags", "--insecure", "--plain-http", "--password-stdin", "--quiet", "--tls-verify", "-a", "-q",
})  # fmt: skip
"""Options without a value. All others are taken to have one, so that no value is taken for a host."""

_SECRET_NOTE: Final = "a password in the line was dropped: replace it, as it lies in your shell's history"  # noqa: S105
_USERINFO_NOTE: Final = "user information in the address was dropped: replace the password if it held one"
_API_NOTE: Final = "/v2/ is the path of the API, and no part of the registry"
_HTTP_NOTE: Final = "http:// has no TLS: it needs spec.tls.plainHTTP, and should not be"
_CHART_NOTE: Final = "charts of Helm come from the same registry"
_UNKNOWN_NOTE: Final = "no provider claims this host: choose one if you know what runs there"


@dataclass(frozen=True, slots=True)
class _Pasted:
    """What was meant: a host, the path behind it as it was written, what to say of it, and the user of a `login`."""

    host: str
    path: str = ""
    notes: tuple[str, ...] = ()
    user: str = ""


def recognise(text: str) -> tuple[Claim, ...]:
    """What a pasted text may stand for, the likeliest first; at least one.

    Raises:
        Invalid: `paste_unreadable`. The text is not shown.
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS or _PRINTABLE.fullmatch(text) is None:
        raise _unreadable("it is empty, very long, or holds line breaks or letters beyond ASCII")
    return tuple(claim for one in _read(text) for claim in _claims(one))


def _unreadable(why: str) -> Invalid:
    hint = "paste a host, an image reference, the address of a registry, or a docker login line"
    return Invalid("paste_unreadable", f"what was pasted names no registry: {why}", hint=hint)


def _read(text: str) -> tuple[_Pasted, ...]:
    if text.startswith("arn:"):
        return (_Pasted(ARN, text),)
    if " " in text:
        return _line(text)
    return (_address(text),) if "://" in text else _bare(text)


def _line(text: str) -> tuple[_Pasted, ...]:
    """The last command of a line that signs in or pulls."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        words = []
    for start in range(len(words) - 1, -1, -1):
        if words[start].rpartition("/")[2] in _PROGRAMS:
            command = words[start + 1 :]
            end = next((at for at, word in enumerate(command) if set(word) <= set("|&;<>")), len(command))
            verbs = [at for at, word in enumerate(command[:end]) if word in _VERBS]
            if verbs:
                return _command(command[verbs[0]], command[verbs[0] + 1 : end])
    raise _unreadable("it is no line of docker login or docker pull")


def _command(verb: str, words: Sequence[str]) -> tuple[_Pasted, ...]:
    named, user, secret, unsure = _arguments(words)
    notes = (_SECRET_NOTE,) if secret else ()
    if not named and (verb != "login" or unsure):
        raise _unreadable("the line names no registry")
    target = next((word for word in named if "://" in word), named[0] if verb == "login" and named else "")
    target = target or (named[-1] if named else DOCKER_HUB)
    found = (_address(target),) if "://" in target else _hosted(target) if verb == "login" else _bare(target)
    return tuple(replace(one, notes=(*notes, *one.notes), user=user) for one in found)


def _arguments(words: Sequence[str]) -> tuple[list[str], str, bool, bool]:
    """What is named, the user, whether there was a secret, and whether an unknown option may have taken a word."""
    named: list[str] = []
    user, secret, unsure = "", False, False
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            named.append(word)
            continue
        option, equals, value = word.partition("=")
        if not word.startswith("--") and len(word) > 2 and word[:2] in _USER | _SECRET:
            option, equals, value = word[:2], "=", word[2:].removeprefix("=")
        if option in _ALONE:
            continue
        unsure = unsure or not (equals or option in _USER | _SECRET)
        value = value if equals else next(rest, "")
        user = value if option in _USER else user
        secret = secret or option in _SECRET
    return named, user, secret, unsure


def _address(text: str) -> _Pasted:
    found = _URL.fullmatch(text.partition("#")[0].partition("?")[0])
    scheme = found[1].lower() if found is not None else ""
    if found is None or scheme not in _DEFAULT_PORT:
        raise _unreadable("it is no address of a registry")
    userinfo, at, host = found[2].rpartition("@")
    notes = [_USERINFO_NOTE] if at or userinfo else []
    notes += [_HTTP_NOTE] if scheme == "http" else []
    notes += [_CHART_NOTE] if scheme == "oci" else []
    return _Pasted(host.lower().removesuffix(_DEFAULT_PORT[scheme]), found[3].strip("/"), tuple(notes))


def _bare(text: str) -> tuple[_Pasted, ...]:
    """A host, or an image reference; a short name lives on Docker Hub."""
    first, slash, _ = text.partition("/")
    name, _, port = first.partition(":")
    if "@" in first.partition("@sha")[0] or "." in name or name == "localhost" or (slash and looks_like_host(first)):
        return _hosted(text)
    if not slash and re.fullmatch("[0-9]{4,5}", port):
        # `registry:5000` is a host without a domain as well as an image with a tag; only its writer knows.
        return (*_hosted(text), _short(text))
    return (_short(text),)


def _hosted(text: str) -> tuple[_Pasted, ...]:
    first, _, path = text.partition("/")
    userinfo, at, host = first.rpartition("@")
    notes = (_USERINFO_NOTE,) if at or userinfo else ()
    return (_Pasted(host.lower(), path.strip("/"), notes),)


def _short(text: str) -> _Pasted:
    try:
        found = parse(text)
    except Invalid:
        raise _unreadable("it is no host and no image reference") from None
    return _Pasted(found.host, found.path)


def _claims(pasted: _Pasted) -> Iterator[Claim]:
    """The claims of providers, certain ones alone where there are any; else guesses, and `generic` last."""
    if pasted.host != ARN:
        pasted = replace(pasted, host=_checked(pasted.host))
    path, api = _repository(pasted.path)
    notes = (*pasted.notes, _API_NOTE) if api else pasted.notes
    found = [(provider, claim) for provider in every().values() if (claim := _claim(provider, pasted, path))]
    certain = [one for one in found if one[1].certain]
    if pasted.host == ARN and not certain:
        raise _unreadable("it is no ARN of a repository in ECR")
    for provider, claim in certain or found:
        yield _told(provider, claim, notes, pasted.user)
    if not certain:
        unknown = Claim(GENERIC, Place(pasted.host), certain=False, note=_UNKNOWN_NOTE)
        yield _told(every()[GENERIC], unknown, notes, pasted.user)


def _claim(provider: Provider, pasted: _Pasted, path: str) -> Claim | None:
    return provider.console(pasted.host, unquote(pasted.path)) or provider.claim(pasted.host, path)


def _checked(host: str) -> str:
    """The host, if references can name it."""
    try:
        prefix = parse_prefix(host)
    except Invalid:
        raise _unreadable("its host is none that image references can name") from None
    port = prefix.host.partition(":")[2]
    if prefix.wildcard or prefix.path or (port and not 0 < int(port) < 1 << 16):
        raise _unreadable("its host is none that image references can name")
    # `index.docker.io` stays as it was written, so that its provider can say what to write.
    return host


def _repository(path: str) -> tuple[str, bool]:
    """The repository in a path, "" if there is none, and whether the path was one of the API."""
    api = _API.match(path)
    if api is not None:
        path = _OBJECT.sub("", path[api.end() :])
    head, slash, last = path.rpartition("/")
    name = re.split("[:@]", last, maxsplit=1)[0]
    if _TAIL.fullmatch(last[len(name) :]) is None:
        return "", api is not None
    found = f"{head}{slash}{name}".strip("/")
    return (found if is_repository(found) else ""), api is not None


def _told(provider: Provider, claim: Claim, notes: Sequence[str], user: str) -> Claim:
    fields = [one for method in provider.methods for one in method.fields if one.name == "username"]
    fits = any(re.fullmatch(one.pattern or ".+", user) for one in fields) and len(user) <= 255
    parameters = {**claim.parameters, "username": user} if user and fits else claim.parameters
    return replace(claim, note="; ".join(filter(None, [claim.note, *notes])), parameters=parameters)

"""What stands in somebody's pull secret: which logins for which place, and when each of them ends.

Theory of operation
-------------------
A Secret of type `kubernetes.io/dockerconfigjson` holds `{"auths": {key: login}}`, one of `kubernetes.io/dockercfg` the
inner mapping alone. It is read as the kubelet reads it: `auth`, where there is one, is the login, whatever stands
beside it; one login that cannot be read makes the kubelet pass over the whole Secret; keys lose their scheme and a
leading `/v1/` or `/v2/`.

When a login ends is read from it where it says so: a JWT by `exp`, a token of ECR by the `expiration` in its JSON. For
tokens that are known by their user name and say nothing, it is when the Secret was written, and the life that the
provider gives them. A login without such an end may end all the same; nobody here can tell.

Left out: credential helpers and identity tokens, which the kubelet does not read either; signatures of tokens, as
nothing is decided for anybody by what a token says of itself.

Sources: kubernetes/pkg/credentialprovider/config.go (DockerConfigEntry.UnmarshalJSON, decodeDockerConfigFieldAuth) and
keyring.go; Amazon ECR, "Private registry authentication" (12 hours); RFC 7519, 4.1.4; Google Cloud, access tokens.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from portreeve.core.reference import SourcePrefix, parse_prefix
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid

CONFIG_JSON: Final = "kubernetes.io/dockerconfigjson"
CONFIG: Final = "kubernetes.io/dockercfg"
KEYS: Final[Mapping[str, str]] = {CONFIG_JSON: ".dockerconfigjson", CONFIG: ".dockercfg"}
"""Type of a Secret that the kubelet reads → the key of its data."""

ECR_LIFE: Final = timedelta(hours=12)
GOOGLE_LIFE: Final = timedelta(hours=1)

SHORT: Final = timedelta(days=2)
"""A token that lives no longer was minted, and is minted again by whoever needs it. Others are kept, as secrets are."""

_ECR_HOST: Final = re.compile(
    r"[0-9]{12}[.]dkr[.]ecr(?:-fips)?[.][a-z0-9-]+[.](?:amazonaws[.]com(?:[.]cn)?|[a-z0-9.]+)"
)
_SCHEME: Final = re.compile("https?://")


@dataclass(frozen=True, slots=True, eq=False)
class FoundLogin:
    """One entry. `place` is None where the key names no host that we can grant; `password` None where none can be read.

    `problem` says why, "" for none. `minted` tells that a provider made it for a short time: such a token is not worth
    keeping. `ends_by` says where `expires_at` is from: "token", or "age" for when the Secret was written.
    """

    key: str
    place: SourcePrefix | None
    username: str = ""
    password: SecretValue | None = None
    problem: str = ""
    expires_at: datetime | None = None
    ends_by: str = ""
    minted: bool = False

    def expired(self, now: datetime) -> bool:
        """Whether it is known to have ended."""
        return self.expires_at is not None and self.expires_at <= now

    def fingerprint(self, key: bytes) -> str:
        """The same for the same place, user and password under one key, which is random and kept by nobody."""
        digest = hmac.new(key, digestmod="sha256")
        password = self.password.reveal() if self.password is not None else b""
        for part in (str(self.place or self.key).encode(), self.username.encode(), password):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Contents:
    """The logins of a Secret as they stand; `problem` is why the kubelet reads none of them, "" for none."""

    logins: tuple[FoundLogin, ...] = ()
    problem: str = ""


def read(type_: str, data: Mapping[str, SecretValue], written_at: datetime) -> Contents:
    """What a Secret of this type holds. Never raises for what stands in it.

    Args:
        written_at: when its data were written last, as far as the cluster knows.
    """
    name = KEYS.get(type_)
    if name is None:
        return Contents(problem="wrong_type")
    if name not in data:
        return Contents(problem="no_data")
    try:
        document = json.loads(data[name].reveal())
    except (ValueError, RecursionError):
        return Contents(problem="not_json")
    entries = document if type_ == CONFIG else document.get("auths") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        return Contents(problem="no_auths")
    logins = tuple(_login(key, entry, written_at) for key, entry in entries.items())
    unread = any(login.problem == "login_unreadable" for login in logins)
    return Contents(logins, "login_unreadable" if unread else "" if logins else "no_auths")


def place_of(key: str) -> SourcePrefix | None:
    """The place that a key stands for; None if it is a host glob, or none that an image can name."""
    text = _SCHEME.sub("", key, count=1)
    host, slash, path = text.partition("/")
    if path in {"v1", "v2"} or path.startswith(("v1/", "v2/")):
        path = path[3:]
    try:
        found = parse_prefix(f"{host}{slash}{path.rstrip('/')}")
    except Invalid:
        return None
    return None if found.wildcard else found


def _login(key: str, entry: Any, written_at: datetime) -> FoundLogin:
    place = place_of(key)
    named = _named(entry)
    if named is None:
        return FoundLogin(key, place, problem="login_unreadable")
    username, password = named
    if not username or not password:
        return FoundLogin(key, place, username, problem="no_password")
    expires_at, ends_by, minted = _end(place, username, password, written_at)
    problem = "" if place is not None else "no_place"
    return FoundLogin(key, place, username, SecretValue(password), problem, expires_at, ends_by, minted)


def _named(entry: Any) -> tuple[str, str] | None:
    """User name and password as the kubelet reads them; None where it cannot."""
    entry = {} if entry is None else entry
    if not isinstance(entry, dict):
        return None
    held = (entry.get(name) for name in ("username", "password", "auth"))
    username, password, auth = ("" if one is None else one for one in held)
    if not all(isinstance(one, str) for one in (username, password, auth)):
        return None
    if auth:
        try:
            username, colon, password = base64.b64decode(_padded(auth), validate=True).decode().partition(":")
        except ValueError:
            return None
        if not colon:
            return None
    try:
        f"{username}{password}".encode()
    except UnicodeEncodeError:
        return None
    return username, password


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _end(
    place: SourcePrefix | None, username: str, password: str, written_at: datetime
) -> tuple[datetime | None, str, bool]:
    """When a login ends, where that is from, and whether it was minted for a while."""
    ecr = username == "AWS" and place is not None and _ECR_HOST.fullmatch(place.host) is not None
    told = _told(password)
    if told is not None:
        return told, "token", ecr or told - written_at <= SHORT
    if ecr:
        return _later(written_at, ECR_LIFE), "age", True
    if username == "oauth2accesstoken":
        return _later(written_at, GOOGLE_LIFE), "age", True
    return None, "", False


def _later(moment: datetime, life: timedelta) -> datetime | None:
    try:
        return moment + life
    except OverflowError:
        return None


def _told(password: str) -> datetime | None:
    """The end that a token says of itself: a JWT, or base64 of a JSON with `expiration`."""
    parts = password.split(".")
    name, text = ("exp", parts[1]) if len(parts) == 3 else ("expiration", password)
    try:
        claims = json.loads(base64.b64decode(_padded(text.replace("-", "+").replace("_", "/")), validate=True))
        seconds = claims.get(name) if isinstance(claims, dict) else None
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return None
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError, RecursionError):
        return None

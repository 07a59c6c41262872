"""The identity providers that an administrator trusts, as the file says which the setting `oidc_file` names.

    {"issuers": [{"name": "corp", "issuer": "https://id.example.com/realms/corp", "client_id": "portreeve",
                  "client_secret_file": "corp.secret", "scopes": ["openid", "profile", "groups"],
                  "groups_claim": "groups", "algorithms": ["RS256"], "title": "Example Corp"}]}

Who may write this file decides who may sign in. A secret stands in a file of its own, beside it or by a whole path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from portreeve.core.cluster import is_dns_label
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Problem
from portreeve.server.http.body import parse

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""What may be pinned. None is symmetric: a public key could be taken for the secret of one."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FIELDS: Final = {
    "name": str, "issuer": str, "client_id": str, "client_secret_file": str, "scopes": list, "groups_claim": str,
    "algorithms": list, "title": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider. `name` stands in our addresses, `issuer` is its own name, compared letter by letter.

    `groups_claim` "" means that its groups count for nothing. Without a secret we are a public client, and PKCE alone
    binds the code to us.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: SecretValue | None = None
    scopes: tuple[str, ...] = ("openid", "profile")
    groups_claim: str = "groups"
    algorithms: tuple[str, ...] = ("RS256",)
    title: str = ""

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine: only then may it be reached by plain http."""
        return urlsplit(self.issuer).hostname in LOOPBACK


def read(path: str) -> Mapping[str, Issuer]:
    """Name → provider; none without a file.

    Raises:
        Invalid: `oidc_file`; nothing of a secret is shown.
    """
    if not path:
        return {}
    try:
        found = parse(Path(path).read_bytes())
    except (OSError, PortreeveError) as error:
        raise Invalid(
            "oidc_file", f"{path} cannot be read: {_why(error)}", hint="write JSON, as docs/people.md has it"
        ) from None
    entries = found.get("issuers") if isinstance(found, dict) and set(found) == {"issuers"} else None
    if not isinstance(entries, list):
        raise _invalid(path, [Problem("oidc_file", "must be a list, and all there is", "issuers")])
    problems: list[Problem] = []
    issuers: dict[str, Issuer] = {}
    for index, entry in enumerate(entries):
        wrong = list(_problems(entry, f"issuers[{index}]", issuers))
        problems += wrong
        if not wrong:
            issuers[entry["name"]] = _issuer(entry, Path(path).parent, f"issuers[{index}]")
    if problems:
        raise _invalid(path, problems)
    return issuers


def _why(error: OSError | PortreeveError) -> str:
    return error.message if isinstance(error, PortreeveError) else (error.strerror or type(error).__name__)


def _invalid(path: str, problems: list[Problem]) -> Invalid:
    return Invalid("oidc_file", f"{path} cannot be used", hint="see docs/people.md", problems=tuple(problems))


def _problems(entry: Any, at: str, known: Mapping[str, Issuer]) -> Iterator[Problem]:
    if not isinstance(entry, dict):
        yield Problem("oidc_file", "must be an object", at)
        return
    for name in sorted(set(entry) - set(_FIELDS)):
        yield Problem("oidc_file", f"is not a field; known: {', '.join(_FIELDS)}", f"{at}.{ascii(name)[1:-1][:40]}")
    for name in ("name", "issuer", "client_id"):
        if not entry.get(name):
            yield Problem("oidc_file", "is missing", f"{at}.{name}")
    for name, kind in _FIELDS.items():
        value = entry.get(name, kind())
        if not isinstance(value, kind) or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
            yield Problem("oidc_file", "must be a list of text" if kind is list else "must be text", f"{at}.{name}")
            return
    if entry.get("name") and (not is_dns_label(entry["name"]) or entry["name"] in known):
        yield Problem("oidc_file", "must be a DNS label, and no other's", f"{at}.name")
    if entry.get("issuer") and not allowed(entry["issuer"], loopback=True):
        yield Problem("oidc_file", "must be an https address without query; http on loopback alone", f"{at}.issuer")
    if "algorithms" in entry and (not entry["algorithms"] or set(entry["algorithms"]) - set(ALGORITHMS)):
        yield Problem("oidc_file", f"must be some of {', '.join(ALGORITHMS)}", f"{at}.algorithms")
    if "scopes" in entry and "openid" not in entry["scopes"]:
        yield Problem("oidc_file", "must have openid among them", f"{at}.scopes")


def _issuer(entry: Mapping[str, Any], directory: Path, at: str) -> Issuer:
    optional: dict[str, Any] = {name: entry[name] for name in ("groups_claim", "title") if name in entry}
    optional |= {name: tuple(entry[name]) for name in ("scopes", "algorithms") if name in entry}
    secret = _secret(directory / entry["client_secret_file"], at) if entry.get("client_secret_file") else None
    return Issuer(entry["name"], entry["issuer"], entry["client_id"], secret, **optional)


def _secret(path: Path, at: str) -> SecretValue:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        found, why = "", type(error).__name__
    else:
        why = "it is empty"
    if not found:
        problem = Problem("oidc_file", f"{path} holds no secret ({why})", f"{at}.client_secret_file")
        raise _invalid(str(path), [problem])
    return SecretValue(found)


def allowed(url: str, *, loopback: bool) -> bool:
    """Whether an address of a provider may be contacted: https, or http on loopback if the provider is there."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username or parts.password or parts.query or parts.fragment or not url.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and loopback and host in LOOPBACK)

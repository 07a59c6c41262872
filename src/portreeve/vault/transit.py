"""A master key in the transit engine of HashiCorp Vault or OpenBao.

The key never leaves the service; ours travels there and back inside TLS. The context is sent as `associated_data`, so
the service itself refuses a wrapped key that was moved. A service that is too old to know the field says so in a
warning, and is refused: it would wrap without binding.

Wrapped bytes are the service's own text, `vault:v3:` and base64. The number is its version of the key: rotating the key
there changes neither `key_id` nor what is stored, until `min_decryption_version` is raised above a number still in use.

Needs: a key of an AEAD type (`aes256-gcm96`, the default, or `chacha20-poly1305`) that is not derived, and a token with
`update` on `<mount>/encrypt/<name>` and `<mount>/decrypt/<name>`. Not `create`: with it the engine makes a new key in
place of a deleted one, at the first wrap, and says nothing.

Left out: logging in (a token is handed in; an agent beside us may renew its file), redirects of a standby node (name
the address that leads to the active one), and keys of other kinds.

Sources: Vault API documentation, "Transit secrets engine (API)", encrypt and decrypt data; "HTTP API", statuses and the
headers X-Vault-Token, X-Vault-Namespace, X-Vault-Request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid
from portreeve.transport.exchange import Exchange, Request, Response, one_word
from portreeve.vault.key_service import (
    answered,
    base64_bytes,
    encoded_text,
    json_body,
    json_object,
    refused_ciphertext,
    unexpected,
)

_CIPHERTEXT: Final = re.compile(r"vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/=]+)")
_NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?"
_PATH: Final = re.compile(f"{_NAME}(?:/{_NAME})*")


@dataclass(frozen=True, slots=True)
class TransitKey:
    """Where a key of the transit engine is.

    `server` is scheme, host and port; `mount` has no slash at its ends ("transit", "team/transit"); `namespace` is ""
    where there are none.
    """

    server: str
    mount: str
    name: str
    namespace: str = ""

    def __post_init__(self) -> None:
        right = _PATH.fullmatch(self.mount) and re.fullmatch(_NAME, self.name)
        if not right or (self.namespace and not _PATH.fullmatch(self.namespace)):
            raise Invalid(
                "transit_key",
                "a mount, key name or namespace is empty or has letters that need escaping in an address",
                hint="use letters, digits, '_', '-' and '.'; slashes within a mount or namespace",
            )


@dataclass(frozen=True, slots=True, eq=False)
class TransitMasterKey:
    """A master key that the service holds. `token` is asked for each time, so that a renewed one is used at once."""

    key: TransitKey
    token: Callable[[], SecretValue] = field(repr=False)
    exchange: Exchange = field(repr=False)

    @property
    def key_id(self) -> str:
        """`transit-`, namespace and mount, and name; the server is not in it, so that it may get another address."""
        place = "/".join(part for part in (self.key.namespace, self.key.mount) if part)
        return f"transit-{place}-{self.key.name}"

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        """`key` encrypted by the service, bound to `context`."""
        fields = {"plaintext": encoded_text(key.reveal()), "associated_data": encoded_text(context)}
        url = self._url("encrypt")
        text = self._data(self._ask(url, fields), url).get("ciphertext")
        if not isinstance(text, str) or _raw(text) is None:
            raise unexpected(url, "no ciphertext of the transit engine")
        return text.encode("ascii")

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        """What was wrapped; see `ports.MasterKey`.

        Raises:
            Denied: the token is not valid, or may not decrypt with this key.
        """
        url = self._url("decrypt")
        text = wrapped.decode("ascii", errors="replace")
        if _raw(text) is None:
            raise refused_ciphertext(url)
        response = self._ask(url, {"ciphertext": text, "associated_data": encoded_text(context)})
        if response.status == 400:
            # The engine says the same status for a wrong tag, an unknown version and a key that is not there.
            raise refused_ciphertext(url)
        plain = base64_bytes(self._data(response, url).get("plaintext"))
        if plain is None:
            raise unexpected(url, "no plaintext")
        return SecretValue(plain)

    def _ask(self, url: str, fields: Mapping[str, object]) -> Response:
        headers: dict[str, str | SecretValue] = {
            "Content-Type": "application/json",
            "X-Vault-Request": "true",
            "X-Vault-Token": one_word(self.token()),
        }
        if self.key.namespace:
            headers["X-Vault-Namespace"] = self.key.namespace
        return answered(self.exchange, Request("POST", url, headers, json_body(fields)))

    def _data(self, response: Response, url: str) -> Mapping[str, Any]:
        if response.status != 200:
            raise unexpected(url, f"the status {response.status}")
        answer = json_object(response, url)
        warnings = answer.get("warnings") or []
        if any("associated_data" in str(warning) for warning in warnings if isinstance(warnings, list)):
            raise unexpected(url, "a warning that it does not know associated_data; it is too old")
        data = answer.get("data")
        if not isinstance(data, dict):
            raise unexpected(url, "no data")
        return data

    def _url(self, verb: str) -> str:
        return f"{self.key.server.rstrip('/')}/v1/{self.key.mount}/{verb}/{self.key.name}"


def _raw(text: str) -> bytes | None:
    found = _CIPHERTEXT.fullmatch(text)
    return base64_bytes(found[1]) if found else None

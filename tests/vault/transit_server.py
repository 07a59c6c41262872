"""A transit engine for tests: what Vault's does with AEAD keys, over real AES-GCM, and the ways in which it refuses.

Statuses, the shape of answers and the texts of errors were compared by hand with HashiCorp Vault 1.21.4 (its own core,
HTTP layer and transit engine over an in-memory store): encrypt and decrypt with associated data that is right, another
and none; a short ciphertext, none at all and one of a version to come; another key, a missing key and a rotated one; a
missing mount, a wrong token, a sealed server, and the warning about a parameter that an endpoint does not know.

Not compared: namespaces. Left out: policies. The one token here may do everything; a real one that may use two paths
hears 403 instead of 404 about a mount that is not there.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.tools.loopback import Asked, Says

TOKEN = "hvs.CAESIexampletoken"

_PATH = re.compile("/v1/(?P<mount>.+)/(?P<verb>encrypt|decrypt)/(?P<name>[^/]+)")


class TransitServer:
    """Give it to `loopback.answering`. `keys` is name → versions, the first one first."""

    def __init__(self, mount: str = "transit", namespace: str = "") -> None:
        self.mount, self.namespace = mount, namespace
        self.keys: dict[str, list[bytes]] = {}
        self.sealed = False
        self.knows_associated_data = True

    def rotate(self, name: str) -> None:
        """Make a key, or a new version of one."""
        self.keys.setdefault(name, []).append(os.urandom(32))

    def __call__(self, asked: Asked) -> Says:
        if self.sealed:
            return _refusal(503, "Vault is sealed")
        if asked.headers.get("x-vault-token") != TOKEN:
            return _refusal(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        found = _PATH.fullmatch(asked.path)
        if found is None or (asked.headers.get("x-vault-namespace", ""), found["mount"]) != (
            self.namespace,
            self.mount,
        ):
            route = asked.path.removeprefix("/v1/")
            return _refusal(404, f'no handler for route "{route}". route entry not found.')
        if found["name"] not in self.keys:
            return _refusal(400, "encryption key not found")
        body = json.loads(asked.body)
        bound = base64.b64decode(body.get("associated_data", "")) if self.knows_associated_data else b""
        if found["verb"] == "encrypt":
            return self._encrypted(self.keys[found["name"]], base64.b64decode(body["plaintext"], validate=True), bound)
        return self._decrypted(self.keys[found["name"]], body["ciphertext"], bound)

    def _encrypted(self, versions: list[bytes], plain: bytes, bound: bytes) -> Says:
        nonce = os.urandom(12)
        text = base64.b64encode(nonce + AESGCM(versions[-1]).encrypt(nonce, plain, bound)).decode()
        return self._answer({"ciphertext": f"vault:v{len(versions)}:{text}", "key_version": len(versions)})

    def _decrypted(self, versions: list[bytes], ciphertext: str, bound: bytes) -> Says:
        prefix, _, rest = ciphertext.partition(":v")
        number, _, text = rest.partition(":")
        if prefix != "vault" or not number.isdigit():
            return _refusal(400, "invalid ciphertext: no prefix")
        if int(number) > len(versions):
            return _refusal(400, "invalid ciphertext: version is too new")
        boxed = base64.b64decode(text)
        if len(boxed) < 12:
            return _refusal(400, "invalid ciphertext length")
        try:
            plain = AESGCM(versions[int(number) - 1]).decrypt(boxed[:12], boxed[12:], bound)
        except InvalidTag:
            return _refusal(400, "cipher: message authentication failed")
        return self._answer({"plaintext": base64.b64encode(plain).decode()})

    def _answer(self, data: dict[str, object]) -> Says:
        ignored = "Endpoint ignored these unrecognized parameters: [associated_data]"
        return Says(200, _json(transit_answer(data, None if self.knows_associated_data else [ignored])), _JSON)


_JSON = {"Content-Type": "application/json"}


def transit_answer(data: object, warnings: object = None) -> dict[str, Any]:
    """The envelope that Vault puts around every answer."""
    return {
        "request_id": "40031658-67c6-2c30-6e3e-047ade094069",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": warnings,
        "auth": None,
        "mount_type": "transit",
    }


def _refusal(status: int, text: str) -> Says:
    return Says(status, _json({"errors": [text]}), _JSON)


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"

"""AWS KMS for tests: moto's server on a free loopback port, asked with our own requests.

moto does not look at signatures; those are held against botocore and AWS's own test vectors in test_sigv4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from moto.server import ThreadedMotoServer

from portreeve.core.secret import SecretValue
from portreeve.transport.exchange import Exchange, Request
from portreeve.transport.sigv4 import Credentials, signed

REGION = "eu-west-1"
CREDENTIALS = Credentials("AKIDEXAMPLE", SecretValue("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
NOW = datetime(2026, 11, 20, 12, 36, tzinfo=UTC)


@contextmanager
def kms() -> Iterator[str]:
    """The endpoint of a KMS without keys."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}/"
    finally:
        server.stop()


def ask(exchange: Exchange, endpoint: str, action: str, **fields: object) -> dict[str, object]:
    """What KMS answers."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{action}"}
    request = Request("POST", endpoint, headers, SecretValue(json.dumps(fields)))
    response = exchange.send(signed(request, CREDENTIALS, region=REGION, service="kms", now=NOW))
    answer = json.loads(response.body.reveal() or b"{}")
    assert response.status == 200, answer
    assert isinstance(answer, dict)
    return answer


def new_key(exchange: Exchange, endpoint: str) -> str:
    """A new symmetric key's ARN."""
    metadata = ask(exchange, endpoint, "CreateKey")["KeyMetadata"]
    assert isinstance(metadata, dict)
    return str(metadata["Arn"])

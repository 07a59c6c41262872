"""Why an image could not be pulled: the messages that nodes write into events, sorted by cause, each with what to do.

Theory of operation. A kubelet, containerd, CRI-O or Docker tells a failed pull as a sentence in which the registry's
answer, the transport's and their own are nested. The cause is what the innermost part says; so causes are looked for in
an order from the most telling to the least, and the first that is found counts. What none of them knows is UNKNOWN, and
is never passed off as something else. The message itself is shown to nobody who could not see it before: it may hold
addresses with tokens in them, so only the image and the host are taken out of it.

Left out: collecting events (the agent does), and the "why" of a verdict: a pod that admission refused was never pulled.
Sources: messages of containerd 1.6 to 2.4 (core/remotes, pkg/cri), cri-o 1.30, containers/image 5 (what a policy
rejects or blocks), moby 27, kubelet 1.30 to 1.36 (pkg/kubelet/images, events/event.go); OCI Distribution Specification
1.1, "Error Codes".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portreeve.core.reference import UnsafeReference, parse


class Cause(StrEnum):
    """Why a pull failed."""

    ADMISSION = "admission"
    RATE_LIMIT = "rate_limit"
    EXPIRED = "credential_expired"
    SECRET_MISSING = "pull_secret_missing"  # noqa: S105 -- the name of a cause
    GATE = "registry_gate"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    PLATFORM = "platform"
    NOT_FOUND = "not_found"
    NAME_INVALID = "name_invalid"
    NEVER_PULLED = "never_pulled"
    CERTIFICATE = "certificate"
    NO_TLS = "no_tls"
    DNS = "dns"
    REFUSED = "connection_refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    DISK = "disk_full"
    NODE_THROTTLED = "node_throttled"
    NODE_REFUSED = "node_refused"
    SIGNATURE = "signature"
    CORRUPT = "corrupt"
    SERVER = "registry_failed"
    UNKNOWN = "unknown"


def cause_of(word: str) -> Cause:
    """A cause by its word; one that a newer agent has and we do not is UNKNOWN."""
    return Cause(word) if word in set(Cause) else Cause.UNKNOWN


@dataclass(frozen=True, slots=True)
class Advice:
    """What a cause means, and what to do about it."""

    meaning: str
    do: str


ADVICE: Final[dict[Cause, Advice]] = {
    Cause.ADMISSION: Advice(
        "the cluster's admission refused the pod, nothing was pulled", "portreeve explain IMAGE -n NAMESPACE"
    ),
    Cause.RATE_LIMIT: Advice(
        "the registry counts pulls, and everybody behind this address has used them up",
        "pull through a mirror, or sign in: portreeve limits REGISTRY",
    ),
    Cause.EXPIRED: Advice("the registry's token or password has ended", "portreeve validate registry NAME; rotate it"),
    Cause.SECRET_MISSING: Advice(
        "the pod names a pull secret that its namespace does not have",
        "grant the registry to the namespace: portreeve grant REGISTRY --environment E -n NAMESPACE",
    ),
    Cause.GATE: Advice(
        "the registry's own policy keeps the image back: a scan or a signature is missing, or found too much",
        "look at the image's scan in the registry; a new build is the usual way out",
    ),
    Cause.UNAUTHORIZED: Advice(
        "the registry does not know who asks: no credential was offered, or a wrong one",
        "see that the namespace is granted and its ServiceAccount has the secret; portreeve validate registry NAME",
    ),
    Cause.FORBIDDEN: Advice(
        "the credential may not pull this repository, or there is no such repository",
        "check its spelling, then the credential's rights: portreeve validate registry NAME --image REPO:TAG",
    ),
    Cause.PLATFORM: Advice(
        "the image has no variant for the node's platform", "portreeve browse REGISTRY/REPO:TAG shows which it has"
    ),
    Cause.NOT_FOUND: Advice("there is no such tag or digest", "portreeve browse REGISTRY/REPO shows the tags"),
    Cause.NAME_INVALID: Advice("the image's name is none", "portreeve images --why IMAGE"),
    Cause.NEVER_PULLED: Advice("imagePullPolicy is Never and the node does not have the image", "take the policy out"),
    Cause.CERTIFICATE: Advice(
        "the node does not trust the registry's certificate",
        "give the nodes its authority (containerd: hosts.toml); portreeve validate registry NAME shows the certificate",
    ),
    Cause.NO_TLS: Advice("the registry answers without TLS where TLS is expected", "serve it over TLS"),
    Cause.DNS: Advice("the node cannot resolve the registry's name", "check the name, then the node's DNS"),
    Cause.REFUSED: Advice("nothing listens at the registry's address and port", "check the port, and whether it runs"),
    Cause.TIMEOUT: Advice(
        "no answer came in time",
        "check the firewall between node and registry: portreeve egress ENVIRONMENT lists the hosts",
    ),
    Cause.UNREACHABLE: Advice(
        "the node has no way to the registry's address",
        "check routes, proxy and firewall: portreeve egress ENVIRONMENT lists the hosts",
    ),
    Cause.DISK: Advice("the node's disk is full", "free it: unused images, logs; or let the kubelet collect earlier"),
    Cause.NODE_THROTTLED: Advice(
        "the kubelet itself pulls more slowly than it is asked to", "wait; or raise registryPullQPS of the kubelet"
    ),
    Cause.NODE_REFUSED: Advice(
        "the node's own configuration lets nothing be pulled from there", "see the files for nodes: portreeve render -h"
    ),
    Cause.SIGNATURE: Advice(
        "the node requires a signature that the image does not have", "sign the image, or see the node's policy"
    ),
    Cause.CORRUPT: Advice(
        "what arrived is not what the digest says",
        "try again; if it stays so, look at proxies and the registry's storage",
    ),
    Cause.SERVER: Advice(
        "the registry failed with an error of its own", "portreeve validate registry NAME; look at its log"
    ),
    Cause.UNKNOWN: Advice("nothing that is known here", "read the message itself"),
}

_SIGNS: Final[tuple[tuple[Cause, re.Pattern[str]], ...]] = tuple(
    (cause, re.compile(pattern, re.IGNORECASE))
    for cause, pattern in (
        (Cause.ADMISSION, r"admission webhook .{1,200} denied|ValidatingAdmissionPolicy .{1,200} denied"),
        (
            Cause.RATE_LIMIT,
            r"toomanyrequests|reached your (?:unauthenticated )?pull rate limit|429 Too Many Requests|\b429\b",
        ),
        (Cause.EXPIRED, r"authorization token has expired|token (?:has )?expired|ExpiredToken|password has expired"),
        (Cause.SECRET_MISSING, r"FailedToRetrieveImagePullSecret|Unable to retrieve some image pull secrets"),
        (
            Cause.NODE_REFUSED,
            (
                r"refused-by-portreeve\.invalid|no (?:resolve|pull) hosts"
                r"|is rejected by policy|registry \S{1,255} is blocked in"
            ),
        ),
        (Cause.GATE, r"projectpolicyviolation|412 Precondition Failed|prevent(?:ed)? .{0,80}vulnerab"),
        (Cause.SIGNATURE, r"SignatureValidationFailed|signature .{0,80}(?:required|not accepted|was rejected)"),
        (Cause.NODE_THROTTLED, r"pull QPS exceeded|RegistryUnavailable.{0,40}QPS"),
        (Cause.NEVER_PULLED, r"ErrImageNeverPull|not present with pull policy of Never"),
        (Cause.NAME_INVALID, r"InvalidImageName|couldn't parse image (?:name|reference)|invalid reference format"),
        (
            Cause.PLATFORM,
            r"no match for platform|no matching manifest for [a-z0-9]+/|does not match the specified platform",
        ),
        (Cause.DISK, r"no space left on device|disk quota exceeded"),
        (
            Cause.CORRUPT,
            (
                r"failed size validation|unexpected commit digest|filesystem layer verification failed"
                r"|unexpected EOF|invalid tar header"
            ),
        ),
        (
            Cause.UNAUTHORIZED,
            (
                r"401 Unauthorized|unauthorized: authentication required|no basic auth credentials"
                r"|incorrect username or password|failed to fetch (?:anonymous|oauth) token|UNAUTHORIZED"
            ),
        ),
        (
            Cause.FORBIDDEN,
            (
                r"403 Forbidden|insufficient_scope|requested access to the resource is denied|pull access denied"
                r"|DENIED:"
            ),
        ),
        (
            Cause.CERTIFICATE,
            r"x509: |certificate (?:is not trusted|has expired|signed by unknown)|tls: failed to verify",
        ),
        (Cause.NO_TLS, r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake"),
        (Cause.DNS, r"no such host|server misbehaving|Temporary failure in name resolution|Name or service not known"),
        (Cause.REFUSED, r"connection refused"),
        (Cause.UNREACHABLE, r"network is unreachable|no route to host|proxyconnect"),
        (
            Cause.TIMEOUT,
            (
                r"i/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout"
                r"|request canceled while waiting"
            ),
        ),
        (Cause.SERVER, r"\b50[0-4] (?:Internal|Not Impl|Bad Gateway|Service|Gateway)|connection reset by peer|: EOF\b"),
        (Cause.NOT_FOUND, r"manifest unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN|name unknown|: not found|404 Not Found"),
    )
)  # fmt: skip
"""Sign → cause, in the order in which they are looked for. Nothing in them repeats without a bound inside another."""

_IMAGE: Final = re.compile(r"(?:image|reference|resolve reference|unpack image) \\?\"([^\"\\\s]{1,600})\\?\"")

_PULLS: Final = re.compile(
    r"Failed to pull image|Error response from daemon|ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName"
    r"|FailedToRetrieveImagePullSecret|Unable to retrieve some image pull secrets|failed to resolve reference"
    r"|failed to pull and unpack|pull QPS exceeded|ImageInspectError|denied request"
    r"|SignatureValidationFailed|Failed to apply default image tag|not present with pull policy of Never",
)
"""What a line about a pull holds, whoever wrote it."""

MAX_CHARACTERS: Final = 20_000
"""Of one message; events have at most 1,024, logs more."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed pull. `image` is as the message has it, "" if it names none; `host` is its canonical host or ""."""

    cause: Cause
    image: str = ""
    host: str = ""


def diagnosed(message: str) -> Failure:
    """The cause of one message. Any text gives one; at most its first MAX_CHARACTERS are read."""
    text = message[:MAX_CHARACTERS]
    found = next((cause for cause, sign in _SIGNS if sign.search(text)), Cause.UNKNOWN)
    named = _IMAGE.search(text)
    image = named[1] if named else ""
    return Failure(found, image, _host(image))


def in_lines(text: str) -> Iterator[tuple[int, Failure]]:
    """Line (from 1) and failure, of each line that tells of a pull: the output of `kubectl describe` or `get events`.

    A line that only says that a pull is backed off repeats an earlier one and is left out.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if not _PULLS.search(line):
            continue
        failure = diagnosed(line)
        if failure.cause is Cause.UNKNOWN and re.search(r"Back-off pulling|ImagePullBackOff|Error: ErrImagePull", line):
            continue
        yield number, failure


def counted(failures: Iterable[Failure]) -> tuple[tuple[Failure, int], ...]:
    """Each failure once with how often it was there, the most frequent first."""
    found = Counter(failures)
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0].cause, item[0].image)))


def _host(image: str) -> str:
    try:
        return parse(image).host if image else ""
    except UnsafeReference:
        return ""

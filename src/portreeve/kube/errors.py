"""What the API server refuses, as our kinds. Of its answers only codes and names of policies and webhooks are kept.

A `Status` quotes what was sent ("data: Invalid value: …"), so its message and causes are read and never repeated. What
a caller has to tell apart has a class or a code of its own: a version that is gone, a name that is taken, an admission
policy that refused, a namespace that is ending.

Sources: Kubernetes API conventions, "Response Status Kind"; apimachinery meta/v1 StatusReason and CauseType;
k8s.io/apiserver admission/plugin/policy/validating (message of a refusal) and webhook/errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from portreeve.core.reference import shown
from portreeve.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    PortreeveError,
    Throttled,
    Unauthenticated,
    Unavailable,
)

ASK_AGAIN_S: Final = 86_400
"""The longest wait that we let a server ask for: a day. Longer ones are a mistake of its clock."""

_POLICY: Final = re.compile(
    r"ValidatingAdmissionPolicy '([a-z0-9][a-z0-9.-]{0,252})' with binding '([a-z0-9][a-z0-9.-]{0,252})' denied"
)
_WEBHOOK: Final = re.compile(r'admission webhook "([a-z0-9][a-z0-9.-]{0,252})" denied')
_GENERATION: Final = re.compile(r" [(]policy [a-z0-9-]{1,63}, generation ([0-9]{1,15})[)]")
"""How a message of our policy names what it was rendered from; `core.expressions`."""


def generation_in(message: str) -> int:
    """The generation of our policy that a refusal or a warning of it names; 0 if it names none."""
    named = _GENERATION.search(message)
    return int(named[1]) if named else 0


class Gone(Conflict):
    """The version, or the page of a list, is one that the server no longer has: list again."""


class Exists(Conflict):
    """The name is taken."""


class NamespaceEnding(Conflict):
    """The namespace is being deleted; nothing new can be made in it."""


class RefusedByAdmission(Denied):
    """An admission policy or webhook said no. `policy` and `binding` are "" for a webhook, `webhook` for a policy.

    `generation` is that of a policy of ours, as its message names it; 0 where it names none.
    """

    def __init__(
        self, message: str, *, policy: str = "", binding: str = "", webhook: str = "", generation: int = 0
    ) -> None:
        super().__init__(
            "kube_admission", message, hint="see what the policy allows; portreeve explain IMAGE -n NAMESPACE"
        )
        self.policy, self.binding, self.webhook, self.generation = policy, binding, webhook, generation


class _Cause(msgspec.Struct, gc=False):
    reason: str = ""


class _Details(msgspec.Struct, gc=False, rename="camel"):
    kind: str = ""
    causes: list[_Cause] = []
    retry_after_seconds: int = 0


class Status(msgspec.Struct, gc=False):
    """Of the API's answer to what failed, what is read. None of it is shown as it stands."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_READER: Final = msgspec.json.Decoder(Status)


def refusal(what: str, status: int, headers: Mapping[str, str], body: bytes) -> PortreeveError:
    """The error for an answer that is none of 2xx.

    Args:
        what: what was asked, in our own words: "patch secrets portreeve-pull in shop".
        body: a `Status`, or whatever a proxy before the server sent.
    """
    try:
        read = _READER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        read = Status()
    return of_status(what, status, read, retry_after=headers.get("retry-after", ""))


def of_status(what: str, code: int, read: Status, *, retry_after: str = "") -> PortreeveError:
    """The error for a `Status`, which a watch also sends within a good answer."""
    error = _of_causes(what, code, read) or _of_code(what, code, read)
    wait_s = int(retry_after) if retry_after.isdecimal() and len(retry_after) < 10 else 0
    wait_s = wait_s or (read.details.retry_after_seconds if read.details else 0)
    if wait_s > 0:
        error.retry_after_s = float(min(wait_s, ASK_AGAIN_S))
    return error


def _of_causes(what: str, code: int, read: Status) -> PortreeveError | None:
    """What the code alone does not tell."""
    causes = {cause.reason for cause in read.details.causes} if read.details else set()
    if "NamespaceTerminating" in causes:
        return NamespaceEnding(
            "kube_namespace_ending", f"{what}: the namespace is being deleted", hint="nothing; it goes"
        )
    if "ResourceVersionTooLarge" in causes:
        return Unavailable(
            "kube_version_ahead",
            f"{what}: the server has not seen this version yet",
            hint="ask again; if it stays, the cluster was restored from a backup: list again",
        )
    if policy := _POLICY.search(read.message):
        return RefusedByAdmission(
            f"{what}: policy {policy[1]} refused it",
            policy=policy[1],
            binding=policy[2],
            generation=generation_in(read.message[policy.end() :]),
        )
    if webhook := _WEBHOOK.search(read.message):
        return RefusedByAdmission(f"{what}: the webhook {webhook[1]} refused it", webhook=webhook[1])
    if code == 403 and "exceeded quota" in read.message:
        return Denied("kube_quota", f"{what}: a quota of the namespace is used up", hint="raise the quota")
    return None


def _of_code(what: str, code: int, read: Status) -> PortreeveError:
    if code == 404:
        return NotFound("kube_not_found", f"{what}: it does not exist", hint="see name, namespace and cluster")
    if code == 409 and read.reason == "AlreadyExists":
        return Exists("kube_exists", f"{what}: the name is taken", hint="read the object that is there")
    if code in _KINDS:
        kind, name, why, hint = _KINDS[code]
        return kind(name, f"{what}: {why}", hint=hint)
    if code >= 500:
        return Unavailable("kube_unavailable", f"{what}: the API server answered {code}", hint="try again later")
    return Invalid("kube_unexpected", f"{what}: the API server answered {code}", hint="see that this is an API server")


_KINDS: Final[Mapping[int, tuple[type[PortreeveError], str, str, str]]] = {
    400: (Invalid, "kube_bad_request", "the API server could not read the request", "see that the versions fit"),
    401: (Unauthenticated, "kube_unauthorized", "the API server does not know who asks", "renew the credential"),
    403: (Denied, "kube_forbidden", "no role allows it", "kubectl auth can-i --list; bind the role that it needs"),
    405: (Invalid, "kube_bad_request", "the API server does not do this", "see that the versions fit"),
    409: (Conflict, "kube_conflict", "the object changed, or a field is somebody else's", "read it again"),
    410: (Gone, "kube_gone", "this version is no longer kept", "list again"),
    413: (Invalid, "kube_invalid", "it is larger than the API server takes", "send less at once"),
    415: (Invalid, "kube_bad_request", "the API server does not know this format", "see that the versions fit"),
    422: (Invalid, "kube_invalid", "the object, or a test of the patch, is not right", "read it again"),
    429: (Throttled, "kube_throttled", "the API server asks for a pause", "wait as long as it says"),
}


def described(verb: str, plural: str, name: str = "", namespace: str = "") -> str:
    """What is asked, for messages; names come from the cluster and are shown as such."""
    named = f" {shown(name)}" if name else ""
    where = f" in {shown(namespace)}" if namespace else ""
    return f"{verb} {plural}{named}{where}"

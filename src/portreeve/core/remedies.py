"""What to do about a cause: commands that can be run as they stand, but for the words in capitals.

The first line is the fix; what follows is what it is done with, or another way. A name that came from a cluster is
quoted for a shell, so that pasting it is harmless.

Left out: running any of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from portreeve.core.explanation import Cause, Explanation
from portreeve.core.observation import PULL_SECRET
from portreeve.core.pull_keys import key_for
from portreeve.core.reference import parse

TEMPLATES: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9@%+=:,./_-]+", re.ASCII)

ROLLED_OUT: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def fixes(explanation: Explanation) -> tuple[str, ...]:
    """Lines to run or to do, the most likely first. Empty where nothing is wrong."""
    build = _FIXES.get(explanation.cause)
    return build(explanation) if build else ()


def _q(text: str) -> str:
    """A word for a shell; plain ones stay as they are. Source: POSIX, "Single-Quotes"."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\"'\"'") + "'"


def _registry(explanation: Explanation) -> str:
    grant = explanation.facts.grant
    known = (grant.registry or grant.candidate) if grant else ""
    return _q(known) if known else "REGISTRY"


def _environment(explanation: Explanation) -> str:
    grant = explanation.facts.grant
    return _q(grant.environment) if grant else "ENVIRONMENT"


def _in(explanation: Explanation) -> str:
    return f"-n {_q(explanation.facts.namespace)}"


def _object(explanation: Explanation) -> str:
    puller = explanation.facts.puller
    return f"{puller.kind.lower()}/{_q(puller.name)}" if puller.kind else f"pod/{_q(puller.pod or 'NAME')}"


def _first_secret(explanation: Explanation) -> str:
    """The Secret whose entry is meant: that is offered first, or almost matches; "" for none."""
    named = [*(one.secret for one in explanation.offered), *(one.secret for one in explanation.near)]
    return next(iter(named), "")


def _of_ours(explanation: Explanation) -> bool:
    return _first_secret(explanation) == PULL_SECRET


def _grant(explanation: Explanation) -> str:
    return f"portreeve grant {_registry(explanation)} --environment {_environment(explanation)} {_in(explanation)}"


def _again(explanation: Explanation) -> str:
    """The command that makes the pod anew."""
    puller = explanation.facts.puller
    if puller.kind in ROLLED_OUT:
        return f"kubectl rollout restart {_object(explanation)} {_in(explanation)}"
    return f"kubectl delete pod {_q(puller.pod or puller.name or 'NAME')} {_in(explanation)}   # and make it again"


def _made_secret(explanation: Explanation, key: str) -> str:
    """The command that writes a pull secret of somebody's own anew. The password comes from a file, not an argument."""
    name = _first_secret(explanation) or "NAME"
    return (
        f"kubectl create secret docker-registry {_q(name)} {_in(explanation)} --docker-server={_q(key)}"
        ' --docker-username=USER --docker-password="$(cat FILE)" --dry-run=client -o yaml | kubectl apply -f -'
    )


def _validate(explanation: Explanation) -> str:
    image = parse(explanation.facts.image)
    tag = f":{image.tag}" if image.tag and not image.digest else f"@{image.digest}"
    return f"portreeve validate registry {_registry(explanation)} --image {_q(image.path + tag)}"


def _no_grant(explanation: Explanation) -> tuple[str, ...]:
    return (_grant(explanation),)


def _wrong_key(explanation: Explanation) -> tuple[str, ...]:
    instead = explanation.near[0].instead or key_for(parse(explanation.facts.image))
    if _of_ours(explanation):
        return (_grant(explanation), f"the entry has to be {instead}: see the host and path of the Registry document")
    return (_made_secret(explanation, instead), f"or let Portreeve keep it: {_grant(explanation)}")


def _expired(explanation: Explanation) -> tuple[str, ...]:
    if _of_ours(explanation):
        return (f"portreeve rotate registry {_registry(explanation)} --secret-stdin", "portreeve calendar --within 14")
    first = explanation.offered[:1]
    key = first[0].key if first else key_for(parse(explanation.facts.image))
    return (_made_secret(explanation, key), f"or let Portreeve keep it: {_grant(explanation)}")


def _hollow(explanation: Explanation) -> tuple[str, ...]:
    return (_grant(explanation), f"portreeve use {_registry(explanation)}   # the annotation that says it is needed")


def _refused(explanation: Explanation) -> tuple[str, ...]:
    return (_validate(explanation), *_expired(explanation)[:1])


def _scope(explanation: Explanation) -> tuple[str, ...]:
    return (
        _validate(explanation),
        "then widen the rights of that account in the registry",
    )


def _account(explanation: Explanation) -> tuple[str, ...]:
    """A JSON patch: the list is atomic to the API server, so that a merge would drop the entries of others."""
    account, entry = explanation.facts.account, {"name": _held(explanation)}
    value: object
    listed = account is not None and bool(account.pull_secrets)
    at, value = ("/imagePullSecrets/-", entry) if listed else ("/imagePullSecrets", [entry])
    patch = json.dumps([{"op": "add", "path": at, "value": value}], separators=(",", ":"))
    name = _q(account.name) if account else "NAME"
    return (
        f"kubectl patch serviceaccount {name} {_in(explanation)} --type=json -p {_q(patch)}",
        _again(explanation),
        "to have Portreeve do it: delivery.serviceAccounts of the grant has to name or select it",
    )


def _held(explanation: Explanation) -> str:
    """The Secret that has what is missing: the first that the pod does not use."""
    used = explanation.facts.puller.used
    return next((one.name for one in explanation.facts.secrets if one.name not in used and one.keys), PULL_SECRET)


def _own(explanation: Explanation) -> tuple[str, ...]:
    puller = explanation.facts.puller
    operation = {
        "op": "add",
        "path": f"{_template(puller.kind)}/imagePullSecrets/-",
        "value": {"name": _held(explanation)},
    }
    patch = json.dumps([operation], separators=(",", ":"))
    if puller.kind not in TEMPLATES:
        return (
            f"take imagePullSecrets out of the pod's manifest, or add {_held(explanation)} to it",
            _again(explanation),
        )
    return (
        f"kubectl patch {_object(explanation)} {_in(explanation)} --type=json -p {_q(patch)}",
        "or take imagePullSecrets out of its manifest: the ServiceAccount's are used then",
    )


def _template(kind: str) -> str:
    return "/spec/jobTemplate/spec/template/spec" if kind == "CronJob" else "/spec/template/spec"


def _before(explanation: Explanation) -> tuple[str, ...]:
    return (_again(explanation),)


def _missing(explanation: Explanation) -> tuple[str, ...]:
    facts = explanation.facts
    missing = [one.name for one in facts.named(facts.puller.used) if one.reading == "missing"]
    if missing and missing[0] != PULL_SECRET:
        key = key_for(parse(facts.image))
        made = _made_secret(explanation, key).replace("docker-registry NAME", f"docker-registry {_q(missing[0])}")
        return (_grant(explanation), f"or make the Secret that the pod names: {made}")
    return (_grant(explanation),)


def _not_delivered(explanation: Explanation) -> tuple[str, ...]:
    return (
        f"portreeve describe environment {_environment(explanation)}",
        "see that its agent is connected and what it reports",
    )


def _blocked(explanation: Explanation) -> tuple[str, ...]:
    judged = explanation.facts.judged
    policy = _q(judged.policy) if judged and judged.policy else "POLICY"
    repository = parse(explanation.facts.image).repository
    ask = (
        f"portreeve exempt request NAME --policy {policy} --image {_q(repository)} {_in(explanation)}"
        " --reason TEXT --owner TEAM --expires-at TIME"
    )
    return (
        ask,
        *((f"or use an image below {judged.nearest}, which is allowed here",) if judged and judged.nearest else ()),
    )


def _lapsed(explanation: Explanation) -> tuple[str, ...]:
    judged = explanation.facts.judged
    last = max(judged.lapsed, key=lambda one: one.ended_at) if judged and judged.lapsed else None
    name = _q(last.name) if last and last.name else "NAME"
    return (f"portreeve exempt renew {name} --expires-at TIME", *_blocked(explanation))


def _unauthorized(explanation: Explanation) -> tuple[str, ...]:
    facts = explanation.facts
    hidden = next((one.name for one in facts.named(facts.puller.used) if one.reading == "forbidden"), "")
    if not hidden:
        return (
            _made_secret(explanation, key_for(parse(facts.image))),
            f"or let Portreeve keep it: {_grant(explanation)}",
        )
    return (
        f"kubectl auth can-i get secret/{_q(hidden)} {_in(explanation)}   # with that right, this command says more",
        _grant(explanation),
    )


def _platform(explanation: Explanation) -> tuple[str, ...]:
    facts = explanation.facts
    image = parse(facts.image)
    tag = f":{image.tag}" if image.tag and not image.digest else f"@{image.digest}"
    architecture = facts.puller.platform.partition("/")[2] or "ARCHITECTURE"
    there = [one.split("/")[1] for one in (facts.probe.platforms if facts.probe else ()) if "/" in one]
    lines = [f"docker buildx build --platform linux/{architecture} --tag {_q(facts.image)} --push ."]
    if facts.puller.kind in ROLLED_OUT and there:
        selector = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/arch": there[0]}}}}}
        patch = json.dumps(selector, separators=(",", ":"))
        lines.append(f"kubectl patch {_object(explanation)} {_in(explanation)} -p {_q(patch)}")
    return (*lines, f"portreeve browse {_registry(explanation)}/{_q(image.path + tag)}   # what it has")


def _rate_limit(explanation: Explanation) -> tuple[str, ...]:
    if any(one.live for one in explanation.offered):
        return (f"portreeve limits {_registry(explanation)}", "pull through a mirror")
    return (_grant(explanation), f"portreeve limits {_registry(explanation)}", "or pull through a mirror")


def _certificate(explanation: Explanation) -> tuple[str, ...]:
    host = parse(explanation.facts.image).host
    return (
        f'on the nodes: /etc/containerd/certs.d/{host}/hosts.toml with ca = ["FILE"]',
        f"openssl s_client -showcerts -connect {_q(_with_port(host))} </dev/null   # the certificate as it is shown",
    )


def _with_port(host: str) -> str:
    return host if ":" in host else f"{host}:443"


def _dns(explanation: Explanation) -> tuple[str, ...]:
    host = parse(explanation.facts.image).host.partition(":")[0]
    node = _q(explanation.facts.puller.node or "NODE")
    return (
        f"kubectl debug node/{node} -it --image=busybox -- nslookup {_q(host)}",
        f"see that {host} is spelled right in the image, and the node's own DNS: the cluster's is not used for pulls",
    )


def _network(explanation: Explanation) -> tuple[str, ...]:
    host, _, port = _with_port(parse(explanation.facts.image).host).partition(":")
    node = _q(explanation.facts.puller.node or "NODE")
    return (
        f"portreeve egress {_environment(explanation)}   # the hosts that nodes must reach",
        f"kubectl debug node/{node} -it --image=busybox -- nc -zvw5 {_q(host)} {_q(port)}",
    )


def _browse(explanation: Explanation) -> tuple[str, ...]:
    path = _q(parse(explanation.facts.image).path)
    return (f"portreeve browse {_registry(explanation)}/{path}   # the tags that are there",)


def _validated(explanation: Explanation) -> tuple[str, ...]:
    return (_validate(explanation),)


def _differs(explanation: Explanation) -> tuple[str, ...]:
    return (
        "wait: the kubelet tries again within five minutes",
        f"{_again(explanation)}   # to have it try now",
        "if it stays: the node's mirror configuration, its clock, and whether it reaches another registry by this name",
    )


def _name(explanation: Explanation) -> tuple[str, ...]:
    return (
        f"portreeve images --why {_q(explanation.facts.image)}",
        "write it in full: host/path:tag, or host/path@sha256:…",
    )


def _says(*lines: str) -> Callable[[Explanation], tuple[str, ...]]:
    return lambda _: lines


_FIXES: Final[Mapping[Cause, Callable[[Explanation], tuple[str, ...]]]] = {
    Cause.NAME_INVALID: _name,
    Cause.SOURCE_BLOCKED: _blocked,
    Cause.EXEMPTION_EXPIRED: _lapsed,
    Cause.ADMISSION: _before,
    Cause.NO_GRANT: _no_grant,
    Cause.NOT_DELIVERED: _not_delivered,
    Cause.SECRET_MISSING: _missing,
    Cause.ACCOUNT_WITHOUT_SECRET: _account,
    Cause.OWN_PULL_SECRETS: _own,
    Cause.POD_BEFORE_SECRET: _before,
    Cause.WRONG_KEY: _wrong_key,
    Cause.HOLLOW: _hollow,
    Cause.EXPIRED: _expired,
    Cause.REFUSED_LOGIN: _refused,
    Cause.SCOPE: _scope,
    Cause.UNAUTHORIZED: _unauthorized,
    Cause.NODE_DIFFERS: _differs,
    Cause.RATE_LIMIT: _rate_limit,
    Cause.GATE: _validated,
    Cause.PLATFORM: _platform,
    Cause.NOT_FOUND: _browse,
    Cause.NEVER_PULLED: _says("take imagePullPolicy: Never out of the container"),
    Cause.CERTIFICATE: _certificate,
    Cause.NO_TLS: _says("serve the registry over TLS; or name it as plain HTTP in the nodes' hosts.toml"),
    Cause.DNS: _dns,
    Cause.CONNECTION_REFUSED: _network,
    Cause.TIMEOUT: _network,
    Cause.UNREACHABLE: _network,
    Cause.DISK: _says("kubectl describe nodes   # DiskPressure; remove unused images and logs there"),
    Cause.NODE_THROTTLED: _says("wait; or raise registryPullQPS of the kubelet"),
    Cause.NODE_REFUSED: _says(
        "see the node's policy.json, registries.conf or certs.d; portreeve render writes them anew from the policy"
    ),
    Cause.SIGNATURE: _says("sign the image, or see the signature policy of the node"),
    Cause.CORRUPT: _says("try again; if it stays, look at proxies and the registry's storage"),
    Cause.SERVER: _validated,
}

"""A policy as files for nodes: what containerd, K3s, CRI-O, Podman and OpenShift read to refuse a pull.

Theory of operation. Admission judges objects of the API; what a kubelet starts by itself, what `crictl` pulls and what
a builder pulls is never seen there, so the runtime has to refuse. Each form of file can say less than a policy, and
never the same less. So every form comes with its gaps, each a sentence about one source: WIDER where the file would
allow what the policy does not, NARROWER where it would refuse what the policy allows. Whoever writes the files has to
accept the former first; they are never left unsaid.

A mirror changes where an image comes from and never which image may run: its host must have a source, and the mirror
itself must be one. Behind a mirror the upstream is asked only where the policy itself names it; pre-filled sources of
system images are there to be mirrored.

Left out: exemptions, whose end no file knows, and everything that is the operator's own in these files (certificates,
plain HTTP, credentials). Text is made in `wire.node_files`, places are written by the command line.

Sources: containerd, docs/hosts.md; K3s, "Private Registry Configuration"; containers-policy.json(5);
containers-registries.conf(5); crio.conf(5), signature_policy_dir; OpenShift, image.config.openshift.io/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.policy import AllowedSource, Origin, Stage
from portreeve.core.reference import DOCKER_HUB, SourcePrefix, parse, parse_prefix
from portreeve.core.render import AGENT_IMAGE, ProtectedImage, compile_policy
from portreeve.core.sources import ResolvedSources
from portreeve.errors import Invalid, Problem


class NodeForm(StrEnum):
    """Who reads the files."""

    CONTAINERD = "containerd"
    K3S = "k3s"
    CRIO = "crio"
    PODMAN = "podman"
    OPENSHIFT = "openshift"


class Width(StrEnum):
    """On which side of the policy a file errs."""

    WIDER = "wider"
    NARROWER = "narrower"


class Syntax(StrEnum):
    """How a file is written down."""

    TOML = "toml"
    YAML = "yaml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Gap:
    """What a form cannot say: one sentence about one host or source."""

    width: Width
    message: str

    def __str__(self) -> str:
        return f"{self.width}: {self.message}"


@dataclass(frozen=True, slots=True)
class NodeFile:
    """One file. `path` is relative, with "/"; `content` is plain values; `about` is what it enforces and what not."""

    path: str
    syntax: Syntax
    content: Mapping[str, Any]
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The files of one form, in the order in which they are written: what allows comes before what refuses."""

    form: NodeForm
    policy: str
    generation: int
    files: tuple[NodeFile, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where images of a host are pulled from first: `target` stands in the place of `host`."""

    host: str
    target: SourcePrefix


REFUSING_HOST: Final = "refused-by-portreeve.invalid"
"""What hosts without a source lead to; its name is what an event then shows. Nobody can own it.
Source: RFC 6761, section 6.4: names below .invalid never resolve."""

MOST_SOURCES: Final = 5
"""Of a host that a sentence names; a host may have thousands."""

_HUB_ENDPOINT: Final = "registry-1.docker.io"
"""Where docker.io is served. Source: containerd, core/remotes/docker/config/hosts.go."""

_PLACES: Final[dict[NodeForm, tuple[str, ...]]] = {
    NodeForm.CONTAINERD: (
        "Belongs into /etc/containerd/certs.d, which the CRI plugin reads if its config_path says so; hot-reloaded.",
        "Enforces hosts, for all that this containerd pulls through it: pods, static pods, crictl.",
        "Does not enforce paths below a host, namespaces, or images that the node has already.",
    ),
    NodeForm.K3S: (
        "Belongs to /etc/rancher/k3s/registries.yaml or /etc/rancher/rke2/registries.yaml; read when the node starts.",
        "Needs --disable-default-registry-endpoint: without it, a host that is refused here is asked all the same.",
        "Needs releases from January 2024 on, and no entry under configs for a host that is not to be opened.",
        "Enforces hosts. Does not enforce paths below a host, namespaces, or images that the node has already.",
    ),
    NodeForm.CRIO: (
        "Belongs below /etc: containers/policy.json, containers/registries.conf, crio/policies (signature_policy_dir).",
        "Enforces hosts and paths when an image is pulled; by namespace with crio/policies, since CRI-O 1.31.",
        "Does not verify signatures, and does not judge references that name no registry, as image ids.",
    ),
    NodeForm.PODMAN: (
        "Belongs to /etc/containers or ~/.config/containers; Podman, Buildah and Skopeo read it.",
        "Enforces hosts and paths when an image is pulled from a registry; loading archives is refused as well.",
        "Does not know namespaces, does not verify signatures, and binds nobody who may name another policy.",
    ),
    NodeForm.OPENSHIFT: (
        "For the cluster's one Image object; the machine config operator writes the nodes' files and restarts them.",
        "Enforces hosts and paths for pulls and builds. The release's own registries must be sources, or nodes fail.",
        "Does not know namespaces, does not verify signatures.",
    ),
}


def parse_mirror(text: str) -> Mirror:
    """Read HOST=TARGET, such as docker.io=harbor.example.com/hub.

    Raises:
        Invalid: `mirror_format`, or what is wrong with one of the two as a source.
    """
    host, equals, target = text.partition("=")
    if not equals or "/" in host:
        raise Invalid("mirror_format", f"{text!a} is not HOST=MIRROR", hint="docker.io=harbor.example.com/hub")
    upstream, mirror = parse_prefix(host), parse_prefix(target)
    if upstream.wildcard or mirror.wildcard:
        raise Invalid("mirror_format", f"{text!a} has a wildcard", hint="name one host and one mirror")
    return Mirror(upstream.host, mirror)


def node_files(
    form: NodeForm,
    sources: ResolvedSources,
    *,
    mirrors: Sequence[Mirror] = (),
    protected: Iterable[ProtectedImage] = (AGENT_IMAGE,),
) -> NodeFiles:
    """The policy as files of one form.

    Raises:
        Invalid: as `render.compile_policy`, whose checks come first; the stage is not deny; a mirror is no source.
    """
    compile_policy(sources, protected=protected)
    if sources.stage is not Stage.DENY:
        raise Invalid(
            "node_files_need_deny",
            f"policy {sources.policy} is at stage {sources.stage}, and a node can only refuse",
            hint="render node files once the policy is at stage deny",
        )
    _check_mirrors(sources, mirrors)
    writers = {
        NodeForm.CONTAINERD: _containerd,
        NodeForm.K3S: _k3s,
        NodeForm.CRIO: _crio,
        NodeForm.PODMAN: _podman,
        NodeForm.OPENSHIFT: _openshift,
    }
    files, gaps = writers[form](sources, mirrors)
    if sources.exemptions:
        gaps = (*gaps, Gap(Width.NARROWER, f"{len(sources.exemptions)} exemptions: no file knows when they end"))
    return NodeFiles(form, sources.policy, sources.generation, files, gaps)


_Rendered = tuple[tuple[NodeFile, ...], tuple[Gap, ...]]


def _check_mirrors(sources: ResolvedSources, mirrors: Sequence[Mirror]) -> None:
    held = {*_exact_hosts(_all(sources))}
    problems: list[Problem] = []
    for mirror in mirrors:
        if mirror.host not in held:
            message = f"{mirror.host} has no source, so nothing may come through its mirror"
            problems.append(Problem("mirror_without_source", message, "--mirror", "add a source on that host"))
        everywhere_or_system = [sources.everywhere, *(sources.by_namespace.get(n, {}) for n in SYSTEM_NAMESPACES)]
        probe = parse(f"{mirror.target}/image")
        if not any(source.prefix.covers(probe) for each in everywhere_or_system for source in each.values()):
            message = f"{mirror.target} is no allowed source, so images must not come from it"
            problems.append(
                Problem("mirror_not_allowed", message, "--mirror", "add it to spec.restrict.allowedSources")
            )
    if problems:
        raise Invalid("mirrors_refused", "the mirrors do not fit the policy", problems=tuple(problems))


def _all(sources: ResolvedSources) -> tuple[AllowedSource, ...]:
    """Every source of any scope, each prefix once, sorted by key; one that is not pre-filled goes first."""
    found: dict[str, AllowedSource] = {}
    for held in (sources.everywhere, *(sources.by_namespace[name] for name in sorted(sources.by_namespace))):
        for key, source in held.items():
            if key not in found or found[key].origin is Origin.PREFILLED:
                found[key] = source
    return tuple(found[key] for key in sorted(found))


def _exact_hosts(sources: Iterable[AllowedSource]) -> dict[str, list[AllowedSource]]:
    """Host → its sources, sorted by host; wildcards are left out."""
    found: dict[str, list[AllowedSource]] = {}
    for source in sources:
        if not source.prefix.wildcard:
            found.setdefault(source.prefix.host, []).append(source)
    return dict(sorted(found.items()))


def _asks_upstream(sources: Iterable[AllowedSource]) -> bool:
    return any(source.origin is not Origin.PREFILLED for source in sources)


def _about(form: NodeForm, sources: ResolvedSources, *more: str) -> tuple[str, ...]:
    written = (
        f"Written by portreeve render --format {form} from policy {sources.policy}, generation {sources.generation}."
    )
    return (written, *_PLACES[form], *more)


def _where(source: AllowedSource) -> str:
    if source.namespaces is None:
        return f"{source.prefix}"
    names = ", ".join(source.namespaces[:3]) + (", …" if len(source.namespaces) > 3 else "")
    return f"{source.prefix} in {names} only"


def _several(held: Sequence[AllowedSource]) -> str:
    return "; ".join(map(_where, held[:MOST_SOURCES])) + ("; …" if len(held) > MOST_SOURCES else "")


def _host_gaps(sources: ResolvedSources) -> Iterator[Gap]:
    """What a file that knows hosts alone does to the policy."""
    every = _all(sources)
    for host, held in _exact_hosts(every).items():
        if not any(source.prefix.path == "" and source.namespaces is None for source in held):
            yield Gap(
                Width.WIDER, f"all of {host} is opened to every pod of the node, the policy allows {_several(held)}"
            )
    for source in every:
        if source.prefix.wildcard:
            yield Gap(Width.NARROWER, f"{source.prefix} is left out: hosts have to be named one by one")


def _upstream(host: str) -> str:
    return f"https://{_HUB_ENDPOINT if host == DOCKER_HUB else host}"


def _is_loopback(host: str) -> bool:
    """Whether containerd finds out itself how to speak to the host (plain HTTP where there is a port)."""
    name = host.partition(":")[0]
    return name == "localhost" or name.startswith("127.")


def _containerd(sources: ResolvedSources, mirrors: Sequence[Mirror]) -> _Rendered:
    """One directory for each host. What has none falls to `_default`, whose only server may not be pulled from.

    A file that containerd cannot read, or an empty one, would mean the registry itself: it fails open.
    """
    gaps = tuple(_host_gaps(sources))
    files: list[NodeFile] = []
    for host, held in _exact_hosts(_all(sources)).items():
        about = _about(NodeForm.CONTAINERD, sources, f"Opens {host}, all of it. The policy allows {_several(held)}.")
        directory = "{}_{}_".format(*host.split(":")) if ":" in host else host
        path = f"containerd/certs.d/{directory}/hosts.toml"
        files.append(NodeFile(path, Syntax.TOML, _hosts_toml(host, held, mirrors), about))
    refusing = {"server": f"https://{REFUSING_HOST}", "capabilities": ["push"]}
    about = _about(NodeForm.CONTAINERD, sources, "Refuses every host without a directory here: nobody is asked.")
    files.append(NodeFile("containerd/certs.d/_default/hosts.toml", Syntax.TOML, refusing, about))
    return tuple(files), gaps


def _hosts_toml(host: str, held: Sequence[AllowedSource], mirrors: Sequence[Mirror]) -> dict[str, Any]:
    targets = [mirror.target for mirror in mirrors if mirror.host == host]
    pulling = ["pull", "resolve"]
    content: dict[str, Any] = {}
    if not targets or _asks_upstream(held):
        if not _is_loopback(host):
            content = {"server": _upstream(host), "capabilities": pulling}
    else:
        content = {"server": f"https://{REFUSING_HOST}", "capabilities": ["push"]}
    if targets:
        content["host"] = {
            _mirror_address(target): {"capabilities": pulling, "override_path": True} for target in targets
        }
    return content


def _k3s(sources: ResolvedSources, mirrors: Sequence[Mirror]) -> _Rendered:
    """The same, in one file. An endpoint with a path gets override_path, so that no rewrite is needed.

    Source: K3s, pkg/agent/containerd/config.go, normalizeEndpointAddress and getHostConfigs.
    """
    entries: dict[str, Any] = {}
    for host, held in _exact_hosts(_all(sources)).items():
        endpoints = [_mirror_address(mirror.target) for mirror in mirrors if mirror.host == host]
        if not endpoints or _asks_upstream(held):
            endpoints.append(f"http://{host}" if _is_loopback(host) and ":" in host else _upstream(host))
        entries[host] = {"endpoint": endpoints}
    entries["*"] = {"endpoint": [f"https://{REFUSING_HOST}"]}
    file = NodeFile("registries.yaml", Syntax.YAML, {"mirrors": entries}, _about(NodeForm.K3S, sources))
    return (file,), tuple(_host_gaps(sources))


def _mirror_address(target: SourcePrefix) -> str:
    """Where the API of the registry begins for what a mirror holds."""
    return f"https://{target.host}/v2/{target.path}".rstrip("/")


def _scope(prefix: SourcePrefix) -> str:
    """The prefix as a scope of policy.json. Of a wildcard it can hold the parent domain alone."""
    return prefix.host.partition(":")[0] if prefix.wildcard else str(prefix)


def _wildcard_gaps(sources: Iterable[AllowedSource], extra: str = "") -> Iterator[Gap]:
    for source in sources:
        if source.prefix.wildcard:
            meaning = f"{_scope(source.prefix)} covers hosts at any depth and port, and all of their paths{extra}"
            yield Gap(Width.WIDER, f"{meaning}; the policy allows {_where(source)}")


def _policy_json(sources: Iterable[AllowedSource]) -> dict[str, Any]:
    accepted = [{"type": "insecureAcceptAnything"}]
    scopes = sorted({_scope(source.prefix) for source in sources})
    return {"default": [{"type": "reject"}], "transports": {"docker": {scope: list(accepted) for scope in scopes}}}


def _registries_conf(sources: Sequence[AllowedSource], mirrors: Sequence[Mirror]) -> dict[str, Any]:
    """No short names; of hosts with sources only these paths; mirrors. Hosts without a source are policy.json's.

    A prefix without a port covers every port of its host, and the longest prefix counts: so a host that is open as a
    whole has an entry too.
    """
    entries: list[dict[str, Any]] = []
    hosts = _exact_hosts(sources)
    for host, held in hosts.items():
        whole = any(source.prefix.path == "" for source in held)
        targets = [mirror.target for mirror in mirrors if mirror.host == host]
        if not whole:
            entries.append({"prefix": host, "location": host, "blocked": True})
        upstream = _asks_upstream(held)
        prefixes = [SourcePrefix(host)] if whole else [source.prefix for source in held]
        entries += [_registry(prefix, targets, upstream=upstream) for prefix in prefixes]
    if DOCKER_HUB not in hosts:
        entries.append({"prefix": DOCKER_HUB, "location": DOCKER_HUB, "blocked": True})
    return {"unqualified-search-registries": [], "short-name-mode": "enforcing", "registry": entries}


def _registry(prefix: SourcePrefix, targets: Sequence[SourcePrefix], *, upstream: bool) -> dict[str, Any]:
    below = [f"{target}/{prefix.path}".rstrip("/") for target in targets]
    location = str(prefix) if upstream or not below else below.pop()
    entry: dict[str, Any] = {"prefix": str(prefix), "location": location}
    if below:
        entry["mirror"] = [{"location": each} for each in below]
    return entry


def _crio(sources: ResolvedSources, mirrors: Sequence[Mirror]) -> _Rendered:
    """policy.json for namespaces without sources of their own, and one file for each that has some."""
    every = _all(sources)
    everywhere = tuple(sources.everywhere[key] for key in sorted(sources.everywhere))
    files = [
        NodeFile(
            f"crio/policies/{namespace}.json",
            Syntax.JSON,
            _policy_json(sources.in_scope(namespace)),
            _about(NodeForm.CRIO, sources, f"For pods of namespace {namespace}, in the place of policy.json."),
        )
        for namespace in sorted(sources.by_namespace)
    ]
    about = _about(NodeForm.CRIO, sources)
    files.append(NodeFile("containers/registries.conf", Syntax.TOML, _registries_conf(every, mirrors), about))
    files.append(NodeFile("containers/policy.json", Syntax.JSON, _policy_json(everywhere), about))
    return tuple(files), tuple(_wildcard_gaps(every))


def _podman(sources: ResolvedSources, mirrors: Sequence[Mirror]) -> _Rendered:
    """What the policy allows everywhere. Pre-filled sources are a cluster's and no gap here."""
    everywhere = tuple(sources.everywhere[key] for key in sorted(sources.everywhere))
    gaps = [*_wildcard_gaps(everywhere)]
    gaps += [
        Gap(Width.NARROWER, f"{_where(source)} is left out: there are no namespaces here")
        for source in _all(sources)
        if source.namespaces is not None and source.origin is not Origin.PREFILLED
    ]
    about = _about(NodeForm.PODMAN, sources)
    mirrored = [mirror for mirror in mirrors if mirror.host in _exact_hosts(everywhere)]
    files = (
        NodeFile("containers/registries.conf", Syntax.TOML, _registries_conf(everywhere, mirrored), about),
        NodeFile("containers/policy.json", Syntax.JSON, _policy_json(everywhere), about),
    )
    return files, tuple(gaps)


def _openshift(sources: ResolvedSources, mirrors: Sequence[Mirror]) -> _Rendered:
    """allowedRegistries of the cluster's Image object. System images of kubeadm are not OpenShift's."""
    if mirrors:
        raise Invalid("mirror_format", "mirrors of OpenShift are objects of their own", hint="ImageTagMirrorSet")
    kept = [source for source in _all(sources) if not _is_kubeadm(source)]
    gaps = list(_wildcard_gaps(kept, " in all namespaces"))
    gaps += [
        Gap(Width.WIDER, f"{source.prefix} is opened to all namespaces, the policy allows {_where(source)}")
        for source in kept
        if source.namespaces is not None and not source.prefix.wildcard
    ]
    registries = sorted({_scope(source.prefix) for source in kept})
    content = {
        "apiVersion": "config.openshift.io/v1",
        "kind": "Image",
        "metadata": {"name": "cluster"},
        "spec": {"registrySources": {"allowedRegistries": registries}},
    }
    file = NodeFile("image-config.yaml", Syntax.YAML, content, _about(NodeForm.OPENSHIFT, sources))
    return (file,), tuple(gaps)


def _is_kubeadm(source: AllowedSource) -> bool:
    return source.origin is Origin.PREFILLED and set(source.namespaces or ()) <= set(SYSTEM_NAMESPACES)

"""The hosts that must be reachable as rules of a network, and what changed since they were last handed over.

Theory of operation. A NetworkPolicy of Kubernetes knows addresses and no names, so names are written as the addresses
that they had when the rule was made, and each stands in an annotation with what it was resolved to; names with a star
cannot be written at all and are listed as such. Cilium knows names. Both concern pods: images are pulled by the
node, so a policy on pods lets builders, mirrors and agents out, and a firewall before the nodes has to let those out.

Left out: resolving names; who hands over what to whom; Cilium's policies for nodes by name. Those send every look-up of
the node through Cilium's own proxy, and while that restarts the kubelet reaches no registry: not what a list of
registries should bring about. The list itself is what the firewall of the nodes takes.
Sources: Kubernetes, networking.k8s.io/v1 NetworkPolicy; Cilium, "DNS based" and "Host Policies".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from portreeve.core.egress import HostNeed

NAME: Final = "portreeve-registry-egress"
DNS_PORT: Final = 53

Rule = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be opened and what may be closed since the last hand-over; sorted by host and port."""

    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    kept: int

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to do."""
        return not self.added and not self.removed


def rules(needs: Iterable[HostNeed]) -> tuple[Rule, ...]:
    """The hosts and ports, each once, sorted."""
    return tuple(sorted({(need.host, need.port) for need in needs}))


def difference(before: Iterable[Rule], now: Iterable[Rule]) -> Difference:
    """What changed from `before` to `now`."""
    old, new = set(before), set(now)
    return Difference(tuple(sorted(new - old)), tuple(sorted(old - new)), len(old & new))


def network_policy(
    needs: Iterable[HostNeed], namespace: str, addresses: Mapping[str, Sequence[str]], resolved_at: str
) -> dict[str, Any]:
    """A NetworkPolicy for all pods of a namespace: DNS, and the addresses that the hosts have at this moment.

    Args:
        addresses: host → its addresses, for names that could be resolved; a host that is an address needs no entry.
        resolved_at: RFC 3339, for the annotation.
    """
    blocks: dict[int, set[str]] = {}
    missing, noted = set(), []
    for host, port in rules(needs):
        found = _addresses(host, addresses)
        if found:
            blocks.setdefault(port, set()).update(map(_block, found))
            noted.append(f"{host}={'+'.join(sorted(found))}")
        else:
            missing.add(host)
    annotations = {
        "portreeve.io/resolved-at": resolved_at,
        "portreeve.io/hosts": " ".join(noted),
        "portreeve.io/not-expressible": " ".join(sorted(missing)),
    }
    dns = {"ports": [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]}
    opened = [
        {"to": [{"ipBlock": {"cidr": block}} for block in sorted(blocks[port])], "ports": [_tcp(port)]}
        for port in sorted(blocks)
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "annotations": {key: value for key, value in annotations.items() if value},
        },
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [dns, *opened]},
    }


def cilium_policy(needs: Iterable[HostNeed], namespace: str) -> dict[str, Any]:
    """A CiliumNetworkPolicy for all pods of a namespace, by name."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"endpointSelector": {}, "egress": [_cilium_dns(), *_cilium_rules(needs)]},
    }


def _cilium_dns() -> dict[str, Any]:
    # Names are only known to Cilium once its proxy has seen them looked up.
    ports = [{"port": str(DNS_PORT), "protocol": "ANY"}]
    return {
        "toEntities": ["cluster"],
        "toPorts": [{"ports": ports, "rules": {"dns": [{"matchPattern": "*"}]}}],
    }


def _cilium_rules(needs: Iterable[HostNeed]) -> list[dict[str, Any]]:
    by_port: dict[int, list[str]] = {}
    for host, port in rules(needs):
        by_port.setdefault(port, []).append(host)
    found: list[dict[str, Any]] = []
    for port, hosts in sorted(by_port.items()):
        ports = [{"ports": [{"port": str(port), "protocol": "TCP"}]}]
        names = [host for host in hosts if _ip(host) is None]
        if names:
            found.append({"toFQDNs": [_fqdn(name) for name in names], "toPorts": ports})
        if literal := [_block(host) for host in hosts if _ip(host) is not None]:
            found.append({"toCIDR": literal, "toPorts": ports})
    return found


def _fqdn(name: str) -> dict[str, str]:
    # A star at the front of matchPattern covers one label or several from Cilium 1.16 on ("**."), one before it.
    return {"matchPattern": name} if name.startswith("*.") else {"matchName": name}


def _addresses(host: str, addresses: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return (host,) if _ip(host) is not None else addresses.get(host, ())


def _tcp(port: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}


def _block(address: str) -> str:
    found = ipaddress.ip_address(address)
    return f"{found}/{found.max_prefixlen}"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None

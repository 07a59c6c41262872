"""A control plane with objects of every kind in two places, and callers with every role in one of them.

The place of group `production` is that in which roles are held ("own"); the one of `development` is "other". Names that
nothing has are "none". Used by the authorisation matrix and by what drives the whole API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from portreeve.core.access_requests import AccessRequest
from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.documents.kinds import BY_PLURAL
from portreeve.server.images.service import Observation, observe
from portreeve.wire.channel import access_request_document
from tests.server.plane import Plane, document

CALLERS: Final = {
    "P": "platform", "E": "edgar", "J": "shopkeeper", "O": "operator", "D": "developer", "A": "auditor", "N": "nobody",
    "R": "reading", "K": "kindly", "X": "",
}  # fmt: skip
"""Letter of the matrix → user; "" is nobody at all."""

NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "own": {
        "groups": "production", "environments": "prod-eu", "namespaces": "shop", "projects": "shop-team",
        "registries": "shop-registry", "access": "shop-access", "policies": "production-policy",
        "exemptions": "shop-exemption", "teams": "crew", "rolebindings": "shop-binding",
        "fleet": "prod-eu", "images": "shop.example.com/shop/api", "policytemplates": "shop.example.com/shop",
        "audit": "shop-registry", "calendar": "shop-registry",
        "access-needed": "shared.example.com/shop/app", "access-unused": "shop-idle", "attachments": "shop-access",
        "access-requests": "shop-wish", "access-matrix": "shop-access", "registry-overview": "shop-registry",
        "policycoverage": "production-policy",
    },
    "other": {
        "groups": "development", "environments": "dev-us", "namespaces": "pay", "projects": "pay-team",
        "registries": "pay-registry", "access": "pay-access", "policies": "development-policy",
        "exemptions": "pay-exemption", "teams": "strangers", "rolebindings": "pay-binding", "users": "somebody",
        "fleet": "dev-us", "images": "pay.example.com/pay/api", "policytemplates": "pay.example.com/pay",
        "audit": "pay-registry", "calendar": "pay-registry",
        "access-needed": "shared.example.com/pay/app", "access-unused": "pay-idle", "attachments": "pay-access",
        "access-requests": "pay-wish", "access-matrix": "pay-access", "registry-overview": "pay-registry",
        "policycoverage": "development-policy",
    },
    "none": {
        "groups": "no-group", "environments": "no-environment", "namespaces": "no-namespace", "projects": "no-project",
        "registries": "no-registry", "access": "no-access", "policies": "no-policy", "exemptions": "no-exemption",
        "access-requests": "no-wish", "teams": "no-team", "rolebindings": "no-binding", "users": "no-user",
        "plans": "0000000000",
    },
}  # fmt: skip
"""Tenancy → what stands in paths → name."""

ENDS: Final = "2027-02-01T00:00:00Z"


def documents(tenancy: str) -> dict[str, dict[str, Any]]:
    """Plural → the document of that place; of "none" such as name places that are not there."""
    at = NAMES[tenancy]
    own = tenancy == "own"
    source = {"prefix": f"{at['namespaces']}.example.com/library", "scope": "Global"}
    scope = {"environments": [at["environments"]], "namespaces": [at["namespaces"]]}
    exempt = {"groups": [at["groups"]], "namespaces": [at["namespaces"]], "image": "public.ecr.aws/library/redis"}
    credential = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}, "expiresAt": ENDS}
    host = f"{at['namespaces']}.example.com"
    found = {
        "groups": document("EnvironmentGroup", at["groups"]),
        "environments": document(
            "Environment", at["environments"], tier="production" if own else "development", group=at["groups"]
        ),
        "projects": document(
            "Project",
            at["projects"],
            admins={"users": [CALLERS["J"] if own else "stranger"]},
            namespaces=[{"environment": at["environments"], "names": [at["namespaces"]]}],
        ),
        "registries": document(
            "Registry", at["registries"], provider="harbor", host=host, project=at["projects"], credentials=[credential]
        ),
        "access": document(
            "RegistryAccess",
            at["access"],
            registry=at["registries"],
            project=at["projects"],
            namespaces={"names": [at["namespaces"]]},
        ),
        "policies": document(
            "RegistryPolicy",
            at["policies"],
            groups=[at["groups"]],
            allowOverride=True,
            restrict={"stage": "deny", "allowedSources": [source]},
        ),
        "exemptions": document(
            "Exemption",
            at["exemptions"],
            policy=at["policies"],
            scope=exempt,
            reason="the mirror is not ready",
            owner="shop",
            expiresAt="2026-12-01T00:00:00Z",
        ),
        "teams": document("Team", at["teams"], members=[*CALLERS.values()][:7] if own else ["stranger"]),
        "rolebindings": document(
            "RoleBinding", at["rolebindings"], role="operator", subjects={"users": ["stranger"]}, scope=scope
        ),
    }
    if "users" in at:
        found["users"] = document("User", at["users"])
    return found


SHARED: Final = document("Registry", "shared-registry", provider="harbor", host="shared.example.com")

IDLE: Final = document("Registry", "idle-registry", provider="harbor", host="idle.example.com")
"""Granted in both places, and used in none."""

WIDER: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "spread": {"access": {"project": None, "environment": "prod-eu", "namespaces": {"names": ["shop", "cellar"]}}},
    "carried": {
        "access": {"registry": "pay-registry"},
        "policies": {"access": [{"registry": "shop-registry", "namespaces": {"names": ["cellar"]}}]},
    },
}
"""Tenancy → plural → what the own document says then, which is more than it did: more namespaces, another registry."""

_ORDER: Final = (
    "groups",
    "environments",
    "users",
    "teams",
    "projects",
    "registries",
    "policies",
    "access",
    "rolebindings",
)
_PLACE: Final[dict[str, Any]] = {"environments": ["prod-eu"], "namespaces": ["shop"]}
_ROLES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "P": ("platform-admin", {}), "E": ("environment-admin", {"groups": ["production"]}), "O": ("operator", _PLACE),
    "D": ("developer", _PLACE), "A": ("auditor", {}), "R": ("platform-admin", {}), "K": ("platform-admin", {}),
}  # fmt: skip


@dataclass
class Scene:
    """The plane, a client for each letter, and the names of what only the plane could name. `root` is none of them."""

    plane: Plane
    root: httpx2.AsyncClient
    clients: dict[str, httpx2.AsyncClient]
    plans: dict[str, str] = field(default_factory=dict)

    def names(self, tenancy: str, letter: str) -> dict[str, str]:
        """What stands in paths → name, as this caller means it."""
        place = tenancy if tenancy in NAMES else "own"
        found = {"users": CALLERS[letter] or "nobody", "plans": self.plans.get(place, ""), **NAMES[place]}
        if tenancy == "mine":
            found["exemptions"] = f"mine-{letter.lower()}"
        if tenancy == "shared":
            found["access"] = "shared-access"
        return found

    def document(self, plural: str, tenancy: str, letter: str) -> dict[str, Any]:
        """The document that a caller sends for this tenancy; for "same" as it is stored, for WIDER with more in it."""
        names = self.names(tenancy, letter)
        if plural == "users":
            return document("User", names["users"], **({} if tenancy == "same" else {"title": "changed"}))
        if tenancy == "shared":
            place = {"environment": names["environments"], "namespaces": {"names": [names["namespaces"]]}}
            return document("RegistryAccess", "shared-access", registry="shared-registry", **place)
        found = documents(tenancy if tenancy in NAMES else "own")[plural]
        if tenancy in WIDER:
            changed = {**found["spec"], **WIDER[tenancy][plural]}
            return {**found, "spec": {name: value for name, value in changed.items() if value is not None}}
        return found if tenancy == "same" else labelled(found)

    def plan(self, tenancy: str) -> dict[str, Any]:
        """The body of a plan that changes the access of a place; of "none" it deletes what is not there."""
        if tenancy == "none":
            return {"delete": [{"kind": "RegistryAccess", "name": NAMES["none"]["access"]}]}
        return {"documents": [labelled(documents(tenancy)["access"])]}


def labelled(one: Mapping[str, Any], value: str = "changed") -> dict[str, Any]:
    """The document with a label that the stored one has not."""
    return {**one, "metadata": {**one["metadata"], "labels": {"scene": value}}}


def kind_of(plural: str) -> str:
    """The kind whose documents stand under this word in paths."""
    return BY_PLURAL[plural].name


async def set_up(plane: Plane) -> Scene:
    """Everything stored, reported and asked for."""
    for tenancy in ("own", "other"):
        found = documents(tenancy)
        await plane.put(*(found[plural] for plural in _ORDER if plural in found))
    await plane.put(SHARED, IDLE, *(_idle(tenancy) for tenancy in ("own", "other")))
    root = await plane.client("root", "platform-admin")
    clients = {}
    for letter, user in CALLERS.items():
        role, scope = _ROLES.get(letter, ("", {}))
        clients[letter] = await plane.client(user, role, **scope) if user else plane.anonymous()
    clients["R"] = await _with_token(plane, CALLERS["R"], {"readOnly": True})
    clients["K"] = await _with_token(plane, CALLERS["K"], {"kinds": ["team"]})
    scene = Scene(plane, root, clients)
    await _report(plane)
    for registry in (NAMES["own"]["registries"], NAMES["other"]["registries"]):
        path = f"/api/v1/registries/{registry}/credentials/pull"
        _good(await root.put(path, json={"secret": "canary-of-the-scene", "expiresAt": ENDS}))
    await _ask_for_exemptions(scene)
    await _plan(scene)
    await plane.server.desired.sweep()
    # The background task signs when it comes to it: on a busy machine that is after the first request for a checkpoint.
    await plane.server.audit.checkpoint()
    return scene


def _idle(tenancy: str) -> dict[str, Any]:
    at = NAMES[tenancy]
    place = {"environment": at["environments"], "namespaces": {"names": [at["namespaces"]]}}
    return document("RegistryAccess", at["access-unused"], registry="idle-registry", **place)


async def _with_token(plane: Plane, user: str, scope: Mapping[str, Any]) -> httpx2.AsyncClient:
    token = await plane.token(user, scope)
    return plane.anonymous({"Authorization": f"Bearer {token.reveal().decode()}"})


async def _report(plane: Plane) -> None:
    facts = {"kubernetes": "v1.33.1", "namespaces": [{"name": name, "labels": {}} for name in ("shop", "pay")]}
    for tenancy in ("own", "other"):
        at = NAMES[tenancy]
        image = RunningImage(at["environments"], at["namespaces"], "Deployment/api", f"{at['images']}:1")
        asleep = [{"owner": "CronJob/nightly", "image": f"{at['access-needed']}:1"}]
        told = {**facts, "inventory": {at["namespaces"]: {"workloads": asleep}}, "accessRequests": [_wish(at)]}

        async def job(transaction: Transaction, image: RunningImage = image, told: Any = told) -> None:
            await observe(transaction, Observation(image.environment, 1, told, [(image, "")]))

        await plane.server.writer.run(job)


def _wish(at: Mapping[str, str]) -> dict[str, Any]:
    """What the namespace asks for: a registry that belongs to nobody in particular, and is granted nowhere."""
    wish = AccessRequest(at["namespaces"], at["access-requests"], "uid", 1, SHARED["metadata"]["name"], reason="why")
    return access_request_document(wish)


async def _ask_for_exemptions(scene: Scene) -> None:
    """One for each place by root, and one for each caller by themselves, who may have had the right then alone."""
    users = [user for user in CALLERS.values() if user]
    await scene.plane.put(document("RoleBinding", "asking", role="developer", subjects={"users": users}))
    for tenancy in ("own", "other"):
        _good(await scene.root.post("/api/v1/exemptions", json=documents(tenancy)["exemptions"]))
    asked = documents("own")["exemptions"]
    for letter, user in CALLERS.items():
        if user:
            mine = {**asked, "metadata": {"name": f"mine-{letter.lower()}"}}
            client = await _with_token(scene.plane, user, {})
            _good(await client.post("/api/v1/exemptions", json=mine))
    _good(await scene.root.delete("/api/v1/rolebindings/asking"))


async def _plan(scene: Scene) -> None:
    """A plan of root's for each place. The world changes behind it: it can be seen, and can run no more."""
    for tenancy in ("own", "other"):
        made = _good(await scene.root.post("/api/v1/plans", json=scene.plan(tenancy)))
        scene.plans[tenancy] = made.json()["id"]
        for value in ("meanwhile", ""):
            stored = documents(tenancy)["access"]
            step = {"documents": [labelled(stored, value) if value else stored]}
            plan = _good(await scene.root.post("/api/v1/plans", json=step)).json()
            _good(await scene.root.post(f"/api/v1/plans/{plan['id']}/confirm"))


def _good(answer: httpx2.Response) -> httpx2.Response:
    assert answer.is_success, answer.text
    return answer

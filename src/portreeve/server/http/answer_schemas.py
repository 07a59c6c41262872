"""What answers look like, for the OpenAPI document: documents, lists, plans and the few other shapes.

What an answer may hold beyond these fields is left open, so that a newer server does not break an older client.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from portreeve.server.documents.kinds import BY_PLURAL
from portreeve.wire.documents import MODELS

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}


def record(**fields: Schema) -> Schema:
    """An object that has at least these fields."""
    return {"type": "object", "required": list(fields), "properties": fields}


def rows(items: Schema | None = None) -> Schema:
    """A list."""
    return {"type": "array", "items": items or {"type": "object"}}


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def words(*known: str) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": list(known)}


def named(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


STATES: Final = ("granted", "synced", "stale", "conflict", "masked", "needed", "unknown")
"""Of a registry in a namespace, as `core.access_matrix` has them."""

PROBLEM_LINE: Final = record(code=TEXT, field=TEXT, message=TEXT, hint=TEXT)
METADATA: Final[Schema] = {
    "type": "object",
    "required": ["revision", "total"],
    "properties": {"revision": COUNT, "total": COUNT, "continue": TEXT},
}
HUB: Final = record(anonymousDockerHub=record(uses=named("Used"), shownIn=rows(TEXT)))
FRESHNESS: Final = record(
    environments=COUNT,
    reported=COUNT,
    oldest=or_null(TEXT),
    newest=or_null(TEXT),
    silent=rows(record(environment=TEXT, lastSeen=or_null(TEXT))),
    silentTotal=COUNT,
)
VERDICTS: Final = record(ALLOW=COUNT, DENY=COUNT, UNKNOWN=COUNT, NOT_JUDGED=COUNT)
RATIO: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
COUNTS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}
_TALLY: Final[dict[str, Schema]] = {
    "images": or_null(COUNT),
    "verdicts": or_null(VERDICTS),
    "violations": or_null(COUNT),
    "refused": or_null(COUNT),
    "coverage": or_null(RATIO),
    "worst": or_null(TEXT),
}
_TOTALS: Final[dict[str, Schema]] = {
    "environments": COUNT,
    "reported": COUNT,
    "oldest": or_null(TEXT),
    "enforcement": COUNTS,
    "health": COUNTS,
    "expiring": COUNT,
    **_TALLY,
}
_CONNECT: Final = rows(record(does=TEXT, command=TEXT, readsOnly=FLAG))
_LISTS: Final = ("conflicts", "refusals", "valve", "warnings")
_ROWS: Final = ("documents", "environments", "policiesReplaced", "newlyDenied", "newlyReported", "newlyAllowed", "uses")
PREVIEW: Final = record(
    digest=TEXT,
    needsConfirmation={"type": "boolean"},
    blocked={"type": "boolean"},
    counts={"type": "object", "additionalProperties": COUNT},
    text=rows(TEXT),
    **{name: rows(PROBLEM_LINE) for name in _LISTS},
    **{name: rows() for name in _ROWS},
)
SHARED: Final[dict[str, Schema]] = {
    "Preview": PREVIEW,
    "Plan": {"allOf": [named("Preview"), record(id=TEXT, state=TEXT, proposer=TEXT, createdAt=TEXT, expiresAt=TEXT)]},
    "Credential": record(
        registry=TEXT, purpose=TEXT, id=TEXT, version=COUNT, expiresAt=or_null(TEXT), state=TEXT, revision=COUNT,
        overlap=or_null(record(version=COUNT, since=TEXT, until=TEXT)),
    ),
    "CalendarEntry": record(
        lane=TEXT, name=TEXT, expiresAt=or_null(TEXT), daysLeft=or_null({"type": "integer"}), level=TEXT,
        impact=record(grants=COUNT, namespaces=COUNT, environments=COUNT),
    ),
    "Image": record(
        environment=TEXT, namespace=TEXT, owner=TEXT, image=TEXT, canonical=or_null(TEXT), verdict=or_null(TEXT),
        stage=or_null(TEXT), digest=or_null(TEXT), registry=or_null(TEXT), host=or_null(TEXT), code=or_null(TEXT),
        reason=or_null(TEXT),
    ),
    "LastCheck": record(
        at=TEXT, directory=TEXT, paths=rows(TEXT), policy=or_null(TEXT), stage=or_null(TEXT), policyFiles=rows(TEXT),
        exitCode=COUNT,
        totals=record(
            uses=COUNT, distinct=COUNT, objects=COUNT, allowed=COUNT, denied=COUNT, unknown=COUNT, unjudged=COUNT,
            notEvaluated=COUNT, unpinned=COUNT, moving=COUNT, unreadable=COUNT, sources=COUNT,
        ),
        findings=rows(
            record(
                file=TEXT, line=COUNT, kind=TEXT, namespace=TEXT, name=TEXT, container=TEXT, image=TEXT,
                canonical=or_null(TEXT), verdict=or_null(TEXT), why=TEXT, fix=TEXT, pinned=FLAG, moving=FLAG,
            )
        ),
        notEvaluated=rows(record(file=TEXT, line=COUNT, code=TEXT, reason=TEXT)),
        sources=rows(record(source=TEXT, uses=COUNT, distinct=COUNT, byDigest=COUNT)),
        next=rows(record(does=TEXT, command=TEXT)),
    ),
    "FleetEnvironment": record(
        name=TEXT, title=or_null(TEXT), tier=or_null(TEXT), type=TEXT, phase=or_null(TEXT), whole=FLAG,
        enforcement=TEXT, health=TEXT, connected=or_null(FLAG), lastSeen=or_null(TEXT), knownAt=or_null(TEXT),
        policy=or_null(TEXT), stage=or_null(TEXT), namespaces=COUNT, **_TALLY, ends=or_null(TEXT), expiring=COUNT,
        exemptions=COUNT,
    ),
    "FleetGroup": record(
        name=TEXT, title=or_null(TEXT), type=or_null(TEXT), policies=rows(TEXT), **_TOTALS, left=COUNT,
        members=rows(named("FleetEnvironment")),
    ),
    "FleetThing": record(
        code=TEXT, title=TEXT, why=TEXT, stops=COUNT, exposed=COUNT, environments=rows(TEXT), command=TEXT,
        link=record(page=TEXT, search={"type": "object", "additionalProperties": TEXT}),
    ),
    "FleetSquare": record(
        group=TEXT, environment=TEXT, namespace=TEXT, stale=FLAG, **_TALLY,
    ),
    "FleetRest": record(
        group=TEXT, environment=TEXT, namespaces=COUNT, stale=FLAG, **_TALLY,
    ),
    "Freshness": FRESHNESS,
    "Inventory": record(
        namespace=TEXT, workloads=rows(), references=rows(), serviceAccounts=rows(), missed=rows(),
        pullFailures=rows(), registries=rows(TEXT), leftOut=COUNT,
    ),
    "NeededAccess": record(
        environment=TEXT, namespace=TEXT, registry=TEXT, uses=COUNT, owners=rows(TEXT), images=rows(TEXT), command=TEXT
    ),
    "AccessRequest": record(
        environment=TEXT, namespace=TEXT, name=TEXT, uid=TEXT, generation=COUNT, registry=TEXT, reason=TEXT,
        delivery={"type": "object"}, state=TEXT, grantedBy=TEXT, why=TEXT, decidedBy=TEXT, decidedAt=or_null(TEXT),
        command=TEXT,
    ),
    "Used": record(images=COUNT, workloads=COUNT, namespaces=COUNT, environments=COUNT),
    "RegistryOverview": record(
        name=TEXT, title=TEXT, provider=TEXT, prefix=TEXT, project=or_null(TEXT), auth=TEXT,
        ready=record(status=TEXT, reason=TEXT, message=TEXT),
        check=or_null(record(outcome=TEXT, reason=or_null(TEXT), at=TEXT, ms=COUNT)),
        expiresAt=or_null(TEXT),
        token=or_null(record(version=COUNT, issuedAt=TEXT, expiresAt=TEXT, state=TEXT)),
        grants=record(documents=COUNT, environments=COUNT, namespaces=COUNT, selectors=COUNT),
        uses=named("Used"), updatedAt=TEXT,
    ),
    "Vantage": record(
        environment=TEXT, outcome=TEXT, message=TEXT, at=or_null(TEXT), images=COUNT,
        failing=rows(record(cause=TEXT, meaning=TEXT, do=TEXT, workloads=COUNT)),
    ),
    "RegistryUse": record(environment=TEXT, namespace=TEXT, owner=TEXT, image=TEXT, digest=or_null(TEXT)),
    "Check": {
        "type": "object",
        "required": ["stage", "outcome", "message"],
        "properties": {"stage": TEXT, "outcome": TEXT, "message": TEXT, "code": TEXT, "hint": TEXT},
    },
    "GrantedIn": record(
        kind=TEXT, name=TEXT, environment=TEXT, namespaces=rows(TEXT), andLaterOnes={"type": "boolean"}, mode=TEXT
    ),
    "HostNeed": record(host=TEXT, port=COUNT, purpose=TEXT, certain={"type": "boolean"}, note=TEXT),
    "StoredCredential": record(
        purpose=TEXT, method=TEXT, id=or_null(TEXT), version=or_null(COUNT), setAt=or_null(TEXT),
        expiresAt=or_null(TEXT), state=TEXT, overlap=or_null(record(version=COUNT, since=TEXT, until=TEXT)),
    ),
    "AdmittedTier": record(
        tier=TEXT, admitted={"enum": ["yes", "partly", "no", "unknown", "unrestricted"]},
        environments={"type": "object", "additionalProperties": COUNT},
        stages={"type": "object", "additionalProperties": COUNT},
        allowedIn=rows(TEXT), allowedInTotal=COUNT,
        reason=or_null(record(environment=TEXT, code=TEXT, message=TEXT, nearest=or_null(TEXT))),
    ),
    "Explained": record(
        environment=TEXT, namespace=TEXT, image=TEXT, canonical=or_null(TEXT), verdict=or_null(TEXT),
        stage=or_null(TEXT), enforcedBy=or_null(TEXT), policy=or_null(record(name=TEXT, version=COUNT)),
        reasons=rows(record(code=TEXT, message=TEXT, field=TEXT)), nearest=or_null(TEXT),
        pull=or_null(record(registry=TEXT, grant=TEXT, mode=TEXT, key=TEXT, credential=or_null({"type": "object"}))),
    ),
    "EffectCounts": record(running=COUNT, allowed=COUNT, blocked=COUNT, unknown=COUNT, reported=COUNT),
    "SourceRow": record(
        field=TEXT, prefix=TEXT, namespaces=or_null(rows(TEXT)), note=TEXT, origin=TEXT, owner=TEXT,
        removable={"type": "boolean"},
    ),
    "ReportAge": record(of=COUNT, reported=COUNT, oldest=or_null(TEXT), silent=rows(TEXT)),
    "PolicyEffect": record(
        kind=TEXT, policy=TEXT, exists={"type": "boolean"}, stage=TEXT, revision=COUNT,
        counts={"allOf": [named("EffectCounts"), record(workloads=COUNT)]},
        blocked=rows(record(
            environment=TEXT, namespace=TEXT, owner=TEXT, image=TEXT, canonical=or_null(TEXT), reason=TEXT,
            nearest=or_null(TEXT),
        )),
        sources=rows({"allOf": [named("SourceRow"), record(matches=COUNT, public={"type": "boolean"})]}),
        grants=rows(record(
            field=TEXT, registry=TEXT, prefix=or_null(TEXT), matches=COUNT,
            namespaces=record(count=COUNT, first=rows(TEXT)),
        )),
        namespaces=rows(record(name=TEXT, environments=COUNT)), subjects=record(teams=rows(TEXT), users=rows(TEXT)),
        groups=rows(record(name=TEXT, known={"type": "boolean"}, coveredBy=or_null(TEXT))),
        places=rows(record(
            environment=TEXT, group=TEXT, type=TEXT, tier=TEXT, counts=named("EffectCounts"), policyNow=or_null(TEXT),
            stageNow=or_null(TEXT), masked=COUNT, lastSeen=or_null(TEXT), kubernetes=or_null(TEXT),
            enforcedBy=TEXT, restricts=or_null({"type": "boolean"}), why=TEXT,
        )),
        hiddenEnvironments=COUNT, freshness=named("ReportAge"), refusals=rows(PROBLEM_LINE),
        warnings=rows(PROBLEM_LINE),
        matched=rows(record(
            environment=or_null(TEXT), image=TEXT, namespace=TEXT, canonical=or_null(TEXT), verdict=TEXT,
            unsafe=or_null(TEXT), reasons=rows(record(code=TEXT, message=TEXT, field=TEXT)),
            rows=rows(named("SourceRow")), nearest=or_null(named("SourceRow")),
        )),
        prefixes=rows(record(
            text=TEXT, canonical=or_null(TEXT), problem=or_null(record(code=TEXT, message=TEXT, hint=TEXT)),
            public={"type": "boolean"}, covers=rows(TEXT), coversNot=rows(TEXT),
        )),
    ),
    "PolicyCoverage": record(
        name=TEXT, title=TEXT, type=TEXT, path=TEXT, groups=rows(TEXT), stage=TEXT, engine=TEXT, sources=COUNT,
        accesses=COUNT, environments=COUNT, hiddenEnvironments=COUNT,
        enforcement={"type": "object", "additionalProperties": COUNT}, connected=COUNT, cannotRestrict=COUNT,
        violations=or_null(COUNT), wouldBlock=or_null(COUNT), workloads=COUNT, conflicts=rows(TEXT), updatedAt=TEXT,
        version=COUNT, etag=TEXT, freshness=named("ReportAge"),
    ),
    "UnusedAccess": record(environment=TEXT, namespace=TEXT, registry=TEXT, kind=TEXT, name=TEXT),
    "GrantedBy": record(kind=TEXT, name=TEXT, mode=TEXT, inForce=FLAG, bySelector=FLAG),
    "AccessCell": record(
        registry=TEXT, state=words(*STATES), why=TEXT, use=words("used", "unused", "unknown"), uses=COUNT,
        grants=rows(named("GrantedBy")), version=or_null(COUNT), wanted=or_null(COUNT), expiresAt=or_null(TEXT),
        conflict=or_null(TEXT),
    ),
    "AccessRow": record(
        environment=TEXT, group=TEXT, type=TEXT, tier=TEXT, namespace=or_null(TEXT),
        subject=or_null(record(kind=words("team", "user"), name=TEXT)),
        labels={"type": "object", "additionalProperties": TEXT}, complete=FLAG, connected=FLAG,
        reportedAt=or_null(TEXT), phase=or_null(TEXT), policy=or_null(record(name=TEXT, masks=FLAG)),
        cells=rows(named("AccessCell")),
    ),
    "EffectiveAccess": record(
        kind=TEXT, name=TEXT, registry=TEXT, mode=TEXT, namespaces=or_null(rows(TEXT)), selector=or_null(TEXT),
        teams=rows(TEXT), users=rows(TEXT),
    ),
    "EffectivePolicy": record(
        environment=TEXT, group=TEXT, type=TEXT, tier=TEXT, kubernetes=or_null(TEXT), cannotRestrict=or_null(TEXT),
        enforcement=TEXT, enforcedBy=TEXT, reportedAt=or_null(TEXT),
        policy=or_null(
            record(name=TEXT, stage=TEXT, version=COUNT, allowOverride=FLAG, sources=COUNT, updatedAt=or_null(TEXT))
        ),
        why=rows(record(step=TEXT, text=TEXT, warns=FLAG)), inForce=rows(named("EffectiveAccess")),
        masked=rows(named("EffectiveAccess")), hidden=COUNT,
    ),
}  # fmt: skip

BY_KIND: Final[Schema] = {"type": "object", "additionalProperties": rows(TEXT)}
"""Kind → words."""

_ANSWERS: Final[dict[str, tuple[int, Schema]]] = {
    "read_me": (
        200,
        record(
            user=TEXT,
            title=TEXT,
            teams=rows(TEXT),
            roles=rows(),
            signedIn={"type": "object"},
            may=BY_KIND,
            whoMay={"type": "object", "additionalProperties": BY_KIND},
        ),
    ),
    "create_plans": (201, named("Plan")),
    "read_plans": (200, named("Plan")),
    "confirm_plans": (200, record(state=TEXT, revision=COUNT, documents=rows())),
    "set_credentials": (200, named("Credential")),
    "rotate_credentials": (200, named("Credential")),
    "judge_images": (
        200,
        record(
            kind=TEXT,
            items=rows({"anyOf": [named("Explained"), record(image=TEXT, tiers=rows(named("AdmittedTier")))]}),
        ),
    ),
    "list_registry_overview": (
        200,
        record(kind=TEXT, metadata={"allOf": [METADATA, HUB]}, items=rows(named("RegistryOverview"))),
    ),
    "read_registry_overview": (
        200,
        {
            "allOf": [
                named("RegistryOverview"),
                record(
                    kind=TEXT,
                    credentials=rows(named("StoredCredential")),
                    checks=or_null(rows(named("Check"))),
                    grantedIn=rows(named("GrantedIn")),
                    grantedInTotal=COUNT,
                    vantages=rows(named("Vantage")),
                    vantagesTotal=COUNT,
                    hosts=rows(named("HostNeed")),
                ),
            ]
        },
    ),
    "list_registry_uses": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("RegistryUse")))),
    "list_images": (
        200,
        record(
            kind=TEXT,
            metadata={"allOf": [METADATA, record(verdicts=VERDICTS, freshness=named("Freshness"))]},
            items=rows(named("Image")),
        ),
    ),
    "read_discovery": (
        200,
        record(
            contexts=rows(record(name=TEXT, file=TEXT, namespace=TEXT, current=FLAG, tool=TEXT, connect=_CONNECT)),
            engines=rows(record(name=TEXT, address=TEXT, connect=_CONNECT)),
            logins=rows(record(host=TEXT, file=TEXT, kept=TEXT, helper=TEXT, connect=_CONNECT)),
            unread=rows(record(file=TEXT, reason=TEXT)),
            contacted=FLAG,
        ),
    ),
    "read_last_check": (200, record(file=or_null(TEXT), reason=TEXT, check=or_null(named("LastCheck")))),
    "read_burn_down": (
        200,
        record(
            kind=TEXT,
            policy=TEXT,
            stage=TEXT,
            **{"from": TEXT, "to": TEXT},
            points=rows(record(day=TEXT, violations=or_null(COUNT), known=COUNT, unknown=COUNT)),
            markers=rows(record(day=TEXT, version=COUNT, stage=TEXT, what=TEXT)),
            quietSince=or_null(TEXT),
            safeSince=or_null(TEXT),
            safeFrom=or_null(TEXT),
            environments=rows(TEXT),
            hiddenEnvironments=COUNT,
        ),
    ),
    "read_fleet": (
        200,
        record(
            kind=TEXT,
            metadata=record(revision=COUNT, at=TEXT, freshness=named("Freshness"), environments=COUNT, left=COUNT),
            totals=record(**_TOTALS, exemptions=COUNT),
            groups=rows(named("FleetGroup")),
            things=rows(named("FleetThing")),
            thingsTotal=COUNT,
        ),
    ),
    "read_fleet_map": (
        200,
        record(
            kind=TEXT,
            metadata=record(revision=COUNT, total=COUNT, freshness=named("Freshness")),
            squares=rows(named("FleetSquare")),
            rest=rows(named("FleetRest")),
        ),
    ),
    "list_inventory": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("Inventory")))),
    "list_needed": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("NeededAccess")))),
    "list_unused": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("UnusedAccess")))),
    "list_access_matrix": (
        200,
        record(
            kind=TEXT,
            metadata=METADATA,
            heard=record(
                environments=COUNT,
                reported=COUNT,
                connected=COUNT,
                complete=COUNT,
                silent=rows(TEXT),
                oldest=or_null(TEXT),
                newest=or_null(TEXT),
            ),
            counts={"type": "object", "additionalProperties": COUNT},
            registries=rows(record(name=TEXT, title=TEXT, provider=TEXT, prefix=TEXT, granted=COUNT, needed=COUNT)),
            selectorLabels=rows(TEXT),
            items=rows(named("AccessRow")),
        ),
    ),
    "read_environment_policy": (200, named("EffectivePolicy")),
    "list_identities": (
        200,
        record(kind=TEXT, metadata=METADATA, items=rows(record(kind=words("team", "user"), name=TEXT))),
    ),
    "list_access_requests": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("AccessRequest")))),
    "approve_access_request": (201, named("Plan")),
    "deny_access_request": (200, named("AccessRequest")),
    "list_calendar": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("CalendarEntry")))),
    "read_server": (
        200,
        record(
            version=TEXT,
            publicUrl=TEXT,
            tls={"type": "boolean"},
            database=TEXT,
            privateAddresses=rows(TEXT),
            allowedHosts=rows(TEXT),
            auditSinks=rows(TEXT),
            identityProviders={"type": "boolean"},
            createUsers={"type": "boolean"},
            metrics=TEXT,
            localClusters=rows(TEXT),
            problems=rows(),
        ),
    ),
    "ask_why": (
        200,
        record(
            verdict=TEXT,
            code=TEXT,
            image=TEXT,
            canonical=or_null(TEXT),
            namespace=TEXT,
            policy=record(name=TEXT, generation=COUNT),
            nearest=or_null(TEXT),
            alternative=or_null(TEXT),
            command=TEXT,
        ),
    ),
    "read_verdict": (
        200,
        record(
            environment=TEXT,
            namespace=TEXT,
            image=TEXT,
            canonical=or_null(TEXT),
            verdict=or_null(TEXT),
            stage=or_null(TEXT),
            enforcedBy=or_null(TEXT),
            policy=or_null(record(name=TEXT, version=COUNT)),
            reasons=rows(record(code=TEXT, message=TEXT, field=or_null(TEXT))),
            nearest=or_null(TEXT),
            message=or_null(TEXT),
            trace=rows(record(rule=TEXT, input=TEXT, result=TEXT)),
            pull=or_null({"type": "object"}),
        ),
    ),
    "enrol_environment": (201, record(environment=TEXT, join=TEXT, server=TEXT, expiresAt=TEXT, command=TEXT)),
    "read_agent": (200, record(environment=TEXT, agent={"type": "object"}, conditions=rows())),
    "read_desired": (200, record(environment=TEXT, generation=COUNT, hash=TEXT, grants=rows())),
    "read_policyeffect": (200, named("PolicyEffect")),
    "list_policycoverage": (200, record(kind=TEXT, metadata=METADATA, items=rows(named("PolicyCoverage")))),
    "list_policytemplates": (200, record(kind=TEXT, items=rows(), prefilled=rows())),
    "read_policytemplates": (200, record(document={"type": "object"}, prefilled=rows())),
    "list_providers": (200, record(kind=TEXT, items=rows())),
    "recognise": (200, record(kind=TEXT, items=rows())),
    "validate_registry": (200, record(registry=TEXT, outcome=TEXT, checkedAt=TEXT, ms=COUNT, checks=rows())),
    "list_repositories": (200, record(kind=TEXT, metadata={"type": "object"}, items=rows())),
    "list_tags": (200, record(kind=TEXT, metadata={"type": "object"}, items=rows())),
    "read_image": (200, record(repository=TEXT, digest=TEXT, platforms=rows(), usedBy=rows())),
    "retag_image": (200, record(repository=TEXT, tag=TEXT, digest=TEXT, usedBy=rows())),
    "read_usage": (200, record(registry=TEXT, annotation={"type": "object"}, pod={"type": "object"})),
    "read_rate_limit": (200, record(registry=TEXT, items=rows())),
    "read_egress": (200, record(environment=TEXT, hosts=rows(), changed={"type": "object"})),
    "export_egress": (200, record(environment=TEXT, hosts=rows(), changed={"type": "object"})),
    "read_rotation": (
        200,
        record(
            kind=TEXT,
            registry=TEXT,
            done={"type": "boolean"},
            counts={"type": "object", "additionalProperties": COUNT},
            environments=rows(),
            metadata=METADATA,
            items=rows(),
        ),
    ),
    "read_rollout": (
        200,
        record(
            kind=TEXT,
            policy=TEXT,
            stage=TEXT,
            wanted=TEXT,
            next=or_null(TEXT),
            held={"type": "boolean"},
            holds=rows(),
            places=rows(),
            violations=rows(),
            violationsTotal=COUNT,
            hiddenEnvironments=COUNT,
        ),
    ),
    "move_policies": (200, {"anyOf": [named(MODELS["RegistryPolicy"].__name__), named("Preview")]}),
    "list_attachments": (200, record(kind=TEXT, metadata=METADATA, items=rows())),
    "list_pullsecrets": (200, record(kind=TEXT, metadata=METADATA, items=rows())),
    "read_openapi": (200, record(openapi=TEXT, paths={"type": "object"})),
}
"""Operation → its good answer, where that is no document."""


_OTHER_FORMS: Final = {
    "read_audit_checkpoint": ("a signed note", "text/plain"),
    "read_audit_key": ("a verifier key", "text/plain"),
    "export_audit": ("the whole log, a line for each event and checkpoint", "application/jsonl"),
    "feed_calendar": ("an event for each end (RFC 5545)", "text/calendar"),
    "read_egress_rules": ("a policy for pods", "application/yaml"),
    "read_metrics": ("the text format of Prometheus", "text/plain"),
    "watch": ("events, until either side hangs up", "text/event-stream"),
}
"""Operation → what it answers, and its media type, where that is not JSON."""


def answers(operation: str) -> dict[str, Any] | None:
    """The good answers of an operation, None where only its route knows."""
    verb, _, plural = operation.partition("_")
    if operation in _OTHER_FORMS:
        description, media_type = _OTHER_FORMS[operation]
        return {"200": {"description": description, "content": {media_type: {}}}}
    if verb == "twin":
        content: dict[str, Any] = {"application/json": {"schema": rows()}, "text/csv": {}, "application/yaml": {}}
        return {"200": {"description": "all rows", "content": content}}
    if operation == "delete_image":
        shown = record(repository=TEXT, reference=TEXT, digest=TEXT, usedBy=rows())
        return {"204": {"description": "it is gone"}, "200": _json("with dryRun: what it is and who runs it", shown)}
    if operation in _ANSWERS:
        status, schema = _ANSWERS[operation]
        return {str(status): _json("it is done", schema)}
    if plural not in BY_PLURAL:
        return None
    document = named(MODELS[BY_PLURAL[plural].name].__name__)
    match verb:
        case "listed":
            return {"200": _json("one page", record(kind=TEXT, metadata=METADATA, items=rows(document)))}
        case "read":
            return {"200": _json("the document", document), "304": {"description": "as it was: If-None-Match"}}
        case "create" | "replace":
            changed = _json("it was changed, or with dryRun its plan", {"anyOf": [document, named("Preview")]})
            return {"201": _json("it was created", document), "200": changed}
        case "delete":
            found = {"204": {"description": "it is gone"}, "200": _json("with dryRun: its plan", named("Preview"))}
            if plural == "environments":
                found["202"] = _json("its agent removes everything first, then it is gone", document)
            return found
        case "approve" | "deny" | "revoke" | "renew":
            return {"200": _json("it is done", document)}
        case _:
            return None


def _json(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def parameters(operation: str) -> list[dict[str, Any]]:
    """The parameters that handlers read by themselves: filters of lists, and consents of changes."""
    verb, _, plural = operation.partition("_")
    kind = BY_PLURAL.get(plural)
    if kind is None:
        return []
    if verb in {"listed", "twin"}:
        found = [_query(name, f"only those whose {path} is or holds this") for name, path in kind.filters]
        return [*found, _query("sort", "what they are sorted by; with a minus the other way round", sorts(kind.sorts))]
    if verb in {"create", "replace", "delete"}:
        flag = {"type": "boolean", "default": False}
        said = {"replace": "groups may leave another policy", "force": "more may be deleted than is usual"}
        if (verb, plural) == ("delete", "environments"):
            said["force"] += "; it is gone at once, and what its agent delivered may be left behind"
        return [_query(name, text, flag) for name, text in said.items()]
    return []


def sorts(words: Iterable[tuple[str, str]]) -> Schema:
    """The orders of a list: each word, and with a minus before it."""
    named = ["name", *(word for word, _ in words)]
    return {"type": "string", "enum": [*named, *(f"-{word}" for word in named)]}


def _query(name: str, description: str, schema: Schema = TEXT) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": dict(schema)}

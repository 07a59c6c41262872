"""The OpenAPI 3.1 document: made of the routes, with the documents' own schemas for bodies and answers.

Each operation says under `x-portreeve-policy` who may call it: the authorisation matrix of the tests takes its
operations from there. Public, as a client needs it before it can sign in; it describes and tells nothing.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from portreeve.server.documents.kinds import BY_PLURAL, KINDS
from portreeve.server.http import answer_schemas
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, Who, public
from portreeve.wire.documents import MODELS

PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "docs", "request"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "docs": {"type": "string"},
        "request": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
    },
}

BODIES: Final[dict[str, dict[str, Any]]] = {
    "create_plans": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "documents": {"type": "array", "items": {"type": "object"}},
            "delete": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kind", "name"],
                    "additionalProperties": False,
                    "properties": {
                        "kind": {"enum": sorted(KINDS)},
                        "name": {"type": "string"},
                        "etag": {"type": "string"},
                    },
                },
            },
            "replace": {"type": "boolean"},
            "force": {"type": "boolean"},
        },
    },
    "set_credentials": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "secret": {"type": "string", "maxLength": 65536, "writeOnly": True},
            "expiresAt": {"type": "string", "format": "date-time"},
        },
    },
    "rotate_credentials": {
        "type": "object",
        "additionalProperties": False,
        "required": ["secret"],
        "properties": {
            "secret": {"type": "string", "minLength": 1, "maxLength": 65536, "writeOnly": True},
            "expiresAt": {"type": "string", "format": "date-time"},
            "overlapSeconds": {"type": "integer", "minimum": 0, "maximum": 2592000},
        },
    },
    "recognise": {
        "type": "object",
        "additionalProperties": False,
        "required": ["text"],
        "properties": {"text": {"type": "string", "maxLength": 4096}},
    },
    "judge_images": {
        "type": "object",
        "additionalProperties": False,
        "required": ["images"],
        "properties": {
            "images": {
                "type": "array",
                "maxItems": 200,
                "items": {"type": "string", "minLength": 1, "maxLength": 512},
            }
        },
    },
    **{
        f"{step}_exemptions": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"comment": {"type": "string", "maxLength": 2000}},
        }
        for step in ("approve", "deny", "revoke")
    },
    "approve_access_request": {"type": "object", "additionalProperties": False, "properties": {}},
    "deny_access_request": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"comment": {"type": "string", "maxLength": 1000}},
    },
    "renew_exemptions": {
        "type": "object",
        "additionalProperties": False,
        "required": ["expiresAt"],
        "properties": {
            "comment": {"type": "string", "maxLength": 2000},
            "expiresAt": {"type": "string", "format": "date-time"},
        },
    },
}
"""Operation → schema of its body, where that is no document. Subjects add theirs with `body`."""

OPTIONAL_BODIES: Final = {
    "approve_exemptions",
    "deny_exemptions",
    "revoke_exemptions",
    "approve_access_request",
    "deny_access_request",
}

_HEADERS: Final = {
    "If-Match": "the ETag that was read",
    "If-None-Match": "*: the document must not be there yet",
    "Portreeve-Plan": "the digest of the plan that was looked at",
    "Idempotency-Key": "the request is carried out once, whoever often it is sent",
}


def body(operation: str, schema: dict[str, Any]) -> None:
    """Describe the body of an operation."""
    BODIES[operation] = schema


def routes(app: FastAPI) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=GuardedRoute, tags=["meta"])

    @cache
    def document() -> dict[str, Any]:
        return describe(app)

    @router.get("/openapi.json", operation_id="read_openapi", summary="This document")
    @public
    async def read(request: Request) -> Response:  # noqa: ARG001 - every handler takes the request
        return Answer(200, document()).response()

    return router


def describe(app: FastAPI) -> dict[str, Any]:
    """The document for the routes of this application."""
    guarded = [route for route in app.routes if isinstance(route, GuardedRoute) and route.include_in_schema]
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        openapi_version="3.1.0",
        routes=guarded,
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)  # FastAPI's own; a problem is answered instead
    schemas.update(_schemas())
    schemas.update(deepcopy(answer_schemas.SHARED))
    schemas["Problem"] = deepcopy(PROBLEM)
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "portreeve"},
    }
    for route in guarded:
        for method in route.methods or ():
            _complete(found["paths"][route.path_format][method.lower()], route, method)
    return found


def _schemas() -> dict[str, Any]:
    models = [(MODELS[kind], "validation") for kind in KINDS]
    _, found = models_json_schema(models, by_alias=True, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type] # the mode is a literal
    return dict(found.get("$defs", {}))


def _complete(operation: dict[str, Any], route: GuardedRoute, method: str) -> None:
    name = str(operation["operationId"])
    operations = [[str(kind), str(action)] for kind, action in route.policy.operations]
    operation["x-portreeve-policy"] = {"who": str(route.policy.who), "operations": operations}
    if route.policy.who is not Who.PUBLIC:
        operation["security"] = [{"token": []}, {"session": []}]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    responses["default"] = {"description": "what went wrong, why, and what to do", "content": problem}
    schema = _body(name)
    if schema is not None and method in {"POST", "PUT", "PATCH"}:
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": name not in OPTIONAL_BODIES, "content": content}
    if method != "GET" and route.policy.who is Who.AUTHORISED:
        parameters = operation.setdefault("parameters", [])
        for header, text in _HEADERS.items():
            schema_of = {"type": "string"}
            parameters.append(
                {"name": header, "in": "header", "required": False, "description": text, "schema": schema_of}
            )
    if more := answer_schemas.parameters(name):
        operation.setdefault("parameters", []).extend(more)
    _answers(operation, name, method)


def _body(operation: str) -> dict[str, Any] | None:
    verb, _, plural = operation.partition("_")
    if verb in {"create", "replace"} and plural in BY_PLURAL:
        return {"$ref": f"#/components/schemas/{MODELS[BY_PLURAL[plural].name].__name__}"}
    if operation == "replace_settings":
        return {"$ref": "#/components/schemas/SettingsDocument"}
    return BODIES.get(operation)


def _answers(operation: dict[str, Any], name: str, method: str) -> None:
    found = answer_schemas.answers(name)
    if found is None and method == "DELETE":
        found = {"204": {"description": "it is gone"}}
    if found is not None:
        responses = operation["responses"]
        responses.pop("200", None)
        responses.update(found)

"""Completes the OpenAPI document: operation names, error responses, streams and examples.

Invariant: it describes and changes nothing. An example is of one route and fits its schema (a test sees to it).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from router.delivery.resources import FHIR_JSON
from wardbridge.api.fhir.answer import BASE
from wardbridge.api.problems import MEDIA_TYPE, Problem, Wrong

_REFERENCE: Final = "#/components/schemas/{model}"
_OUTCOME: Final = "OperationOutcome"
TEXTS: Final = {
    "GET /v1/wards/{ward}/stream": "text/event-stream",
    "GET /v1/stream": "text/event-stream",
    "GET /metrics": "text/plain",
}
"""Routes whose answer is no JSON."""
_OF_FRAMEWORK: Final = ("HTTPValidationError", "ValidationError")
_TAGS: Final = (
    ("/v1/wards", "wards"), ("/v1/stream", "wards"), ("/v1/subscribers", "subscribers"), ("/v1/deliveries", "subscribers"),
    ("/v1/review", "review"), (BASE, "fhir"), ("/v1/session", "sessions"),
)  # fmt: skip
Json = dict[str, Any]


def name_of(route: APIRoute) -> str:
    """``operationId``: unique, and the same for as long as the route does the same."""
    tag = _tag_of(route.path)
    name = route.name if tag == "operations" else f"{tag}_{route.name}"
    is_second_way = "$" in route.path and "POST" in (route.methods or ())
    return f"{name}_by_post" if is_second_way else name


def describe(app: FastAPI) -> None:
    """Have the document say all of it."""
    described = app.openapi
    texts = (files("wardbridge.api") / "examples.json").read_text(encoding="utf-8")
    examples: dict[str, Json] = json.loads(texts)

    def whole() -> Json:
        found = described()
        for route, operation in _operations(found):
            path = route.partition(" ")[2]
            operation["tags"] = [_tag_of(path)]
            _describe_refusals(path, operation)
            _describe_success(route, operation, examples.get(route, {}))
        schemas = found["components"]["schemas"]
        for model in (Problem, Wrong):
            schema = model.model_json_schema(ref_template=_REFERENCE)
            schema.pop("$defs", None)
            schemas[model.__name__] = schema
        schemas[_OUTCOME] = {
            "type": "object", "required": ["resourceType", "issue"],
            "externalDocs": {"url": "http://hl7.org/fhir/R4/operationoutcome.html"},
            "properties": {"resourceType": {"const": _OUTCOME}, "issue": {"type": "array", "items": {}}},
        }  # fmt: skip
        for name in _OF_FRAMEWORK:
            schemas.pop(name, None)
        return found

    app.openapi = whole  # type: ignore[method-assign] # as FastAPI's documentation has it


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _tag_of(path: str) -> str:
    return next((tag for begin, tag in _TAGS if path.startswith(begin)), "operations")


def _describe_refusals(path: str, operation: Json) -> None:
    is_fhir = path.startswith(f"{BASE}/")
    media_type, model = (FHIR_JSON, _OUTCOME) if is_fhir else (MEDIA_TYPE, Problem.__name__)
    for status, response in operation["responses"].items():
        if status[0] in "45":
            schema = {"$ref": _REFERENCE.format(model=model)}
            response["content"] = {media_type: {"schema": schema}}
            if response.get("description") == "Validation Error":
                response["description"] = "what is wrong with the request, and where"


def _describe_success(route: str, operation: Json, example: Json) -> None:
    for status, response in operation["responses"].items():
        if status[0] != "2":
            continue
        if route in TEXTS:
            response["content"] = {TEXTS[route]: {"schema": {"type": "string"}}}
        if "answer" in example:
            for content in response.get("content", {}).values():
                content["example"] = example["answer"]
    if "body" in example:
        # A resource is read by hand, which the framework does not see.
        of_fhir = {"required": True, "content": {FHIR_JSON: {"schema": {"type": "object"}}}}
        for content in operation.setdefault("requestBody", of_fhir)["content"].values():
            content["example"] = example["body"]

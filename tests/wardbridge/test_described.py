"""The OpenAPI document: every route has a name, a schema, an example that fits it, and refusals of one shape."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.documents import json_schema
from tests.wardbridge.test_fhir_surface import ACCESS, REGISTER, bearer, gate
from tests.wardbridge.test_http import Surface, surface
from wardbridge.api.described import TEXTS
from wardbridge.api.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]


@lru_cache(maxsize=1)
def document() -> Json:
    async def read() -> Json:
        async with surface(register=REGISTER, gate=gate(), access=ACCESS) as running:
            found: Json = (await running.client.get("/openapi.json")).json()
            return found

    return asyncio.run(read())


def operations() -> Iterator[tuple[str, Json]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def faults(schema: Json, value: object) -> list[str]:
    whole = {"components": document()["components"], **schema}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_each_route_has_a_name_of_its_own_a_tag_and_says_what_it_does() -> None:
    found = list(operations())
    assert len(found) > 40
    names = Counter(operation["operationId"] for _, operation in found)
    assert set(names.values()) == {1}
    for route, operation in found:
        assert operation["operationId"].isidentifier(), route
        assert operation["tags"], route
        assert operation["description"], route


def test_each_answer_and_each_body_has_a_schema_and_an_example_that_fits_it() -> None:
    for route, operation in operations():
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items() if status[0] == "2" else ():
                assert "example" in content, route
                assert faults(content["schema"], content["example"]) == [], route
                assert (kind in set(TEXTS.values())) == (route in TEXTS)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in content, route
            assert faults(content["schema"], content["example"]) == [], route


def test_an_example_of_a_notice_is_as_the_published_schema_has_it() -> None:
    ((_, of_notices),) = (each for each in operations() if each[0].endswith("/notices"))
    example = of_notices["responses"]["200"]["content"]["application/json"]["example"]
    for event in example["notices"]:
        Draft202012Validator(json_schema("subscriber-notice")).validate(event)


@pytest.mark.parametrize(
    ("model", "published"),
    [("SubscriberNotice", "subscriber-notice"), ("DesignationData", "inbound")],
)
def test_the_document_and_the_published_schemas_say_the_same(model: str, published: str) -> None:
    said = document()["components"]["schemas"][model]
    known = json_schema(published)
    assert said["properties"].keys() == known["properties"].keys()
    assert set(said.get("required", [])) <= set(known.get("required", []))


def test_each_refusal_is_described_as_it_is() -> None:
    for route, operation in operations():
        for status, response in operation["responses"].items():
            if status[0] in "45":
                (kind,) = response["content"]
                wanted = "application/fhir+json" if " /fhir/" in route else MEDIA_TYPE
                assert kind == wanted, route


def asked(work: Callable[[Surface], Any]) -> None:
    async def run() -> None:
        async with surface(register=REGISTER, gate=gate(), access=ACCESS) as running:
            await work(running)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "path", "by", "body", "status"),
    [
        ("GET", "/v1/wards/MED/inbound", "nobody", None, 401),
        ("GET", "/v1/wards/IVA/inbound", "screen", None, 403),
        ("GET", "/v1/subscribers/none", "admin", None, 404),
        ("GET", "/nowhere", "admin", None, 404),
        ("DELETE", "/livez", "admin", None, 405),
        ("PUT", "/v1/subscribers/portal", "admin", {"webhook": {"url": "geheim", "tokens": 1}}, 422),
        ("POST", "/v1/subscribers/portal/pause", "admin", {"reason": ["geheim"]}, 422),
        ("GET", "/v1/subscribers/portal/notices?from=geheim", "admin", None, 422),
        ("POST", "/v1/subscribers/portal/pause", "admin", {"reason": "x" * 9_000}, 413),
    ],
)  # fmt: skip
def test_every_refusal_is_a_problem_and_quotes_nothing(
    method: str, path: str, by: str, body: Any, status: int
) -> None:
    async def work(running: Surface) -> None:
        answer = await running.client.request(method, path, json=body, headers=bearer(by))
        assert answer.headers["content-type"] == MEDIA_TYPE
        said = Problem.model_validate(answer.json())
        assert (answer.status_code, said.status) == (status, status)
        assert said.title
        assert said.detail
        assert (said.errors is not None) == (status == 422)
        assert "geheim" not in answer.text

    asked(work)

"""Schemas at a registry: what is sent there, and what is said when it does not take them.

``make campaign-registry`` runs the same against a real one, Apicurio, by its Confluent API.
"""

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator

from schemas.documents import CARRIED, json_schema
from tests.support.registry import registry
from wardbridge.config.log import KafkaSection, RegistrySection
from wardbridge.logstore.schema_registry import (
    DRAFT_07,
    MEDIA_TYPE,
    RegistryError,
    SchemaRegistry,
    Subject,
    subjects,
)

REAL = "WARDBRIDGE_REGISTRY" in os.environ
DRAFT = {"$schema": DRAFT_07}
NOTICE = Subject("wardbridge.designations-value", json_schema("notification") | DRAFT)


class Handler(BaseHTTPRequestHandler):
    """Answers every request alike and notes it."""

    answer: tuple[int, bytes] = (200, b'{"id": 7}')
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "body": body, **dict(self.headers)})
        status, text = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def answering(status: int, text: bytes) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    handler = type("Told", (Handler,), {"answer": (status, text), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/base", handler.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def registered(section: RegistrySection, subject: Subject = NOTICE) -> int:
    return SchemaRegistry(section, Path()).register(subject)


def test_each_topic_has_a_subject_and_the_schema_of_its_values() -> None:
    found = {each.name: each.schema for each in subjects(KafkaSection(brokers=("a:1",)))}
    assert found == {
        f"wardbridge.{topic}-value": json_schema(name) | DRAFT for topic, name in CARRIED.items()
    }


def test_in_binary_mode_a_notice_is_its_data() -> None:
    section = KafkaSection(brokers=("a:1",), prefix="x.", cloudevents="binary")
    found = {each.name: each.schema for each in subjects(section)}
    assert found["x.designations-value"] == json_schema("inbound") | DRAFT


def test_no_schema_uses_what_its_draft_does_not_know() -> None:
    for subject in subjects(KafkaSection(brokers=("a:1",))):
        Draft7Validator.check_schema(subject.schema)
        newer = {"unevaluatedProperties", "prefixItems", "dependentSchemas", "$dynamicRef"}
        assert not newer & set(re.findall(r'"([$\w]+)":', json.dumps(subject.schema)))


@pytest.mark.parametrize(
    ("credentials", "shown"),
    [
        ({}, None),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"token": "t"}, "Bearer t"),
    ],
)
def test_a_schema_is_posted_as_text_with_our_credentials(
    credentials: dict[str, str], shown: str | None
) -> None:
    with answering(200, b'{"id": 7}') as (url, asked):
        assert registered(RegistrySection.model_validate({"url": url, **credentials})) == 7
    (request,) = asked
    assert request["path"] == "/base/subjects/wardbridge.designations-value/versions"
    assert request["body"]["schemaType"] == "JSON"
    assert json.loads(request["body"]["schema"]) == NOTICE.schema
    assert request["Content-Type"] == MEDIA_TYPE
    assert request.get("Authorization") == shown


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (409, b'{"error_code": 409, "message": "incompatible"}',
         "wardbridge.designations-value: refused with 409: incompatible"),
        (401, b"<html>", "refused with 401: Unauthorized"),
        (200, b"<html>", "that is no schema registry"),
        (200, b"[]", "that is no schema registry"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_told_with_its_reason(status: int, text: bytes, said: str) -> None:
    with (
        answering(status, text) as (url, _),
        pytest.raises(RegistryError, match=said),
    ):
        registered(RegistrySection(url=url))


def test_a_registry_that_is_not_there_is_told_with_its_address() -> None:
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:1"):
        registered(RegistrySection(url="http://127.0.0.1:1"))


@pytest.mark.skipif(not REAL, reason="fetches 140 MB: make campaign-registry")
def test_a_real_registry_takes_every_schema_and_refuses_one_that_breaks_its_readers() -> None:
    with registry() as url:
        section = RegistrySection(url=url)
        wanted = list(subjects(KafkaSection(brokers=("a:1",))))
        first = [registered(section, subject) for subject in wanted]
        assert [registered(section, subject) for subject in wanted] == first
        assert sorted(httpx.get(f"{url}/subjects").json()) == sorted(each.name for each in wanted)
        latest = httpx.get(f"{url}/subjects/{NOTICE.name}/versions/latest").json()
        assert json.loads(latest["schema"]) == NOTICE.schema
        httpx.put(f"{url}/config/{NOTICE.name}", json={"compatibility": "BACKWARD"})
        broken = json.loads(json.dumps(NOTICE.schema))
        broken["properties"]["source"]["type"] = "integer"
        with pytest.raises(RegistryError, match="409"):
            registered(section, Subject(NOTICE.name, broken))

"""Registers the schemas of the topics with a schema registry that has Confluent's API.

A value's schema stands under the subject ``<topic>-value`` (TopicNameStrategy), so that a registry's
own compatibility rule refuses a version that consumers could not read. Values carry no registry's
magic byte and id: they are JSON as the CloudEvents binding wants it, and name their schema in the
header ``schema-id``. The schemas say draft 07 there, as they may: they use nothing newer, and not
every registry can compare versions of a newer draft.
"""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from adapters.common.calls import HttpRequest, NoAnswerError
from bus.tls import PemFiles, client_context
from schemas import topics
from schemas.documents import CARRIED, Document, json_schema
from wardbridge.config.log import KafkaSection, RegistrySection
from wardbridge.net.calls import HttpAnswer, ask

TIMEOUT_S: Final = 30.0
MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
DRAFT_07: Final = "http://json-schema.org/draft-07/schema#"
_IN_BINARY_MODE: Final = "inbound"  # a notice's data alone


class RegistryError(Exception):
    """The registry cannot be reached, or does not take a schema."""


class Subject(NamedTuple):
    """A topic's values, and the schema that they follow."""

    name: str
    schema: Document


def subjects(section: KafkaSection) -> Iterator[Subject]:
    """What the topics of an installation carry, as it writes them."""
    documents = dict(CARRIED)
    if section.cloudevents == "binary":
        documents[topics.DESIGNATIONS] = _IN_BINARY_MODE
    for topic, document in documents.items():
        schema = {**json_schema(document), "$schema": DRAFT_07}
        yield Subject(f"{section.prefix}{topic}-value", schema)


class SchemaRegistry:
    """One registry. Raises OSError (ssl.SSLError too) where what it is to trust cannot be read."""

    def __init__(self, section: RegistrySection, data: Path) -> None:
        self._url = section.url.rstrip("/")
        self._headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, **_shown(section)}
        self._trust = _trust(section, data)

    def register(self, subject: Subject) -> int:
        """The schema's id, new or known already. Raises RegistryError."""
        body = {"schemaType": "JSON", "schema": json.dumps(subject.schema, sort_keys=True)}
        url = f"{self._url}/subjects/{subject.name}/versions"
        asked = HttpRequest(url, "POST", self._headers, json.dumps(body).encode())
        try:
            answer = ask(asked, self._trust, TIMEOUT_S)
            if not answer.is_success:
                raise RegistryError(f"{subject.name}: {_reason(answer)}")
            return int(answer.json()["id"])
        except NoAnswerError as error:
            raise RegistryError(f"{self._url}: {error}") from None
        except (ValueError, KeyError, TypeError):
            raise RegistryError(f"{self._url}: that is no schema registry") from None


def _reason(answer: HttpAnswer) -> str:
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = http.client.responses.get(answer.status, "")
    return f"refused with {answer.status}: {text}"


def _shown(section: RegistrySection) -> dict[str, str]:
    if section.token is not None:
        return {"Authorization": f"Bearer {section.token.get_secret_value()}"}
    if section.password is not None:
        both = f"{section.username}:{section.password.get_secret_value()}".encode()
        return {"Authorization": f"Basic {b64encode(both).decode()}"}  # RFC 7617
    return {}


def _trust(section: RegistrySection, data: Path) -> ssl.SSLContext:
    """Raises TlsFileError where the file cannot be used."""
    file = section.ca_file
    return client_context(PemFiles(None if file is None else data / file))

"""The schemas of what is on Kafka, registered with a schema registry that has Confluent's API.

A value's schema stands under the subject ``<topic>-value`` (TopicNameStrategy), so that a registry's
own compatibility rule refuses a version that consumers could not read. Values carry no registry's
magic byte and id: they are JSON as the CloudEvents binding wants it, and name their schema in the
header ``schema-id``. The schemas say draft 07 there, as they may: they use nothing newer, and not
every registry can compare versions of a newer draft.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import httpx

from schemas import topics
from schemas.documents import CARRIED, Document, json_schema
from wardbridge.config.log import KafkaSection, RegistrySection

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


class Registry:
    """One registry. A context manager: it holds connections."""

    def __init__(self, section: RegistrySection, data: Path) -> None:
        self._client = httpx.Client(
            base_url=section.url,
            headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, **_bearer(section)},
            auth=_basic(section),
            timeout=TIMEOUT_S,
            verify=_trust(section, data),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def register(self, subject: Subject) -> int:
        """The schema's id, new or known already. Raises RegistryError."""
        body = {"schemaType": "JSON", "schema": json.dumps(subject.schema, sort_keys=True)}
        try:
            answer = self._client.post(f"/subjects/{subject.name}/versions", json=body)
            answer.raise_for_status()
            return int(answer.json()["id"])
        except httpx.HTTPStatusError as error:
            raise RegistryError(f"{subject.name}: {_reason(error.response)}") from None
        except httpx.HTTPError as error:
            raise RegistryError(f"{self._client.base_url}: {error}") from None
        except (ValueError, KeyError, TypeError):
            raise RegistryError(f"{self._client.base_url}: that is no schema registry") from None


def _reason(answer: httpx.Response) -> str:
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.reason_phrase
    return f"refused with {answer.status_code}: {text}"


def _bearer(section: RegistrySection) -> dict[str, str]:
    token = section.token
    return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}


def _basic(section: RegistrySection) -> httpx.BasicAuth | None:
    if section.password is None:
        return None
    return httpx.BasicAuth(section.username, section.password.get_secret_value())


def _trust(section: RegistrySection, data: Path) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError too) where the file cannot be used."""
    file = section.ca_file
    return ssl.create_default_context(cafile=None if file is None else data / file)

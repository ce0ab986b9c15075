"""The published documents: fresh, valid by the standards' own schemas, true of real values."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from schemas import documents, topics
from schemas.acknowledgement import Acknowledgement
from schemas.alias import Alias
from schemas.audit import Action, AuditEntry, Seen
from schemas.authority import Authority, AuthorityEntry, Tick
from schemas.base import Frozen, VisitRef
from schemas.delivery import (
    Delivery,
    Outcome,
    SubscriberNotice,
    SubscriberState,
    TestEvent,
    ToldData,
)
from schemas.encounter import EncounterView, Mark
from schemas.fields import Details, Identity
from schemas.identifiers import IdentifierKind
from schemas.notification import DesignationData, Kind, Notification, Reason
from schemas.observation import (
    Claims,
    Envelope,
    Location,
    Observation,
    OrderStamp,
    Patient,
    PatientIdentifier,
    Rank,
    RawPointer,
    What,
)
from schemas.patient import PatientRow, Person
from schemas.registration import Owner, Registration
from schemas.review import ReviewItem, ReviewStep
from schemas.revision import FeedRevision
from schemas.ward import Ward
from tests.schemas.publish import ASYNCAPI_NAME, PUBLISHED_FOLDER, rendered

OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.json")
OFFICIAL_SHA256 = "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"
"""Of schemas/3.0.0-without-$id.json in version 6.11.1 of the package @asyncapi/specs."""

AT = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
PATIENT = Patient(key="k1", identifiers=())
NUMBER = PatientIdentifier(kind=IdentifierKind.LOCAL, value="4711", assigner="LAB")
DATA = DesignationData(
    kind=Kind.DESIGNATED,
    reason=Reason.MARKED,
    realm="vgr",
    ward="W1",
    hospital=None,
    visit=VisitRef(source="ehr", visit="v1"),
    version=1,
    sequence=1,
    announced_at=AT,
)
TOLD = ToldData(
    **dict(DATA),
    details=Details(
        from_ward="W2", from_name="Akuten", from_hospital=None, on_leave=None,
        planned_discharge_at=AT,
    ),
    patient=Identity(
        number="191212121212", kind=IdentifierKind.PERSONNUMMER, assigner=None, family="Testsson"
    ),
)  # fmt: skip
OBSERVATION = Observation(
    id="o1",
    source="ehr",
    feed="hl7",
    what=What.ADMISSION_PLANNED,
    trigger="A14",
    shape="event",
    visit="v1",
    patient=PATIENT,
    claims=Claims(mark=Location(ward="W1"), expected_at=None),
    recorded_at=AT,
    recorded_rule="EVN-2",
    stamp=OrderStamp(at=AT, sequence=7, rank=Rank.PLAN, received_at=AT),
)
ENVELOPE = Envelope(
    type="envelope",
    version=1,
    realm="vgr",
    source="ehr",
    feed="hl7",
    received_at=AT,
    raw=RawPointer(id="r1", sha256="00", size=3),
    observations=(OBSERVATION,),
)
NOTIFICATION = Notification(
    id="n1",
    source="/wardbridge/vgr",
    type="wardbridge.designation.designated.v1",
    subject="W1",
    time=AT,
    data=DATA,
)
EXAMPLES: dict[str, Frozen] = {
    "alias": Alias(realm="vgr", source="ehr", number="8f3", patient="a1c", merged=True),
    "acknowledgement": Acknowledgement(
        type="acknowledgement",
        version=1,
        realm="vgr",
        ward="W1",
        visit=VisitRef(source="ehr", visit="v1"),
        designation="n1",
        seen_version=1,
        announced_at=AT,
        by="screen-w1",
        at=AT,
    ),
    "audit-entry": AuditEntry(
        type="audit-entry",
        version=1,
        at=AT,
        action=Action.LISTED,
        reader="screen-w1",
        how="session",
        unit="W1",
        ward="W1",
        fields="operational",
        seen=(Seen(visit=VisitRef(source="ehr", visit="v1"), patient="k1"),),
    ),
    "authority": Authority(
        realm="vgr", entries=(AuthorityEntry(scope="realm", name="", source="ehr"),)
    ),
    "encounter-view": EncounterView(
        source="ehr", visit="v1", patient="k1", mark=Mark(to=Location(ward="W1")), last_at=AT
    ),
    "envelope": ENVELOPE,
    "feed-revision": FeedRevision(feed="hl7", fingerprint="00", revision=1, at=AT),
    "inbound": DATA,
    "delivery": Delivery(
        type="delivery",
        version=1,
        subscriber="portal",
        sequence=1,
        event="n1",
        ward="W1",
        kind=Kind.DESIGNATED,
        visit=VisitRef(source="ehr", visit="v1"),
        attempts=1,
        outcome=Outcome.DELIVERED,
        at=AT,
    ),
    "notification": NOTIFICATION,
    "told": TOLD,
    "subscriber-notice": SubscriberNotice(
        **dict(NOTIFICATION) | {"data": TOLD}, subscription="portal", subscriptionsequence=1
    ),
    "subscriber-state": SubscriberState(type="subscriber", version=2, subscriber="portal"),
    "registration": Registration(
        type="registration",
        version=1,
        name="s1",
        at=AT,
        channel="fhir",
        sealed="AAAA",
        owner=Owner(name="portal", how="token"),
        end=AT,
        since={0: 7},
    ),
    "patient": PatientRow(
        type="patient",
        version=1,
        id="d1",
        realm="vgr",
        source="ehr",
        feed="hl7",
        patient=PATIENT.key,
        number=NUMBER,
        identifiers=(NUMBER,),
        person=Person(family="Testsson", born="1950-01", sex=None),
        stamp=OBSERVATION.stamp,
    ),
    "review-item": ReviewItem(
        id="i1",
        realm="vgr",
        source="ehr",
        feed="hl7",
        at=AT,
        reason="not-hl7",
        detail="the message does not begin with MSH",
        withheld=True,
    ),
    "review-step": ReviewStep(
        item="i1", realm="vgr", deed="discarded", at=AT, by="anna", reason="a test of theirs"
    ),
    "test-event": TestEvent(id="test-1", time=AT, subscription="portal"),
    "tick": Tick(realm="vgr", at=AT),
    "ward": Ward(id="W1", name="Avdelning 1", hospital="SÄS", aliases={"elvis": ("A1",)}),
}


def on_the_wire(value: Frozen) -> Any:
    if isinstance(value, Envelope | PatientRow):
        return json.loads(value.to_json())
    text = value.model_dump_json()
    return json.loads(text)


@pytest.mark.parametrize("name", sorted(rendered()))
def test_the_committed_document_is_what_the_models_say(name: str) -> None:
    committed = (PUBLISHED_FOLDER / name).read_text(encoding="utf-8")
    assert committed == rendered()[name], "run: make schema"


def test_no_stale_document_is_left() -> None:
    assert {path.name for path in PUBLISHED_FOLDER.iterdir()} == set(rendered())


@pytest.mark.parametrize("name", documents.PUBLISHED)
def test_a_document_is_valid_json_schema_and_describes_its_values(name: str) -> None:
    schema = documents.json_schema(name)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(on_the_wire(EXAMPLES[name]))


@pytest.mark.parametrize("name", documents.PUBLISHED)
def test_a_document_asks_for_each_member_that_the_model_asks_for(name: str) -> None:
    validator = Draft202012Validator(documents.json_schema(name))
    value = on_the_wire(EXAMPLES[name])
    for member in documents.json_schema(name)["required"]:
        assert not validator.is_valid({key: value[key] for key in value if key != member})


@pytest.mark.parametrize("name", documents.PUBLISHED)
def test_a_value_comes_back_from_the_wire_as_it_was(name: str) -> None:
    value = EXAMPLES[name]
    assert type(value).model_validate(on_the_wire(value)) == value


@pytest.mark.parametrize("name", documents.PUBLISHED)
def test_an_older_reader_passes_over_members_it_does_not_know(name: str) -> None:
    value = EXAMPLES[name]
    newer = on_the_wire(value) | {"of_a_later_version": 1}
    assert type(value).model_validate(newer) == value
    assert Draft202012Validator(documents.json_schema(name)).is_valid(newer)


def test_absent_and_cleared_claims_stay_apart_on_the_wire() -> None:
    claims = on_the_wire(ENVELOPE)["observations"][0]["claims"]
    assert claims == {"mark": {"ward": "W1"}, "expected_at": None}
    back = Envelope.model_validate_json(ENVELOPE.to_json()).observations[0].claims
    assert back.says("expected_at")
    assert not back.says("place")


def official_validator() -> Draft7Validator:
    content = OFFICIAL.read_bytes()
    assert hashlib.sha256(content).hexdigest() == OFFICIAL_SHA256
    return Draft7Validator(json.loads(content))


def published_asyncapi() -> dict[str, Any]:
    text = (PUBLISHED_FOLDER / ASYNCAPI_NAME).read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    assert list(official_validator().iter_errors(published_asyncapi())) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("asyncapi",), "3.1"),
        (("info", "version"), None),
        (("channels", "designations", "parameters"), []),
        (("channels", "designations", "adress"), "typo"),
        (("operations", "write-designations", "action"), "publish"),
        (("components", "schemas", "Notification", "type"), "thing"),
    ],
)
def test_the_official_schema_refuses_what_is_wrong(place: tuple[str, ...], wrong: object) -> None:
    document = published_asyncapi()
    node = document
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = wrong
    assert not official_validator().is_valid(document)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = published_asyncapi()
    found = list(references(document))
    assert len(found) > len(documents.PUBLISHED)
    for reference in found:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.mark.parametrize("topic", documents.CARRIED)
def test_a_payload_of_the_asyncapi_document_describes_what_the_topic_carries(topic: str) -> None:
    document = published_asyncapi()
    name = documents.CARRIED[topic]
    binary = [documents.IN_BINARY_MODE] if topic == topics.DESIGNATIONS else []
    assert list(document["channels"][topic]["messages"]) == [name, *binary]
    payload = document["components"]["messages"][name]["payload"]
    validator = Draft7Validator({**payload, "components": document["components"]})
    assert validator.is_valid(on_the_wire(EXAMPLES[name]))
    assert not validator.is_valid({})


def test_every_topic_of_the_table_is_a_channel_and_those_of_subscribers_are_one() -> None:
    channels = published_asyncapi()["channels"]
    assert list(channels) == [*(topic.name for topic in topics.TOPICS), topics.TOLD]
    own = channels[topics.TOLD]
    assert own["address"] == "{prefix}told.{subscriber}"
    assert set(own["parameters"]) == {"prefix", "subscriber"}
    assert list(own["messages"]) == list(documents.OF_ITS_OWN)


@pytest.mark.parametrize("name", documents.OF_ITS_OWN)
def test_a_message_of_a_subscribers_own_topic_describes_its_headers_and_value(name: str) -> None:
    document = published_asyncapi()
    message = document["components"]["messages"][name]
    assert (
        message["headers"]["properties"]["schema-id"]["const"] == documents.json_schema(name)["$id"]
    )
    validator = Draft7Validator({**message["payload"], "components": document["components"]})
    assert validator.is_valid(on_the_wire(EXAMPLES[name]))
    assert not validator.is_valid({})

"""Notices as the router writes them."""

from datetime import UTC, datetime

from bus.port import Record
from schemas import topics
from schemas.base import VisitRef
from schemas.fields import Beside, Details, Identity
from schemas.identifiers import IdentifierKind
from schemas.notification import DesignationData, Kind, Notification, Reason

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
WHO = Identity(
    number="191212121212", kind=IdentifierKind.PERSONNUMMER, assigner=None, family="Testsson",
    given="Örjan Emil", born="1912-12-12", sex="male",
)  # fmt: skip
LEAVES = datetime(2026, 1, 15, 14, tzinfo=UTC)
FROM = Details(
    from_ward="AKM", from_name="Akuten", from_hospital="Norr", on_leave=False,
    planned_discharge_at=LEAVES,
)  # fmt: skip
BESIDE = Beside(level="identified", details=FROM, patient=WHO)
"""All that may be told beside a notice."""


def notice(
    ward: str, number: int, hospital: str = "Norr", kind: Kind = Kind.DESIGNATED
) -> Notification:
    data = DesignationData(
        kind=kind, reason=Reason.MARKED, realm="lab", ward=ward, hospital=hospital,
        visit=VisitRef(source="ehr", visit=str(number)), version=1, sequence=number,
        announced_at=AT,
    )  # fmt: skip
    return Notification(
        id=f"{ward}-{number}", source="/wardbridge/lab", subject=ward, time=AT, data=data,
        type=f"wardbridge.designation.{kind}.v1",
    )  # fmt: skip


def decided(ward: str, number: int) -> Record:
    """As it stands in the topic of all notices."""
    value = notice(ward, number).model_dump_json().encode()
    return Record(topics.DESIGNATIONS, ward, ward, value)


def queued(subscriber: str, ward: str, number: int, sequence: int | None = None) -> Record:
    """As it stands in a subscriber's queue; with a sequence it is sent again."""
    headers = () if sequence is None else (("sequence", str(sequence).encode()),)
    value = notice(ward, number).model_dump_json().encode()
    return Record(topics.OUTGOING, subscriber, subscriber, value, headers)

"""Who a patient is, as one source said it. Topic ``patients``, only where ``[identities]`` keeps it.

A row is one description of one patient by one source. Its key is the patient's, the source's and a keyed
hash of what is said, so that no two descriptions replace one another, in whatever order they come; the
same one said again replaces itself. Whoever shows a patient folds the rows in the order of their stamps.
Names stand in no other topic but ``raw``.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from schemas.base import Frozen
from schemas.observation import OrderStamp, PatientIdentifier, Protection

Sex = Literal["female", "male", "other", "unknown"]

DATE_PATTERN: Final = r"^\d{4}(-\d{2}(-\d{2})?)?$"


class Person(Frozen):
    """Three-valued like claims: absent says nothing, null that there is none."""

    model_config = ConfigDict(hide_input_in_errors=True)  # errors end up in logs

    family: str | None = None
    given: str | None = None
    born: str | None = Field(
        None, pattern=DATE_PATTERN, description="date, month or year, as exact as it is said"
    )
    sex: Sex | None = Field(None, description="administrative sex (FHIR's codes)")


class PatientRow(Frozen):
    """One description, or that the patient's number stands for another patient from then on."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["patient"] = "patient"
    version: Literal[1] = 1
    id: str = Field(description="keyed hash of what is said")
    realm: str
    source: str
    feed: str
    patient: str = Field(description="patient key, before merges")
    number: PatientIdentifier = Field(description="the one that the patient key is made from")
    identifiers: tuple[PatientIdentifier, ...] = Field(description="all of them, as received")
    person: Person = Person()
    merged_into: str | None = Field(None, description="key of the patient that remains of a merge")
    protection: Protection | None = Field(
        None, description="the mark that was said with it, if any"
    )
    stamp: OrderStamp

    @property
    def key(self) -> str:
        """Of its record."""
        return f"{self.patient}|{self.source}|{self.id}"

    def to_json(self) -> bytes:
        """UTF-8 JSON; what is absent is left out, what is cleared is null."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


def patient_row(value: bytes) -> PatientRow | None:
    """A record's value; None for one that this version cannot read, and then nobody is known by it."""
    try:
        return PatientRow.model_validate_json(value)
    except ValidationError:
        return None

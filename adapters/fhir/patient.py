"""Who an Encounter is about: ``subject``, and the number among the Patient's that is its key.

Source: http://hl7.org/fhir/R4/datatypes.html#Identifier. A logical reference (``subject.identifier``)
says who it is by itself; otherwise the Patient must be at hand. A name or a ``display`` never is.
"""

from __future__ import annotations

from typing import Final

from adapters.common.identity import Identified, Number, doubts, number, patient_of
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Trouble
from adapters.fhir.element import Element
from adapters.fhir.profile import PatientSettings
from adapters.fhir.references import Resources, logical_id
from adapters.fhir.refusal import RefusedError
from schemas.identifiers import IdentifierKind
from schemas.observation import Patient, PatientIdentifier

_OID: Final = "urn:oid:"


class PatientReader:
    """Reads the patients of one feed."""

    def __init__(self, settings: PatientSettings, keyer: PatientKeyer) -> None:
        self._settings = settings
        self._keyer = keyer

    def read(self, encounter: Element, resources: Resources) -> tuple[Identified, list[Trouble]]:
        """The patient, and what is doubtful about the numbers. Raises RefusedError."""
        subject = encounter.element("subject")
        if subject is None:
            where = f"{encounter.path}.subject"
            raise RefusedError("patient-missing", "nothing says who it is about", where)
        reference = subject.uri("reference")
        if self._settings.by == "id":
            found = resources.resolve(reference, encounter) if reference else None
            return self._by_id(found.text("id") if found else logical_id(reference), subject), []
        identifiers, where = self._identifiers(encounter, subject, reference, resources)
        return self._by_identifier(identifiers, where)

    def _by_id(self, value: str, subject: Element) -> Identified:
        where = f"{subject.path}.reference"
        if not value:
            detail = "the reference has no logical id, by which this feed knows patients"
            raise RefusedError("patient-missing", detail, where)
        identifier = PatientIdentifier(
            kind=IdentifierKind.LOCAL, value=value, assigner="Patient.id"
        )
        patient = Patient(key=self._keyer.key(identifier), identifiers=(identifier,))
        return Identified(patient, where, "profile.patient.by")

    @staticmethod
    def _identifiers(
        encounter: Element, subject: Element, reference: str, resources: Resources
    ) -> tuple[list[Element], str]:
        found = resources.resolve(reference, encounter) if reference else None
        if found is not None:
            if found.resource_type != "Patient":
                detail = "it leads to something else than a Patient"
                raise RefusedError("patient-missing", detail, f"{subject.path}.reference")
            found.refuse_modifiers()
            return found.elements("identifier"), f"{found.path}.identifier"
        if logical := subject.element("identifier"):
            return [logical], logical.path
        if not reference:
            raise RefusedError("patient-missing", "nothing says who it is about", subject.path)
        detail = "the Patient is neither here nor named by an identifier"
        raise RefusedError("reference-unresolved", detail, f"{subject.path}.reference")

    def _by_identifier(
        self, identifiers: list[Element], where: str
    ) -> tuple[Identified, list[Trouble]]:
        numbers = [self._number(each) for each in identifiers if each.text("value")]
        found = patient_of(numbers, self._settings, self._keyer, where)
        if isinstance(found, Trouble):
            raise RefusedError(found.reason, found.detail, found.where)
        return found, doubts(numbers, where)

    def _number(self, identifier: Element) -> Number:
        system = identifier.text("system")
        assigner = self._settings.assigners.get(system, system.removeprefix(_OID))
        codes = [coding.text("code") for coding in identifier.codings("type")]
        found = number(
            identifier.text("value"), (assigner,), next(iter(codes), ""), self._settings.kinds
        )
        return found._replace(is_old=identifier.text("use") == "old")

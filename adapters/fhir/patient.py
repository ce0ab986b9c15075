"""Reads the patient of an Encounter: ``subject``, and the identifier that becomes the key.

Source: http://hl7.org/fhir/R4/datatypes.html#Identifier. A logical reference (``subject.identifier``)
says who it is by itself; otherwise the Patient must be at hand. A name or a ``display`` never is.
"""

from __future__ import annotations

from datetime import datetime

from adapters.common.identity import Identified, doubts, patient_of
from adapters.common.keys import SourceKeyer
from adapters.common.outcome import Trouble
from adapters.fhir.element import Element
from adapters.fhir.identifier import IdentifierReader
from adapters.fhir.profile import FhirProfile
from adapters.fhir.references import Resources, identifier_of, logical_id
from adapters.fhir.refusal import ResourceRefusedError
from schemas.identifiers import IdentifierKind
from schemas.observation import Patient, PatientIdentifier


class FhirPatientReader:
    """Reads the patients of one feed."""

    def __init__(self, profile: FhirProfile, keyer: SourceKeyer, source: str) -> None:
        self._settings = profile.patient
        self._numbers = IdentifierReader(profile.assigners, profile.patient.kinds, profile.zone)
        self._keyer = keyer
        self._server_ids = f"source:{source}/Patient.id"

    def read(
        self, encounter: Element, resources: Resources, received_at: datetime
    ) -> tuple[Identified, list[Trouble]]:
        """The patient, and what is doubtful about the numbers. Raises RefusedError.

        A number's validity is judged by the receipt.
        """
        subject = encounter.element("subject")
        if subject is None:
            where = f"{encounter.path}.subject"
            raise ResourceRefusedError("patient-missing", "nothing says who it is about", where)
        reference = subject.uri("reference")
        if self._settings.by == "id":
            found = resources.resolve(reference, encounter) if reference else None
            return self._by_id(found.text("id") if found else logical_id(reference), subject), []
        identifiers, where = self._identifiers(encounter, subject, reference, resources)
        return self._by_identifier(identifiers, where, received_at)

    def _by_id(self, value: str, subject: Element) -> Identified:
        where = f"{subject.path}.reference"
        if not value:
            detail = "the reference has no logical id, by which this feed knows patients"
            raise ResourceRefusedError("patient-missing", detail, where)
        identifier = PatientIdentifier(
            kind=IdentifierKind.LOCAL, value=value, assigner=self._server_ids
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
                raise ResourceRefusedError("patient-missing", detail, f"{subject.path}.reference")
            found.refuse_modifiers()
            return found.elements("identifier"), f"{found.path}.identifier"
        if logical := subject.element("identifier"):
            return [logical], logical.path
        if own := identifier_of(subject, "Patient"):
            return [own], own.path
        if not reference:
            raise ResourceRefusedError(
                "patient-missing", "nothing says who it is about", subject.path
            )
        detail = (
            "the Patient is neither here nor named by an identifier: send it along, give subject.identifier, or set "
            'patient.by = "id" in the profile'
        )
        raise ResourceRefusedError("reference-unresolved", detail, f"{subject.path}.reference")

    def _by_identifier(
        self, identifiers: list[Element], where: str, received_at: datetime
    ) -> tuple[Identified, list[Trouble]]:
        given = [each for each in identifiers if each.text("value")]
        numbers = [self._numbers.number(each, received_at) for each in given]
        found = patient_of(numbers, self._settings, self._keyer, where)
        if isinstance(found, Trouble):
            raise ResourceRefusedError(found.reason, found.detail, found.where)
        return found, doubts(numbers, where)

"""Maps the bytes of one input to an outcome: observations, or the reason why there are none.

Invariants
----------
* Total: any bytes give an outcome with a stable reason; nothing raises.
* A broken form, an unreadable status, visit, patient or version withholds an Encounter; any other
  element that cannot be read is absent, with a warning.
* A transaction or a message is used whole or not at all.
* The bytes are never written anew: what is kept is what came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from adapters.common.claims_builder import ClaimsBuilder
from adapters.common.describing import Describer
from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.origin import Origins
from adapters.common.outcome import InputOutcome, Named, Trouble, accepted, ignored, to_review
from adapters.common.stamp import Moment
from adapters.fhir.bundle import read_bundle
from adapters.fhir.claims import EncounterClaimsReader, beside
from adapters.fhir.document import read
from adapters.fhir.edition import EDITIONS, meaning_of, refuse_other_edition
from adapters.fhir.element import Element, resource
from adapters.fhir.names import Object
from adapters.fhir.notification import is_failing, names_any, notification, notification_type
from adapters.fhir.patient import FhirPatientReader
from adapters.fhir.person import person_of
from adapters.fhir.profile import FhirProfile
from adapters.fhir.references import Resources
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.said import about, named_of, statement_of_encounter
from adapters.fhir.stamp import Receipt, observation_id, order_stamp, recorded, sequence_from
from adapters.fhir.statement import EncounterStatement
from adapters.fhir.strict import first_fault
from adapters.fhir.times import read_time, span_of
from adapters.fhir.visit import VisitReader
from schemas.observation import MAY_BE_UNREAD, Claims, Observation, Patient, What
from schemas.patient import PatientRow
from schemas.ward import WardRegister

RULES: Final = 1
"""Raise it when an input is read otherwise than before by the same profile: `tests/golden` notices."""

TRIGGER: Final = "Encounter"
_SUBSETTED: Final = "SUBSETTED"
_TEST_DATA: Final = "HTEST"  # v3 ActReason


class FhirNormaliser:
    """Reads one feed's inputs. Keeps nothing: all requests of a feed may share it.

    ``describe``: whether it is to be told who the patients are, too.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that a feed may vary
        self,
        feed: FeedIdentity,
        profile: FhirProfile,
        wards: WardRegister,
        keyer: PatientKeyer,
        *,
        explain: bool = False,
        describe: bool = False,
    ) -> None:
        self.feed = feed
        self.profile = profile
        self._unasked = None if explain else Origins(asked=False)
        self._edition = EDITIONS[profile.edition]
        self._skew = timedelta(seconds=profile.future_s)
        self._patients = FhirPatientReader(profile, keyer.of(feed.source), feed.source)
        self._visits = VisitReader(profile)
        self._describer = Describer(feed, keyer) if describe else None
        self._claims = EncounterClaimsReader(profile, self._edition, wards, feed.source)

    def normalise(
        self, payload: bytes, received_at: datetime, known: Resources | None = None
    ) -> InputOutcome:
        """What one resource or Bundle means; ``known`` are resources fetched beside it."""
        try:
            return self.outcome_of(read(payload, self.profile.edition), received_at, known)
        except ResourceRefusedError as refused:
            return to_review(refused.trouble)

    def patients(self, payload: bytes, received_at: datetime) -> Iterator[Patient]:
        """Whom the Encounters of an input name, also where they cannot be used. Total."""
        try:
            statements = _stated_in(resource(read(payload, self.profile.edition)))
        except ResourceRefusedError:
            return
        for each in statements:
            with suppress(ResourceRefusedError):
                found, _ = self._patients.read(each.encounter, each.resources, received_at)
                yield found.patient

    def outcome_of(
        self, document: Object, received_at: datetime, known: Resources | None = None
    ) -> InputOutcome:
        """What a parsed resource means. Raises RefusedError where nothing of it can be used."""
        top = resource(document)
        match top.resource_type:
            case "Encounter":
                return self._single(EncounterStatement(top, known or Resources()), received_at)
            case "Bundle":
                return self._bundle(top, received_at, known)
            case _:
                return ignored("no-encounter", "neither an Encounter nor a Bundle")

    def _single(self, statement: EncounterStatement, received_at: datetime) -> InputOutcome:
        origins = self._unasked or Origins(asked=True)
        observation, warnings = self._observation(statement, received_at, origins)
        part = statement_of_encounter(statement.encounter)
        warnings = [about(each, statement.encounter, part) for each in warnings]
        accepted_one = self._accepted([observation], warnings, [statement], origins)
        return replace(accepted_one, parts=(part,), named=_names([statement], [part]))

    def _bundle(
        self, bundle: Element, received_at: datetime, known: Resources | None
    ) -> InputOutcome:
        found = read_bundle(bundle, known)
        origins = self._unasked or Origins(asked=True)
        observations: list[Observation] = []
        used: list[EncounterStatement] = []
        warnings, refused, parts = list(found.troubles), list[Trouble](), list[str]()
        for statement in found.statements:
            encounter = statement.encounter
            parts.append(statement_of_encounter(encounter))
            try:
                observation, doubts = self._supervised(statement, received_at, origins)
            except ResourceRefusedError as error:
                if found.whole:
                    raise
                origins.drop()
                refused.append(about(error.trouble, encounter, parts[-1]))
            else:
                observations.append(observation)
                used.append(statement)
                warnings += [about(each, encounter, parts[-1]) for each in doubts]
        if not observations:
            outcome = _of_nothing(bundle, refused, warnings)
            return replace(outcome, named=_names(found.statements, parts))
        outcome = self._accepted(observations, [*refused, *warnings], used, origins)
        return replace(outcome, parts=tuple(parts), named=_names(found.statements, parts))

    def _supervised(
        self, statement: EncounterStatement, received_at: datetime, origins: Origins
    ) -> tuple[Observation, list[Trouble]]:
        """One of several Encounters: a fault of ours costs it its use, and no other."""
        try:
            return self._observation(statement, received_at, origins)
        except ResourceRefusedError:
            raise
        except Exception as error:  # the one supervisor of an entry
            detail = f"{type(error).__name__} while reading"
            raise ResourceRefusedError(
                "internal-error", detail, statement.encounter.path
            ) from error

    def _accepted(
        self,
        observations: list[Observation],
        warnings: list[Trouble],
        used: list[EncounterStatement],
        origins: Origins,
    ) -> InputOutcome:
        fault, described = self._first_fault(used), tuple[PatientRow, ...]()
        if self._describer is not None:
            described, doubts = _described(self._describer, observations, used)
            warnings = [*warnings, *doubts]
        outcome = accepted(observations, warnings, fault, origins.finished)
        return replace(outcome, patients=described) if described else outcome

    def _first_fault(self, used: list[EncounterStatement]) -> str | None:
        """Where the edition's own model refuses what the lean reader has accepted."""
        if self.profile.check == "lean":
            return None
        faults = (first_fault(each.encounter.content, self.profile.edition) for each in used)
        return next(filter(None, faults), None)

    def _observation(
        self, statement: EncounterStatement, received_at: datetime, origins: Origins
    ) -> tuple[Observation, list[Trouble]]:
        encounter = statement.encounter
        self._refuse_unusable(encounter)
        meaning = meaning_of(encounter, self._edition)
        origins.note("what", f"{encounter.path}.status", "the table of statuses")
        visit = self._visits.read(encounter, received_at)
        origins.note("visit", visit.where, "profile.visit")
        found, troubles = self._patients.read(encounter, statement.resources, received_at)
        origins.note("patient", found.where, found.rule)
        when = recorded(statement, received_at, self.profile.unversioned)
        origins.note("stamp.sequence", *sequence_from(statement, when))
        receipt = Receipt(received_at, self.feed.name, self._skew)
        stamp, late = order_stamp(statement, when, meaning.rank, receipt)
        claims = ClaimsBuilder(origins, [*troubles, *late], self.profile.claims)
        self._claims.read(statement, meaning, stamp, claims)
        said: dict[str, object] = {
            "id": observation_id(self.feed.source, visit.as_sent, statement, when),
            **self.feed.reading,
            "source": self.feed.source,
            "feed": self.feed.name,
            "what": meaning.what,
            "trigger": TRIGGER,
            "shape": "state",
            "visit": visit.id,
            "patient": found.patient,
            "claims": Claims.model_validate(claims),
            "recorded_at": when.moment.at,
            "recorded_rule": when.moment.rule,
            "stamp": stamp,
        }
        if self.profile.corrects_patient:
            said["corrects_patient"] = True
        if meaning.what is What.DESCRIBED and (unread := claims.missing(MAY_BE_UNREAD)):
            said["unread"] = unread
        if meaning.what is What.DISCHARGED:
            said |= self._ended(encounter, received_at, claims.troubles)
        origins.finish()
        return Observation.model_validate(said), claims.troubles

    def _refuse_unusable(self, encounter: Element) -> None:
        refuse_other_edition(encounter, self._edition)
        encounter.refuse_modifiers()
        meta = encounter.element("meta")
        marks = [*meta.readable("tag"), *meta.readable("security")] if meta else []
        for mark in marks:
            if mark.content.get("code") == _SUBSETTED:
                detail = "a part of an Encounter would clear what was left out: ask for all of it"
                raise ResourceRefusedError("resource-incomplete", detail, mark.path)
            if mark.content.get("code") == _TEST_DATA and not self.profile.test_data:
                detail = "marked as test data: see the profile's `test_data`"
                raise ResourceRefusedError("not-production", detail, mark.path)

    def _ended(
        self, encounter: Element, received_at: datetime, troubles: list[Trouble]
    ) -> dict[str, object]:
        """When the stay ended, as far as it is said; or is to end, where that lies ahead."""
        moment, text = None, ""
        with beside(troubles):
            period = encounter.element(self._edition.period)
            if period is not None and (text := period.text("end")):
                moment = read_time(text, f"{period.path}.end", self._claims.zone)
        if isinstance(moment, Trouble):
            troubles.append(moment)
        if not isinstance(moment, Moment):
            return {}
        said: dict[str, object] = {"occurred_at": moment.at, "occurred_rule": moment.rule}
        if moment.at > received_at + self._skew:
            span = span_of(text, self._claims.zone)
            said["takes_effect_at"] = span.end if span else moment.at  # a day ends with its end
        return said


def _described(
    describer: Describer, observations: list[Observation], used: list[EncounterStatement]
) -> tuple[tuple[PatientRow, ...], list[Trouble]]:
    """Who they are about, each told from its own statement; and what of it could not be read."""
    rows: list[PatientRow] = []
    troubles: list[Trouble] = []
    for observation, statement in zip(observations, used, strict=True):
        person, doubts = person_of(statement.encounter, statement.resources)
        known = {} if person is None else {observation.patient.key: person}
        rows += describer.rows([observation], known)
        troubles += [each for each in doubts if each not in troubles]
    return tuple(rows), troubles


def _stated_in(top: Element) -> list[EncounterStatement]:
    """The Encounters of a resource. Raises RefusedError."""
    match top.resource_type:
        case "Encounter":
            return [EncounterStatement(top, Resources())]
        case "Bundle":
            return read_bundle(top).statements
        case _:
            return []


def _names(statements: Sequence[EncounterStatement], parts: Sequence[str]) -> dict[str, Named]:
    """The names of those that have one."""
    told = zip(parts, statements, strict=True)
    return {part: named for part, said in told if (named := named_of(said.encounter.content))}


def _of_nothing(bundle: Element, refused: list[Trouble], warnings: list[Trouble]) -> InputOutcome:
    """A Bundle none of whose Encounters was used, or that has none."""
    troubles = [*refused, *warnings]
    if troubles:
        return replace(to_review(troubles[0]), warnings=tuple(troubles[1:]))
    status = notification(bundle)
    if status is not None:
        return _of_notification(status)
    return ignored("no-encounter", "the Bundle states no Encounter")


def _of_notification(status: Element) -> InputOutcome:
    """A notification without Encounters: a sign of life, or names to fetch by."""
    if is_failing(status):
        detail = "the server says that the subscription no longer works: look there"
        return to_review(Trouble("subscription-failing", detail, status.path))
    if notification_type(status) in {"handshake", "heartbeat", "query-status"}:
        return ignored("subscription-alive", "the subscription says that it works")
    if names_any(status):
        return ignored("notification-fetched", "what it names was fetched")
    detail = "it does not say what happened: subscribe with id-only or full-resource content"
    return to_review(Trouble("notification-without-content", detail, status.path))

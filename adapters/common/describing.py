"""Builds the rows of topic ``patients`` from an input, where the installation keeps identities.

Invariant: a row is made of an accepted observation and has its stamp, so that descriptions sort as the
observations do; the same description by the same source has the same id, whenever it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from schemas.observation import Observation, Patient, PatientIdentifier, Protection
from schemas.patient import PatientRow, Person

_UNDESCRIBED: Final = Person()


class Describer:
    """Makes the rows of one feed."""

    def __init__(self, feed: FeedIdentity, keyer: PatientKeyer) -> None:
        self._feed = feed
        self._keyer = keyer
        self._numbers = keyer.of(feed.source)

    def rows(
        self, observations: Sequence[Observation], persons: Mapping[str, Person]
    ) -> tuple[PatientRow, ...]:
        """One for each patient of each observation; ``persons`` by patient key, as far as said."""
        return tuple(row for each in observations for row in self._of(each, persons))

    def _of(self, said: Observation, persons: Mapping[str, Person]) -> Iterator[PatientRow]:
        if said.merged_into is None:
            yield self._row(said, said.patient, persons)
        else:
            yield self._row(said, said.merged_into, persons)
            yield self._row(said, said.patient, persons, said.merged_into.key)

    def _row(
        self,
        said: Observation,
        patient: Patient,
        persons: Mapping[str, Person],
        merged_into: str | None = None,
    ) -> PatientRow:
        person = persons.get(patient.key, _UNDESCRIBED)
        more: dict[str, Any] = {"merged_into": merged_into} if merged_into else {}
        if said.claims.says("protection"):
            more["protection"] = said.claims.protection or Protection.NONE
        return PatientRow(
            type="patient",
            version=1,
            id=self._id(patient, person, *map(str, more.values())),
            realm=self._feed.realm,
            source=self._feed.source,
            feed=self._feed.name,
            patient=patient.key,
            number=self._number(patient),
            identifiers=patient.identifiers,
            person=person,
            stamp=said.stamp,
            **more,
        )

    def _number(self, patient: Patient) -> PatientIdentifier:
        """The key was made from one of them."""
        keyed = (each for each in patient.identifiers if self._numbers.key(each) == patient.key)
        return next(keyed, patient.identifiers[0])

    def _id(self, patient: Patient, person: Person, *more: str) -> str:
        numbers = [each.model_dump_json() for each in patient.identifiers]
        described = person.model_dump_json(exclude_unset=True)
        return self._keyer.hash("described", *numbers, described, *more)

"""Facts of one visit as no hospital would tell them: every kind, with and without a movement, in any time.

Half of all are told within one second, cancels are told again, and what lies ahead, what is of the past and
what corrects come together. What is right of these is right of anything that a source says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from hypothesis import strategies as st

from router.core.annulment import ANNULS
from router.core.facts import Fact, fact_of
from schemas.observation import Claims, Movement, Observation, Protection, What
from tests.router.saying import START, Source, place

WARDS = ("W1", "W2", "W3")
OF_PERSONS = (What.PERSON_UPDATED, What.PATIENTS_MERGED)
KINDS = tuple(what for what in What if what not in OF_PERSONS)
IN_TURNS = (*ANNULS, *ANNULS.values())
MOVES = (What.TRANSFERRED, What.DISCHARGED)
"""Of few kinds, so that one is said anew often while it lies ahead."""


class Teller:
    """Tells anything. ``kinds``: what is told, often few kinds, so that they have to do with each other."""

    def __init__(
        self,
        random: Random,
        patients: int = 1,
        *,
        kinds: Sequence[What] | None = None,
        ahead: float | None = None,
        movements: float | None = None,
    ) -> None:
        self._random = random
        self._source = Source(counts=random.random() < 0.5)
        self._patients = patients
        self._kinds = kinds or random.choice((KINDS, IN_TURNS, MOVES, random.sample(KINDS, 4)))
        self._ahead = random.choice((0.0, 0.1, 0.5)) if ahead is None else ahead
        self._movements = random.choice((0.0, 0.5, 0.9)) if movements is None else movements
        self._is_close = random.random() < 0.5

    def observe(self) -> Observation:
        """One more, of any time."""
        random, source = self._random, self._source
        source.patient = f"p{random.randrange(self._patients) + 1}"
        at = START + timedelta(
            seconds=self._random.choice((0, 0, 1, 2) if self._is_close else range(600))
        )
        said = source.observe(random.choice(self._kinds), self._claims(), at=at)
        said = said.model_copy(update={"shape": random.choice(("event", "event", "state"))})
        if random.random() < self._movements:
            said = said.model_copy(update={"movement": self._movement()})
        if random.random() < self._ahead:
            later = timedelta(seconds=random.randint(1, 900))
            said = said.model_copy(
                update={"takes_effect_at": at + later, "occurred_at": at + later}
            )
        elif random.random() < 0.5:
            earlier = timedelta(seconds=random.randint(-100, 600))
            said = said.model_copy(update={"occurred_at": at - earlier})
        return said.model_copy(
            update={"corrects_patient": self._patients > 1 and random.random() < 0.1}
        )

    def fact(self) -> Fact:
        """That, as a fact; some are counted by their server."""
        fact = fact_of(self.observe())
        series = self._random.choice((None, None, None, "s1", "s2"))
        return fact._replace(series=series)

    def _movement(self) -> Movement:
        random = self._random
        return Movement(
            id=random.choice(("m1", "m2", "m3", "m4", "")),
            action=random.choice(("insert", "insert", "update", "cancel")),
            historic=random.random() < 0.2,
        )

    def _claims(self) -> Claims:
        random, said = self._random, dict[str, object]()
        for name in ("place", "responsible_ward", "mark", "temporary_place"):
            if random.random() < 0.5:
                ward = random.choice((*WARDS, None))
                said[name] = place(ward) if ward and name != "responsible_ward" else ward
        if random.random() < 0.2:
            said |= {
                "protection": random.choice((None, *Protection)),
                "admitting_doctor": random.choice("AB"),
            }
        if random.random() < 0.2:
            said |= {
                "visit_class": "I",
                "expected_at": START + timedelta(seconds=random.randint(0, 900)),
            }
        return Claims.model_validate(said)


TELLERS = st.randoms(use_true_random=False).map(Teller)
"""Each draws for itself, so that a failing history is made smaller."""


@st.composite
def facts(draw: st.DrawFn, most: int = 40) -> list[Fact]:
    """Facts of one visit, in the order in which they come."""
    teller = draw(TELLERS)
    return [teller.fact() for _ in range(draw(st.integers(1, most)))]

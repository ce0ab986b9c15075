"""Anything that sources may say, sensible or not, and what else comes to a router, in an order that a seed tells.

Few patients, numbers and visits, which the sources share, so that nearly everything said has to do with what was
said before. Half of what follows in time shares a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from schemas.observation import Claims, Movement, Observation, Protection, What
from tests.router.hearing import Router
from tests.router.histories import AUTHORITIES
from tests.router.saying import START, TRIGGERS, Source, ahead, patient, place

NATIONAL: Final = ("a", "b", "c")
_OPENING: Final = (What.ADMISSION_PLANNED, What.DESCRIBED, What.UPDATED, What.PATIENTS_MERGED) * 2
_PERSONAL: Final = {What.PERSON_UPDATED, What.PATIENTS_MERGED}


class Anything:
    """Says anything about anybody; ``now`` is when the last of it came."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = START
        self.said: list[Observation] = []

    def goes_to(self, router: Router) -> None:
        """The next thing that comes to a router."""
        chance = self.random.random()
        if chance < 0.07:
            router.hear(*self._agree()).believe(self.random.choice(("ehr", "elvis")))
        elif chance < 0.8:
            said = [self._says() for _ in range(self.random.choice((1, 1, 1, 2, 4)))]
            router.hear_at_once(*said, received_at=self.now)
        elif chance < 0.9:
            for at in self._ticks():
                router.tick(at)
        elif chance < 0.97:
            router.believe(*self.random.choice((*AUTHORITIES, ("ehr", "W1=elvis@09:00"))))
        else:
            router.restart()

    def _agree(self) -> Iterator[Observation]:
        """Both sources mean one patient for one ward: it goes on where another source is believed from now on."""
        who, ward = self.random.choice(NATIONAL), self.random.choice(("W1", "W2"))
        for name in ("ehr", "elvis"):
            source = Source(name, self._visit(), who, said=len(self.said))
            self.said.append(source.a14(ward, at=self.now))
            yield self.said[-1]

    def _ticks(self) -> Iterator[datetime]:
        """Time goes by, or a clock jumps."""
        self.now += timedelta(seconds=self.random.choice((0, 30, 300, 3600)))
        self.now += timedelta(days=self.random.choice((0, 0, 0, 31)))
        jump = timedelta(hours=self.random.choice((0, 0, 24, -2)))
        yield from (self.now + jump + timedelta(minutes=4 * n) for n in range(3))

    def _says(self) -> Observation:
        if self.said and self.random.random() < 0.15:
            said = self._read_again(self.random.choice(self.said))
        else:
            said = self._new()
        self.said.append(said)
        return said

    def _new(self) -> Observation:
        random = self.random
        self.now += timedelta(seconds=random.choice((0, 0, 0, 1, 1, 600)))
        name, what = random.choice(("ehr", "elvis")), random.choice((*TRIGGERS, *_OPENING))
        number, *others = self._numbers(name)
        source = Source(name, self._visit(), said=len(self.said), counts=random.random() < 0.5)
        said = source.of(number, *others).observe(
            what,
            self._claims(),
            at=self.now - timedelta(seconds=random.choice((0, 0, 0, 1, 3600))),
            merged_into=self._numbers(name)[0] if what is What.PATIENTS_MERGED else None,
            shape="state" if what is What.DESCRIBED else "event",
        )
        more: dict[str, object] = {}
        if what not in _PERSONAL:
            more["corrects_patient"] = random.random() < 0.1
            more["movement"] = self._movement() if random.random() < 0.2 else None
        if said.merged_into is not None:
            more["merged_into"] = patient(*self._numbers(name))
        said = said.model_copy(update=more)
        return ahead(said, said.stamp.at + timedelta(hours=1)) if random.random() < 0.1 else said

    def _read_again(self, said: Observation) -> Observation:
        """By another configuration, or sent once more: of another patient, visit and time of receipt."""
        random = self.random
        received = said.stamp.model_copy(
            update={"received_at": max(self.now, said.stamp.received_at)}
        )
        more: dict[str, object] = {
            "revision": said.revision + random.randint(0, 1),
            "stamp": received,
        }
        if random.random() < 0.5:
            more["patient"] = patient(*self._numbers(said.source))
        if random.random() < 0.5 and said.visit is not None:
            more["visit"] = said.visit.partition("@")[0] + random.choice(("", "@X", "@Y"))
        if random.random() < 0.5:
            more["claims"] = self._claims()
        return said.model_copy(update=more)

    def _numbers(self, source: str) -> list[str]:
        """Of one patient as the source gives them, the main one first."""
        main = self.random.choice((*NATIONAL, *NATIONAL, f"{source}:0", f"{source}:1"))
        others = {main, *self.random.sample((*NATIONAL, f"{source}:0"), 2)}
        return [main, *sorted(others - {main})[: self.random.choice((0, 0, 1, 2))]]

    def _visit(self) -> str:
        return f"v{self.random.randint(0, 3)}" + self.random.choice(("", "", "", "@X"))

    def _movement(self) -> Movement:
        random = self.random
        action = random.choice(("insert", "update", "cancel"))
        return Movement.model_validate(
            {"id": random.choice(("", "m1")), "action": action, "historic": random.random() < 0.3}
        )

    def _claims(self) -> Claims:
        random, claims = self.random, dict[str, Any]()
        for name in ("place", "mark", "mark"):
            if random.random() < 0.4:
                claims[name] = random.choice((None, *map(place, ("W1", "W2", "W3/1"))))
        if random.random() < 0.15:
            claims["protection"] = random.choice(tuple(Protection))
        if random.random() < 0.1:
            claims["expected_at"] = self.now + timedelta(hours=random.randint(0, 5))
        return Claims.model_validate(claims)

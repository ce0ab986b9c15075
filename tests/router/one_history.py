"""One history in which much hangs together, and the digest of what a router makes of it, in its order.

Run as a module it prints the digest: another process hashes its strings in another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

from router.core.bonds import MAX_BESIDE
from schemas.observation import Observation, Protection, What
from tests.router.hearing import Router
from tests.router.saying import Source, ahead, minutes, patient


def merged() -> Iterator[Observation]:
    """Patients of several numbers who are merged, one after the other, and come apart by another reading."""
    for at in range(6):
        source = Source(visit=f"v{at}", patient=f"n{at}")
        yield from (source.a14("W"), source.of(f"m{at}").a08(), source.of(f"x{at}").a08())
    for at in range(5):
        survivors = (f"n{at + 1}", f"m{at}", f"x{at}")
        yield Source(patient=f"n{at}").merged(*survivors, at=minutes(300 + at))
    tied = Source(patient="n0").a31(Protection.PROTECTED, at=minutes(2))
    yield tied.model_copy(update={"patient": patient("n0", "n1", "n4", "x9")})


def crowded() -> Iterator[Observation]:
    """A patient with as many numbers, and a number with as many patients, as may be; then one is the other's."""
    for at in range(MAX_BESIDE):
        yield Source(visit="vo").of("O", f"y{at}").a08(minutes(at + 1))
        yield Source(visit=f"w{at}").of(f"o{at}", "n").a08(minutes(100 + at))
    yield Source(visit="vo").of("O", "n").a08(minutes(300))
    yield Source(visit="vo").of("O", "n").a08(minutes(300) + timedelta(days=2))


def planned() -> Iterator[Observation]:
    """Stays that begin at one time, which a clock that is ahead makes pass."""
    for at in range(12):
        source = Source(visit=f"z{at}", patient=f"z{at}")
        yield source.a14("W")
        yield ahead(source.observe(What.ADMITTED, at=minutes(3)), minutes(30))


def heard() -> Router:
    """A router that has heard all of it."""
    router = Router().tick(minutes(1)).tick(minutes(2)).hear(*merged(), *crowded(), *planned())
    router.believe("elvis").believe("ehr")
    return router.tick(minutes(40)).tick(minutes(10)).tick(minutes(20)).restart().tick(minutes(41))


def digest() -> str:
    """Of every record, in the order in which they were made."""
    said = ((record.topic, record.key, record.value) for record in heard().records)
    return sha256(repr(list(said)).encode()).hexdigest()


if __name__ == "__main__":
    print(digest())

"""Whose a number is, as a table: what a source says in this order, and whose each number is then.

``a: b c`` says that b and c are of the patient who is mainly known by a; ``x > y`` merges x into y, ``x z > y``
names the ceasing patient by two numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from router.core.facts import Order
from router.core.people import Merge, NumbersStatement, People, folded

Told = NumbersStatement | Merge


def told(text: str, at: int) -> Told:
    order: Order = ((at, 0, 0, 0), f"{at:03}")
    if ">" in text:
        ceasing, _, survivor = text.partition(">")
        return Merge(order, tuple(ceasing.split()), survivor.strip())
    owner, _, numbers = text.partition(":")
    return NumbersStatement(order, owner.strip(), tuple(numbers.split()))


def people(said: Sequence[Told]) -> People:
    named = {n for each in said for n in _numbers(each)}
    return folded(
        named,
        [each for each in said if isinstance(each, NumbersStatement)],
        [each for each in said if isinstance(each, Merge)],
    )


def _numbers(each: Told) -> tuple[str, ...]:
    if isinstance(each, Merge):
        return (*each.ceasing, each.survivor)
    return (each.owner, *each.numbers)


TABLE: dict[str, tuple[list[str], str, str, list[int]]] = {
    # what is said: whose each number is; disputed; which of the said is refused
    "numbers of one message are one patient's": (["a: b c"], "a=a b=a c=a", "", []),
    "also where they are told bit by bit": (["a: b", "b: c"], "a=a b=a c=a", "", []),
    "and the other way round": (["b: c", "a: b"], "a=a b=a c=a", "", []),
    "and in a circle": (["a: b", "b: a"], "a=a b=a", "", []),
    "a merge names any number of the patient": (["a: b", "b > c"], "a=c b=c c=c", "", []),
    "and of the one who remains": (["a: b", "x > b"], "a=a b=a x=a", "", []),
    "and any of several": (["a: b", "z b > c"], "a=c b=c c=c z=c", "", []),
    "and several patients' at once": (["a: b", "x: y", "b y > c"], "a=c b=c c=c x=c y=c", "", []),
    "what was merged is told by its old number": (["a > b", "a: c"], "a=b b=b c=b", "", []),
    "a survivor may show the numbers that ceased": (
        ["a: b", "b > c", "c: b d"], "a=c b=c c=c d=c", "", [],
    ),
    "a number changes its owner, and nobody is merged": (
        ["a: n", "b: n"], "a=a b=b n=b", "n", [],
    ),
    "the newest statement decides": (["a: n", "b: n", "a: n"], "a=a b=b n=a", "n", []),
    "a reserve number and its local one become the personnummer's at once": (
        ["r: m", "p: m r"], "r=p m=p p=p", "", [],
    ),
    "but not where the reserve number is not named": (["r: m", "p: m"], "r=r m=p p=p", "m", []),
    "a merge afterwards makes one patient of them and no dispute": (
        ["a: n", "b: n", "a > b"], "a=b b=b n=b", "", [],
    ),
    "a merge before makes it no dispute": (["a: n", "a > b", "b: n"], "a=b b=b n=b", "", []),
    "who claims what had ceased into another disputes it": (
        ["a > b", "c: a"], "a=c b=b c=c", "a", [],
    ),
    "a number that moved on is merged where it is": (
        ["a: n", "b: n", "n > c"], "a=a b=c c=c n=c", "n", [],
    ),
    "and was merged where it was": (["a: n", "n > c", "b: n"], "a=c b=b c=c n=b", "n", []),
    "a later merge replaces the earlier one": (["x > y", "x > z"], "x=z y=y z=z", "", []),
    "merges are followed": (["x > y", "y > z"], "x=z y=z z=z", "", []),
    "of a circle the last is refused": (["x > y", "y > x"], "x=y y=y", "", [1]),
    "of a longer one too": (["x > y", "y > z", "z > x"], "x=z y=z z=z", "", [2]),
    "also by other numbers": (["x: n", "y: m", "n > y", "m > x"], "x=y n=y y=y m=y", "", [3]),
    "a merge of one patient's two numbers is none": (["x: y", "y > x", "x > y"], "x=x y=x", "", []),
    "the survivor may become another's number": (["x > y", "z: y"], "x=z y=z z=z", "", []),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_whose_the_numbers_are(name: str) -> None:
    lines, expected, disputed, refused = TABLE[name]
    said = [told(line, at) for at, line in enumerate(lines)]
    for order in permutations(said):
        found = people(order)
        assert {n: found.resolve(n) for n in found.numbers} == dict(
            each.split("=") for each in expected.split()
        )
        assert found.disputed == set(disputed.split())
        assert found.refused == {said[at].order[1] for at in refused}


NUMBERS = "abcdef"
_NUMBERS = st.sampled_from(NUMBERS)
_SAID = st.one_of(
    st.builds(lambda o, ns: f"{o}: {' '.join(ns)}", _NUMBERS, st.lists(_NUMBERS, max_size=3)),
    st.builds(lambda ns, s: f"{' '.join(ns)} > {s}", st.lists(_NUMBERS, min_size=1, max_size=2), _NUMBERS),
)  # fmt: skip


@given(st.lists(_SAID, max_size=14), st.integers(0, 2**32))
def test_every_number_leads_to_a_patient_in_any_order_and_step_by_step(
    lines: list[str], seed: int
) -> None:
    said = [told(line, at) for at, line in enumerate(lines)]
    straight = people(said)
    shuffled = [*said, *said]
    Random(seed).shuffle(shuffled)
    crooked = people(shuffled)
    stepwise = People(set(straight.numbers))
    for each in said:
        merge = each if isinstance(each, Merge) else None
        stepwise.take([each] if isinstance(each, NumbersStatement) else [], merge)
    for number in straight.numbers:
        patient = straight.resolve(number)
        assert straight.pointer(patient) is None
        assert number in straight.members(patient)
        assert (crooked.resolve(number), stepwise.resolve(number)) == (patient, patient)
    assert straight.disputed == crooked.disputed == stepwise.disputed
    assert straight.refused == crooked.refused == stepwise.refused
    event("disputed" if straight.disputed else "agreed")
    event("refused" if straight.refused else "followed")

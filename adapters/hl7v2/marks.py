"""Reads which ward a message marks or unmarks, by the rules of the feed's profile.

Invariant: the first field that counts and names a ward, or is cleared, decides. A field that holds a
time, or a place without a ward, names none: the next may, but not a ward of another hospital than that
place's. A later field that names a different ward is a warning. PV1-3 is where the patient is as long as
any other field names a ward, and no other word on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.common.patient_class import EVERYBODY
from adapters.common.text import TEXT_UNREADABLE
from adapters.common.ward import NAMES_A_WARD
from adapters.hl7v2.case import Case, WithheldError, says
from adapters.hl7v2.fields import Condition, FieldPath, condition, field_path
from adapters.hl7v2.limits import MAX_ALTERNATIVES
from adapters.hl7v2.location import NO_WARD, LocationReader
from adapters.hl7v2.reader import NULL, Segment
from adapters.hl7v2.rules import Choices, FieldChoice, MarkRule
from adapters.hl7v2.triggers import PLANS, TRIGGERS, VisitEvent
from schemas.observation import Location

_LIES: Final = "PV1-3"
_CLASS: Final = field_path("PV1-2")
_NAMES_A_WARD: Final = NAMES_A_WARD | {TEXT_UNREADABLE}

Found = tuple[FieldPath, Location | Trouble | None]
"""A filled field, and what it says."""


class Choice(NamedTuple):
    """A field, and the conditions under which it counts."""

    path: FieldPath
    conditions: tuple[Condition, ...]


def choices_of(fields: Sequence[FieldChoice], when: str | None = None) -> tuple[Choice, ...]:
    """Settings made ready."""
    return tuple(
        Choice(field_path(each.field), tuple(condition(text) for text in (when, each.when) if text))
        for each in fields
    )


class WardChoices:
    """Fields that may name a ward."""

    __slots__ = ("_choices", "_conditions", "_is_plain", "paths")

    def __init__(self, rule: Choices) -> None:
        self._choices = choices_of(rule.fields, rule.when)
        self._conditions = (condition(rule.when),) if rule.when else ()
        self.paths = tuple(choice.path for choice in self._choices)
        others = [path for path in self.paths if path.text != _LIES]
        self._is_plain = len(others) <= 1 and not any(c.conditions for c in self._choices)

    def applies(self, case: Case) -> bool | None:
        """Whether the rule's own condition holds somewhere; None where it has none."""
        if not self._conditions:
            return None
        return any(
            next(_segments(case, Choice(path, self._conditions)), None) is not None
            for path in self.paths
        )

    def read(self, case: Case, locations: LocationReader) -> Found | None:
        """What the first field says that names a ward or is cleared; where none does, the first filled one."""
        if self._is_plain:  # nearly always
            found = case.filled(self.paths)
            if found is None:
                return None
            said = locations.read(found[1], found[0], case)
            if not _is_nameless(said):
                return found[0], said
        filled = filled_of(case, self._choices)
        decides = first_that_names(filled, case, locations)
        if decides is not None and isinstance(decides[1], Location) and not self._is_plain:
            self._compare(case, locations, (decides[0], decides[1]), filled)
        return decides

    @staticmethod
    def _compare(
        case: Case,
        locations: LocationReader,
        first: tuple[FieldPath, Location],
        others: Iterator[tuple[FieldPath, Segment]],
    ) -> None:
        for path, segment in others:
            said = locations.read(segment, path, case) if path.text != _LIES else None
            differs = isinstance(said, Location) and said.ward != first[1].ward
            if differs or (isinstance(said, Trouble) and said.reason in _NAMES_A_WARD):
                detail = f"{first[0].text} and {path.text} name different wards: the first counts"
                case.warn("marks-disagree", detail, path.text)
                return


def filled_of(case: Case, choices: Sequence[Choice]) -> Iterator[tuple[FieldPath, Segment]]:
    """The fields that are filled and count, in order; of a segment that repeats each that counts."""
    for choice in choices:
        for segment in _segments(case, choice):
            if says(segment, choice.path):
                yield choice.path, segment


def first_that_names(
    filled: Iterator[tuple[FieldPath, Segment]], case: Case, locations: LocationReader
) -> Found | None:
    """The first field that names a ward or is cleared, else the first of all; those passed over are warnings."""
    passed: list[tuple[FieldPath, Trouble]] = []
    facilities: tuple[str, ...] = ()
    for path, segment in filled:
        said = locations.read(segment, path, case)
        if isinstance(said, Trouble) and _is_nameless(said):
            passed.append((path, said))
            facilities += locations.facilities(segment, path)
        elif isinstance(said, Location) and locations.is_elsewhere(said.ward, facilities):
            break
        else:
            case.warnings.extend(trouble for _, trouble in passed)
            return path, said
    return passed[0] if passed else None


def _is_nameless(said: Location | Trouble | None) -> bool:
    return isinstance(said, Trouble) and said.reason in NO_WARD


def _segments(case: Case, choice: Choice) -> Iterator[Segment]:
    name = choice.path.segment
    if not choice.conditions:
        yield case.message.first(name)
        return
    if case.message.count(name) > MAX_ALTERNATIVES:
        detail = (
            f"a `when` of the profile (`marks`, `cancels`) chooses among at most {MAX_ALTERNATIVES} segments of "
            "a name, and the message has more: have only those of this event sent"
        )
        raise WithheldError("segments-too-many", detail, name)
    for _, segment in case.message.sequence(name):
        if _counts(case, choice, segment):
            yield segment


def _counts(case: Case, choice: Choice, at: Segment) -> bool:
    def value_of(path: FieldPath) -> str:
        return _value(case, path, at)

    return all(each.holds(value_of) for each in choice.conditions)


def _value(case: Case, path: FieldPath, at: Segment) -> str:
    """What a field says: of the segment at hand, or of the first of another name."""
    segment = at if path.segment == at.fields[0] else case.message.first(path.segment)
    text = segment.first(path.field, path.component or 1)
    return "" if text == NULL else text


class MarkReader:
    """What one event marks."""

    __slots__ = ("_asks_class", "_event", "_rule", "_wards", "expected")

    def __init__(self, event: str, rule: MarkRule) -> None:
        self._event = event
        self._rule = rule
        self._asks_class = EVERYBODY not in rule.of_classes(event) or bool(rule.not_classes)
        self._wards = WardChoices(rule)
        self.expected = None if rule.expected is None else choices_of(rule.expected, rule.when)

    @property
    def paths(self) -> tuple[FieldPath, ...]:
        """Where the ward may stand."""
        return self._wards.paths

    def read(self, case: Case, locations: LocationReader) -> Found | None:
        """What it marks; None where no field that counts is filled."""
        return self._wards.read(case, locations)

    def takes(self, case: Case) -> bool:
        """Whether it designates a patient of this class; one that nobody knows, with a warning."""
        if not self._asks_class:
            return True
        code = case.text(_CLASS)
        takes = self._rule.takes(self._event, "" if code == NULL else code.upper())
        if takes is None:
            detail = "no code of table 0004: name it in the classes or not_classes of the profile's marks"
            case.warn("class-unknown", detail, _CLASS.text)
        return takes is not False


class PlanReaders:
    """What a correction marks that does not say of which event (no ZBE-6): of a plan, should it be one.

    PV1-3 is left out: whatever the event was, it is where the patient is.
    """

    def __init__(self, rules: Mapping[str, MarkRule]) -> None:
        kinds: dict[tuple[tuple[FieldChoice, ...], str | None], WardChoices] = {}
        for event, rule in rules.items():
            meaning = TRIGGERS[event]
            fields = tuple(each for each in rule.fields if each.field != _LIES)
            if isinstance(meaning, VisitEvent) and meaning.what in PLANS and fields:
                kinds[fields, rule.when] = WardChoices(Choices(fields=fields, when=rule.when))
        self._readers = tuple(kinds.values())

    def read(self, case: Case, locations: LocationReader) -> Found | None:
        """What it marks; None where no field is filled, a trouble where the plans' fields differ."""
        found = [each for reader in self._readers if (each := reader.read(case, locations))]
        if len(self._readers) > 1 and found:
            return found[0][0], _WHICH_PLAN
        return found[0] if found else None


_WHICH_PLAN: Final = Trouble(
    "historic-event-unreadable",
    "without ZBE-6 nothing tells which event is corrected, and the feed's plans name their ward in "
    "different fields (profile.marks): have ZBE-6 sent",
    "ZBE-6",
)


def names_no_ward(found: Found | None) -> bool:
    """Whether there is none to ask for: a code that nobody knows does name one."""
    said = found[1] if found else None
    return said is None or _is_nameless(said)


def unknown_ward(said: Location | Trouble | None) -> Trouble | None:
    """The trouble of a ward that is named and not known."""
    return said if isinstance(said, Trouble) and said.reason in _NAMES_A_WARD else None

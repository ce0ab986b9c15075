"""Settings of designation: which events mark, which fields name the ward, and under which conditions.

Source: HL7 v2.5.1 chapter 3 (A05, A14, A15; PV1-42 pending location). An A05 also books outpatients into a
clinic (``adapters.common.patient_class``); A14 and A15 tell of an admission and a transfer by themselves,
whatever class the patient has until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field, model_serializer, model_validator

from adapters.common.patient_class import EVERYBODY, LIES_ON_A_WARD, ClassCode, takes
from adapters.common.settings import OrNone, Section
from adapters.hl7v2.fields import ConditionText, FieldName
from adapters.hl7v2.triggers import TRIGGERS, VisitEvent
from schemas.observation import What

BOOKS_CLINICS_TOO: Final = frozenset({"A05"})
"""Events that designate by default only who can lie on a ward."""


def _visit_event(trigger: str) -> str:
    if isinstance(TRIGGERS.get(trigger), VisitEvent):
        return trigger
    raise ValueError(f"{trigger!r} is no event of a visit: write one like A14 or A08")


def _other_event(trigger: str) -> str:
    meaning = TRIGGERS[_visit_event(trigger)]
    if isinstance(meaning, VisitEvent) and meaning.what is What.PLAN_CANCELLED:
        raise ValueError(f"{trigger} takes a plan back anyway: say in cancels_name which ward")
    return trigger


Trigger = Annotated[str, AfterValidator(_visit_event)]
CancellingTrigger = Annotated[str, AfterValidator(_other_event)]


class FieldChoice(Section):
    """A field, and when it counts. Short for one that always does: its name alone."""

    in_words: ClassVar[str] = 'a field, or `{ field = "ZTR-2", when = \'ZTR-3 = "A"\' }`'

    field: FieldName = Field(description="where it stands: PV1-42, or ZVG-3.1 for a component")
    when: OrNone[ConditionText] = Field(
        None, description="a condition, such as 'ZTR-3 = \"A\"', under which it counts"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        return {"field": given} if isinstance(given, str) else given

    @model_serializer(mode="plain")
    def _as_written(self) -> str | dict[str, str]:
        return self.field if self.when is None else {"field": self.field, "when": self.when}


class Choices(Section):
    """Fields in order, of which the first that is filled counts, and when they count at all."""

    fields: tuple[FieldChoice, ...] = Field(
        min_length=1, description="where the ward stands, in order: the first that is filled"
    )
    when: OrNone[ConditionText] = Field(
        None,
        description='a condition on the message, such as `\'ZTR-3 = "A"\'`: `!=` for another value, `"A" or '
        '"B"` for several, `and` between conditions, `""` for an empty field. Of a segment that repeats, '
        "the first for which it holds is read",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        if isinstance(given, str | list | tuple):
            return {"fields": [given] if isinstance(given, str) else given}
        return given

    @model_serializer(mode="wrap")
    def _as_written(self, handler: Any) -> Any:  # noqa: ANN401 - pydantic's own handler
        whole = {name: value for name, value in handler(self).items() if value}
        return whole["fields"] if whole.keys() == {"fields"} else whole


class MarkRule(Choices):
    """How an event designates. Short for one with `fields` alone: their list, as `A15 = ["PV1-42"]`.

    A patient without a class is designated in any case, one with a class that neither a list here nor
    table 0004 has with a warning. Of two fields that name different wards the first counts, with a warning;
    PV1-3 is where the patient is as long as another field is filled.
    """

    in_words: ClassVar[str] = "table of a list of fields, or of a table"
    has_table: ClassVar[bool] = True

    classes: OrNone[tuple[ClassCode, ...]] = Field(
        None,
        min_length=1,
        description="PV1-2 of whom it designates (table 0004), `*`: everybody. Without it A05 "
        f"designates those of {', '.join(LIES_ON_A_WARD)}, any other event everybody",
    )
    not_classes: tuple[ClassCode, ...] = Field(
        (), description="PV1-2 of whom it does not, besides: codes of your own"
    )
    expected: OrNone[tuple[FieldChoice, ...]] = Field(
        None, description="where the expected time stands, instead of the event's own fields"
    )

    def takes(self, event: str, code: str) -> bool | None:
        """Whether the event designates a patient of a class (in capitals); None where nobody says."""
        return takes(code, self.of_classes(event), self.not_classes)

    def of_classes(self, event: str) -> tuple[str, ...]:
        """The classes that it designates."""
        if self.classes is not None:
            return self.classes
        return LIES_ON_A_WARD if event in BOOKS_CLINICS_TOO else (EVERYBODY,)


class CancelRule(Choices):
    """How an event takes a plan back: the ward's fields, and when. Short: a list of fields.

    It cancels the ward in the first field that is filled; with a `when` that holds and no field filled,
    whichever is marked.
    """

    in_words: ClassVar[str] = "table of a list of fields, or of a table"
    has_table: ClassVar[bool] = True


def in_words(marks: Mapping[str, MarkRule]) -> str:
    """Which events designate whom."""
    if not marks:
        return "no event designates"
    return f"designate: {'; '.join(_event_in_words(*each) for each in marks.items())}"


def _event_in_words(event: str, rule: MarkRule) -> str:
    classes = rule.of_classes(event)
    whom = "any class" if EVERYBODY in classes else f"class {', '.join(classes)} or none"
    but = f" but {', '.join(rule.not_classes)}" if rule.not_classes else ""
    return f"{event} ({whom}{but})"


DEFAULT_MARKS: Final[Mapping[str, MarkRule]] = {
    "A05": MarkRule.model_validate(("PV1-42", "PV1-3")),
    "A14": MarkRule.model_validate(("PV1-42", "PV1-3")),
    "A15": MarkRule.model_validate(("PV1-42",)),
}
DEFAULT_CANCELS_NAME: Final = tuple(map(FieldChoice.model_validate, ("PV1-42", "PV2-1")))

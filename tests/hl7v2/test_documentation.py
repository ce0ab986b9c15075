"""The page about HL7 says what the tables and the code say.

``python -m tests.hl7v2.test_documentation`` writes its table of events anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from adapters.common.outcome import ACCEPTED_WHOLE
from adapters.hl7v2 import errors, triggers
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.rules import DEFAULT_CANCELS_NAME, DEFAULT_MARKS, FieldChoice
from adapters.hl7v2.triggers import Later, Meaning, PersonEvent, Unconcerned, VisitEvent
from schemas.identifiers import CENTURY_MISSING, CHECK_DIGIT_OVER_12
from schemas.observation import What

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "hl7-messages.md"
_EVENTS: Final = re.compile(r"(?s)(?<=test_documentation.py -->\n).*?(?=<!-- /events -->)")
_CODE: Final = re.compile(r'"([a-z0-9]+(?:-[a-z0-9]+)+)"')
_NO_REASONS: Final = {
    "as-asked", "iso8859-1", "iso8859-15", "latin-1", "utf-8", "utf-16-le", "utf-16-be",
}  # fmt: skip
_ONE_WORD: Final = {"links", "query"}
_FILES: Final = (
    *sorted(Path(errors.__file__).parent.glob("*.py")),
    *(
        ROOT / "adapters/common" / name
        for name in ("identity.py", "stamp.py", "text.py", "ward.py")
    ),
)


def _names(fields: Iterable[FieldChoice]) -> tuple[str, ...]:
    return tuple(each.field for each in fields)


def _fields(names: tuple[str, ...]) -> str:
    return ", else ".join(names)


def _row(event: str, meaning: Meaning) -> str:
    match meaning:
        case VisitEvent():
            return f"| {event} | {meaning.what.value} | {_asks(event, meaning) or '–'} |"
        case PersonEvent(what):
            asked = "PID-3, MRG-1" if what is What.PATIENTS_MERGED else "PID-3; protection: PD1-12"
            return f"| {event} | {what.value} | {asked} |"
        case Later(reason, _):
            return f"| {event} | review: {reason} | – |"
        case Unconcerned(reason, _):
            return f"| {event} | ignored: {reason} | – |"


def _asks(event: str, meaning: VisitEvent) -> str:
    asked = {
        "marks": _names(DEFAULT_MARKS[event].fields) if event in DEFAULT_MARKS else (),
        "cancels": _names(DEFAULT_CANCELS_NAME) if meaning.what is What.PLAN_CANCELLED else (),
        "for a while": meaning.temporary,
        "place": meaning.place,
        "expected": meaning.expected,
        "planned discharge": meaning.planned_discharge,
    }
    return "; ".join(f"{name}: {_fields(fields)}" for name, fields in asked.items() if fields)


def _events() -> str:
    rows = [_row(event, meaning) for event, meaning in triggers.TRIGGERS.items()]
    return "\n".join(("| event | is | asks |", "|---|---|---|", *rows, ""))


def _page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_table_of_events_is_the_trigger_table() -> None:
    found = _EVENTS.search(_page())
    assert found is not None
    assert found[0] == _events()


def test_every_reason_is_explained_and_every_explained_reason_exists() -> None:
    sources = (path.read_text(encoding="utf-8") for path in _FILES)
    in_code = {code for source in sources for code in _CODE.findall(source)} - _NO_REASONS
    in_code |= _ONE_WORD | {CENTURY_MISSING, CHECK_DIGIT_OVER_12}
    in_code -= {ACCEPTED_WHOLE}
    table = _page().partition("## Reasons")[2].partition("## Assumptions")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)`", table, re.MULTILINE)) == in_code


def test_every_profile_key_that_the_page_names_exists() -> None:
    keys = set(Hl7Profile.model_fields)
    assert {"marks", "cancels_name", "updates_move", "visit", "zone", "future_s"} <= keys
    assert all(f"`{key}`" in _page() for key in ("marks", "cancels_name", "updates_move"))


def main() -> None:
    PAGE.write_text(_EVENTS.sub(lambda _: _events(), _page()), encoding="utf-8")


if __name__ == "__main__":
    main()

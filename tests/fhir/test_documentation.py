"""The page about FHIR says what the tables and the code say.

``python -m tests.fhir.test_documentation`` writes its table of statuses anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from adapters.common.outcome import ACCEPTED_WHOLE
from adapters.fhir import refusal
from adapters.fhir.edition import R4, R5, Meaning
from adapters.fhir.profile import FhirProfile
from adapters.fhir.refusal import ANSWERS, answer_to
from schemas.identifiers import CENTURY_MISSING, CHECK_DIGIT_OVER_12

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "fhir-encounters.md"
_STATUSES: Final = re.compile(r"(?s)(?<=test_documentation.py -->\n).*?(?=<!-- /statuses -->)")
_ROW: Final = re.compile(r"^\| `([a-z0-9-]+)` \| ([^|]*) \|", re.MULTILINE)
_CODE: Final = re.compile(r"""(?:RefusedError|Trouble|_at_the_door|ignored)\(\s*"([a-z0-9-]+)\"""")
_CONSTANT: Final = re.compile(
    r'(?:(?:WARD|LOCATION)_[A-Z]+: Final = |[A-Z]+_UNREADABLE: Final = |yield |return |reason = )"([a-z0-9-]+-[a-z0-9-]+)"'
)
_FILES: Final = (
    *sorted(Path(refusal.__file__).parent.glob("*.py")),
    *(ROOT / "adapters/common" / name for name in ("identity.py", "stamp.py", "ward.py")),
    ROOT / "wardbridge/ingest/fhir.py",
)


def _is(meaning: Meaning) -> str:
    return f"{meaning.what.value}{', on leave' if meaning.on_leave else ''}"


def _statuses() -> str:
    rows = [
        f"| {name} | {status} | {_is(meaning)} |"
        for name, edition in (("R4, R4B", R4), ("R5", R5))
        for status, meaning in edition.statuses.items()
    ]
    return "\n".join(("| edition | status | is |", "|---|---|---|", *rows, ""))


def _page() -> str:
    return PAGE.read_text(encoding="utf-8")


def _reasons() -> dict[str, str]:
    table = _page().partition("## Reasons")[2].partition("## Assumptions")[0]
    return dict(_ROW.findall(table))


def test_the_table_of_statuses_is_that_of_the_editions() -> None:
    found = _STATUSES.search(_page())
    assert found is not None
    assert found[0] == _statuses()


def test_every_reason_is_explained_and_every_explained_reason_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in _FILES]
    in_code = {code for text in texts for code in _CODE.findall(text) + _CONSTANT.findall(text)}
    in_code |= ANSWERS.keys() | {CENTURY_MISSING, CHECK_DIGIT_OVER_12}
    assert _reasons().keys() == in_code - {ACCEPTED_WHOLE}


def test_each_reason_is_answered_with_the_status_that_the_page_says() -> None:
    said = {reason: re.findall(r"\b[45]\d\d\b", where) for reason, where in _reasons().items()}
    wrong = {
        reason: codes
        for reason, codes in said.items()
        if codes and codes != [str(answer_to(reason).status)]
    }
    assert wrong == {}
    assert sum(map(bool, said.values())) > 30


def test_every_profile_key_that_the_page_names_exists() -> None:
    keys = set(FhirProfile.model_fields)
    named = {"claims", "check", "edition", "reserved_marks", "unversioned", "visit", "protection"}
    assert named <= keys
    assert all(f"`{key}" in _page() for key in named)


def main() -> None:
    PAGE.write_text(_STATUSES.sub(lambda _: _statuses(), _page()), encoding="utf-8")


if __name__ == "__main__":
    main()

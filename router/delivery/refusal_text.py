"""Extracts the reason that a receiver gave for a refusal, without patient data. Pure.

Invariant: nothing of a patient comes through, whatever the receiver quotes: of its text only words of a fixed
vocabulary and references to fields are kept, what stands between becomes an ellipsis, and codes are named by
their tables. A number is never kept.

Sources: HL7 v2.5.1, section 2.16.5 (ERR) and table 0357; version 2.4 and older, ERR-1; RFC 9457 (problem
details); http://hl7.org/fhir/R4/operationoutcome.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

LONGEST: Final = 160
BODY_BYTES: Final = 8_192
"""Of an answer that is looked at: a problem is short."""
MAX_ISSUES: Final = 3
"""Of an OperationOutcome that a receiver answers: the first ones say what is wrong."""

ELLIPSIS: Final = "…"

_WORDS: Final = frozenset(
    """
    a absent accept accepted access account ack acknowledgment action admission admit admitted allowed already
    an and any application are array as assigned assigner at authentication authorisation authority authorization
    available backend bad be bed been before being body boolean bundle busy by cancel cancelled cannot cardinality
    character characters charset class client closed code coded conflict connection constraint contact content could
    data database date day deadlock denied department detected did discharged does down duplicate element
    empty encoding encounter endpoint entity entry error errors event exceeded exception exists expected expired extension
    facility failed failure fatal field fields for forbidden format found from full future gateway handler header hospital
    id identifier identifiers identity illegal in inactive inpatient input instance insufficient interface internal
    invalid is issue it job key known last length limit list location locked long maintenance malformed many
    mandatory match maximum media merged message method missing more moved must name namespace no not null number object of
    offline on only open operation or order organization out outside parameter parse parser parsing password
    past patient payload pending permission person please point present problem processing processed profile property provider
    queue rate read receive received receiving record reference refused register registered rejected reject request
    required resource response restricted retry room rule schema search segment segments sender sending sequence
    server service set severity short signature signed size space specified stale start state status string
    structure subject subscription supported syntax system table temporarily temporary text than the this time
    timeout timestamp to token too transaction transfer trigger type unable unauthorized unavailable unexpected
    unit unknown unprocessable unsupported until update url user valid validation value version visit ward was
    when with without wrong
    accepteras adress angiven antal avdelning avslagen avvisad behörighet databas datum efter ej enhet fel felaktig
    finns fält före för försök händelse identitet igen inte internt kan klinik kod kunde mottagare något obligatoriskt
    ogiltig ogiltigt okänd okänt patienten plats post redan registrerad saknar saknas segmentet skapas
    stängd stöds säng tid tillfälligt typ uppdatering vårdkontakt vårdplats är
    """.split()  # noqa: SIM905 - to be read by people
)
_SEGMENTS: Final = frozenset({"MSH", "EVN", "PID", "PD1", "PV1", "PV2", "NCK", "MSA", "ERR"})
_KEPT_AS_IT_IS: Final = frozenset(
    {"ADT", "FHIR", "HL7", "HTTP", "JSON", "MLLP", "NMD", "TLS", "URL", "UTF"}
)
_FIELD: Final = re.compile(r"(?:MSH|EVN|PID|PD1|PV1|PV2|NCK)(?:[-.]\d{1,2}){1,3}")
_EVENT: Final = re.compile(r"(?:ADT|NMD)(?:[\^_](?:A\d\d|N\d\d)){1,2}")
_APART: Final = re.compile(r"[\s,;:!?()\[\]{}<>'\"„“”’/\\|=]+")
_PARTS: Final = re.compile(r"[-._]|(?<=[a-z])(?=[A-Z])")
_SIGNS_AROUND: Final = ".-_"
_TABLE_0357: Final[Mapping[str, str]] = {
    "100": "segment sequence error", "101": "required field missing", "102": "data type error",
    "103": "table value not found", "104": "value too long", "198": "non-conformant cardinality",
    "199": "other HL7 error", "200": "unsupported message type", "201": "unsupported event code",
    "202": "unsupported processing id", "203": "unsupported version id",
    "204": "unknown key identifier", "205": "duplicate key identifier",
    "206": "application record locked", "207": "application internal error",
}  # fmt: skip
_ISSUE_CODES: Final = frozenset(
    """invalid structure required value invariant security login unknown expired forbidden suppressed processing
    not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly
    business-rule conflict transient lock-error no-store exception timeout incomplete throttled
    informational""".split()  # noqa: SIM905 - likewise
)
"""http://hl7.org/fhir/R4/valueset-issue-type.html"""

Json = dict[str, Any]


def words_of(text: str) -> str:
    """The part of a text that cannot be about anybody; empty where nothing of it is kept."""
    kept: list[str] = []
    for token in _APART.split(text[: 10 * LONGEST]):
        word = token.strip(_SIGNS_AROUND)
        if _is_kept(word):
            kept.append(word)
        elif word and kept[-1:] != [ELLIPSIS]:
            kept.append(ELLIPSIS)
    return _short(" ".join(kept)) if set(kept) - {ELLIPSIS} else ""


def _is_kept(word: str) -> bool:
    parts = _PARTS.split(word)  # of a path, of a name in camel case
    is_reference = _FIELD.fullmatch(word) or _EVENT.fullmatch(word)
    is_of_words = all(part.lower() in _WORDS for part in parts)
    return bool(is_reference) or word in _SEGMENTS | _KEPT_AS_IT_IS or is_of_words


def of_acknowledgement(fields_of: Iterable[Sequence[str]]) -> str:
    """What MSA-3 and the ERR segments of an answer say, of which the fields of each segment are given."""
    return _joined(part for fields in fields_of for part in _of_segment(fields))


def _of_segment(fields: Sequence[str]) -> Iterator[str]:
    def field(number: int) -> str:
        return fields[number] if len(fields) > number else ""

    if fields[0] == "MSA":
        yield words_of(field(3))
    elif fields[0] == "ERR":
        located = _located(field(2)) or _located(field(1))
        code = field(3).partition("^")[0] or _last_component(field(1)).partition("&")[0]
        yield f"{_TABLE_0357.get(code.strip(), '')} {located}".strip()
        yield from (words_of(field(number).replace("^", " ")) for number in (5, 7, 8))


def _last_component(text: str) -> str:
    """Of ELD, which HL7 before 2.5 has in ERR-1: segment, sequence, field, code."""
    parts = text.split("^")
    return parts[3] if len(parts) > 3 else ""  # noqa: PLR2004 - the fourth


def _located(text: str) -> str:
    """ERL or ELD: segment, sequence, field; as people write it."""
    segment, _, rest = text.partition("^")
    number = rest.split("^")[1:2]
    if segment not in _SEGMENTS:
        return ""
    is_field = number and number[0].isascii() and number[0].isdigit() and len(number[0]) < 3  # noqa: PLR2004 - digits
    return f"at {segment}-{number[0]}" if is_field else f"at {segment}"


def of_body(content_type: str, body: bytes) -> str:
    """What the body of an HTTP answer says: a problem, an OperationOutcome, a plain text."""
    media_type = content_type.partition(";")[0].strip().lower()
    text = body[:BODY_BYTES].decode("utf-8", "replace")
    if media_type == "text/plain":
        return words_of(text)
    if not (media_type.endswith(("/json", "+json"))):
        return ""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return _joined(_of_json(said)) if isinstance(said, dict) else ""


def _of_json(said: Json) -> Iterator[str]:
    if said.get("resourceType") == "OperationOutcome":
        issues = said.get("issue")
        for issue in issues[:MAX_ISSUES] if isinstance(issues, list) else ():
            yield from _of_issue(issue) if isinstance(issue, dict) else ()
        return
    kind = said.get("type")
    if isinstance(kind, str):
        yield words_of(re.sub(r"[-_]", " ", kind.rstrip("/").rpartition("/")[2].rpartition(":")[2]))
    for name in ("title", "detail", "error", "error_description", "message", "reason", "code"):
        yield from (words_of(said[name]),) if isinstance(said.get(name), str) else ()


def _of_issue(issue: Json) -> Iterator[str]:
    code = issue.get("code")
    if isinstance(code, str) and code in _ISSUE_CODES:
        yield code
    details = issue.get("details")
    texts = [issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None]
    for name in ("expression", "location"):
        texts += issue[name][:1] if isinstance(issue.get(name), list) else []
    yield from (words_of(text) for text in texts if isinstance(text, str))


def _joined(parts: Iterable[str]) -> str:
    """Each once, in order."""
    return _short("; ".join(dict.fromkeys(part for part in parts if part)))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + ELLIPSIS

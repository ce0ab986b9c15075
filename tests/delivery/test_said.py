"""What a receiver says of its refusal is shown, and nothing of a patient whatever it quotes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.channel import AttemptResult
from router.delivery.channels.mllp import verdict_of
from router.delivery.refusal_text import BODY_BYTES, LONGEST, of_body, words_of
from tests.delivery.test_webhook import attempt
from tests.support.receiver import Handler, HttpReceiver

QUOTED = [
    "Tolvan",
    "Testsson",
    "191212121212",
    "19121212-1212",
    "V4711",
    "4711",
    "tolvan@example.com",
]
"""What a receiver may quote of whom the notice is about, or of somebody else."""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Unknown patient Tolvan Testsson (191212-1212)", "Unknown patient …"),
        ("PV1-42: ward not found: NORR-MED", "PV1-42 ward not found …"),
        ("Required field missing: PID.3.1", "Required field missing PID.3.1"),
        ("ADT^A14 is not supported by this application", "ADT^A14 is not supported by this application"),
        ("Encounter.serviceProvider is required", "Encounter.serviceProvider is required"),
        ("Okänd vårdplats 7:2", "Okänd vårdplats …"),
        ("Patienten Tolvan finns redan", "Patienten … finns redan"),
        ("java.lang.NullPointerException at com.ehr.Tolvan.visit(Tolvan.java:4711)", "… at …"),
        ("Tolvan Testsson", ""), ("4711", ""), ("", ""), ("… … …", ""),
        ("not found " * 100, "not found " * 15 + "not found…"),
    ],
)  # fmt: skip
def test_of_a_text_known_words_and_fields_are_kept(text: str, kept: str) -> None:
    assert words_of(text) == kept


@given(
    st.lists(st.sampled_from([*QUOTED, "patient", "not", "found", ",", ":", "PV1-42"])).map(
        " ".join
    )
    | st.text()
)
def test_nothing_but_these_is_kept_whatever_the_text(text: str) -> None:
    found = words_of(text)
    assert not any(quoted in found for quoted in QUOTED)
    assert not re.search(r"\d{3}", found)
    assert len(found) <= LONGEST
    assert (
        words_of(found.replace("…", " "))
        == found.replace("… ", "").replace(" …", "").replace("…", "")
        or "…" in found
    )


def acknowledged(*segments: str, code: str = "AE") -> str:
    text = "\r".join(("MSH|^~\\&|A", f"MSA|{code}|7.x|Patient Tolvan Testsson unknown", *segments))
    answer = verdict_of(f"{text}\r\x1c".encode(), "7.x")
    assert answer is not None
    assert answer.refusal == f"answered {code}"
    return answer.said


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ("ERR||PV1^1^42^1^1|103^Table value not found^HL70357|E|||NORR-MED unknown ward",
         "Patient … unknown; table value not found at PV1-42; … unknown ward"),
        ("ERR||PID^1^3|204|E|UNKNOWN^Unknown identifier 191212121212",
         "Patient … unknown; unknown key identifier at PID-3; UNKNOWN Unknown identifier …"),
        ("ERR|PV1^1^3^101&Required field missing", "Patient … unknown; required field missing at PV1-3"),
        ("ERR||Testsson^1^191212|4711|E|||Tolvan", "Patient … unknown"),
        ("ERR||PV1^1^191212121212", "Patient … unknown; at PV1"),
        ("ERR", "Patient … unknown"), ("ERR|||", "Patient … unknown"), ("ERR|^^^^&&&|^^^", "Patient … unknown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_err_and_msa_3_say_why(segment: str, said: str, code: str) -> None:
    assert acknowledged(segment, code=code) == said


def test_what_is_taken_needs_no_reason() -> None:
    frame = b"MSH|^~\\&|A\rMSA|AA|7.x|Patient unknown\r\x1c"
    assert verdict_of(frame, "7.x") == AttemptResult()


PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        (PROBLEM, {"type": "https://r.example/problems/unknown-ward", "title": "The ward is unknown", "status": 422,
                   "detail": "NORR-MED is not known, for Tolvan Testsson", "instance": "/notices/4711"},
         "unknown ward; The ward is unknown; … is not known for …"),
        (PROBLEM, {"type": "about:blank", "title": "Not Found"}, "Not Found"),
        ("application/json; charset=utf-8", {"error": "invalid_token", "error_description": "Token expired"},
         "invalid_token; Token expired"),
        ("application/json", {"message": {"patient": "Tolvan"}, "code": 4711}, ""),
        ("application/fhir+json", {"resourceType": "OperationOutcome", "issue": [
            {"severity": "error", "code": "not-found", "diagnostics": "Patient Tolvan unknown",
             "expression": ["Bundle.entry[1].resource"]}, {"code": "Testsson"}, 7]},
         "not-found; Patient … unknown; Bundle.entry … resource"),
        ("application/fhir+json", {"resourceType": "OperationOutcome", "issue": "Tolvan"}, ""),
        ("application/json", ["unknown"], ""), ("application/json", "unknown", ""),
        ("text/html", "<h1>Internal server error</h1>", ""),
        ("", {"title": "unknown"}, ""),
    ],
)  # fmt: skip
def test_a_body_that_tells_a_problem_says_why(content_type: str, body: object, said: str) -> None:
    assert of_body(content_type, json.dumps(body).encode()) == said


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * BODY_BYTES, b'{"title": "unk' + b"x" * BODY_BYTES]
)
def test_a_body_that_cannot_be_read_says_nothing(body: bytes) -> None:
    assert of_body(PROBLEM, body) == ""


def test_a_text_is_one_too() -> None:
    assert of_body("text/plain", b"queue full: Tolvan waits") == "queue full …"


def test_it_goes_with_the_answer_of_an_attempt() -> None:
    body = json.dumps({"title": "Unknown ward", "detail": "Tolvan Testsson"}).encode()

    def refusing(handler: Handler) -> None:
        handler.send_response(422)
        handler.send_header("Content-Type", PROBLEM)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with HttpReceiver(lambda _: refusing) as receiver:
        answer = attempt(receiver.url)
    assert (answer.refusal, answer.said) == ("answered 422", "Unknown ward")
    assert answer.reason == "answered 422: Unknown ward"

"""A receiver that follows a script and tells what comes, one JSON object a line, nothing of a patient in it."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from router.delivery.signature import signed
from wardbridge.simulate import messages, posts
from wardbridge.simulate.listening import Listening
from wardbridge.simulate.messages import LabReceiver, ReceivedMessage
from wardbridge.simulate.noticing import Noticed, SeenNotice, of_message, of_post
from wardbridge.simulate.posts import Call, HttpReceiver
from wardbridge.simulate.script import HTTP_WORDS, MLLP_WORDS, OK, ScriptStep, steps_of

UNSIGNED: Final = "wrong signature"
PROBLEM: Final = json.dumps({"title": "Refused", "detail": "the receiver refused this"}).encode()
ERR: Final = "ERR||PV1^1^42|207^Application internal error^HL70357|E|||the receiver refused this"
_POSTS: Final[Mapping[str, posts.Behaviour]] = {
    OK: posts.answering(HTTPStatus.NO_CONTENT), "hang": posts.hanging, "drip": posts.dripping,
    "close": posts.resetting,
}  # fmt: skip
_MESSAGES: Final[Mapping[str, messages.Behaviour]] = {
    OK: messages.accepting, "hang": messages.hanging, "drip": messages.dripping,
    "close": messages.resetting, "other": messages.mistaking, "flood": messages.flooding,
}  # fmt: skip


class Protocol(StrEnum):
    """What it is sent."""

    WEBHOOK = "webhook"
    FHIR = "fhir"
    MLLP = "mllp"


class PlayedPart(NamedTuple):
    """What it plays."""

    protocol: Protocol
    script: str = ""
    ward: str = ""
    """Of whose notices the script is; those of others are taken."""
    keys: Sequence[bytes] = ()
    """Any of which must have signed."""
    host: str = "127.0.0.1"
    port: int = 0


class Playing:
    """Follows a script, and tells each line to ``say``. From any thread."""

    def __init__(self, part: PlayedPart, say: Callable[[str], None]) -> None:
        """Raises ValueError where the script is none."""
        is_mllp = part.protocol is Protocol.MLLP
        words = MLLP_WORDS if is_mllp else HTTP_WORDS
        self.noticed = Noticed()
        self._part = part
        self._say = say
        self._steps = steps_of(part.script, words, with_status=not is_mllp)
        self._lock = threading.Lock()

    def receiver(self) -> Listening[Any, Any]:
        """Listens once it is entered. Raises OSError where it cannot."""
        host, port = self._part.host, self._part.port
        if self._part.protocol is Protocol.MLLP:
            return LabReceiver(self._hear, port, host)
        return HttpReceiver(self._post, port, host, keeps_tests_apart=False)

    def _post(self, call: Call) -> posts.Behaviour:
        if not _is_signed(self._part.keys, call):
            self._tell(SeenNotice(None, "", UNSIGNED), ScriptStep("401"))
            return posts.answering(HTTPStatus.UNAUTHORIZED)
        try:
            seen = of_post(call)
        except ValueError as error:
            self._tell(SeenNotice(None, "", str(error)), ScriptStep("400"))
            return posts.answering(HTTPStatus.BAD_REQUEST)
        step = self._step(seen)
        if step.status is None:
            return _POSTS[step.what]
        wait = {} if step.wait_s is None else {"Retry_After": str(step.wait_s)}
        body = b"" if _is_yes(step) else PROBLEM
        return posts.answering(step.status, body, Content_Type="application/problem+json", **wait)

    def _hear(self, heard: ReceivedMessage) -> messages.Behaviour:
        step = self._step(of_message(heard))
        if _is_yes(step):
            return _MESSAGES[OK]
        return _MESSAGES.get(step.what) or messages.answering(step.what, ERR)

    def _step(self, seen: SeenNotice) -> ScriptStep:
        with self._lock:
            is_scripted = seen.number is not None and self._part.ward in {"", seen.ward}
            step = next(self._steps) if is_scripted else ScriptStep(OK)
            self._tell(seen, step)
            if _is_yes(step):
                self.noticed.take(seen)
            return step

    def _tell(self, seen: SeenNotice, step: ScriptStep) -> None:
        line: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "number": seen.number,
            "what": seen.what, "ward": seen.ward or None, "id": seen.id or None, "answered": str(step),
            "repeated": self.noticed.is_repeated(seen) or None,
        }  # fmt: skip
        self._say(json.dumps({name: value for name, value in line.items() if value is not None}))

    def summary(self) -> str:
        """What was taken by now."""
        noticed = self.noticed
        return json.dumps({
            "taken": len(noticed.taken), "repeated": noticed.repeated, "missing": noticed.missing()
        })  # fmt: skip


def _is_yes(step: ScriptStep) -> bool:
    is_2xx = step.status is not None and step.status < HTTPStatus.MULTIPLE_CHOICES
    return step.what in {OK, "AA", "CA"} or is_2xx


def _is_signed(keys: Sequence[bytes], call: Call) -> bool:
    """Whether any of the keys signed it; where there are none nobody asks."""
    headers = call.headers
    given = headers.get("webhook-signature", "").split()
    return not keys or any(hmac.compare_digest(*pair) for pair in _pairs(keys, call, given))


def _pairs(
    keys: Sequence[bytes], call: Call, given: Sequence[str]
) -> Iterator[tuple[bytes, bytes]]:
    event, at = call.headers.get("webhook-id", ""), call.headers.get("webhook-timestamp", "")
    for key in keys if at.isascii() and at.isdecimal() else ():
        wanted = signed([key], event, int(at), call.body)["webhook-signature"].encode()
        yield from ((wanted, each.encode()) for each in given)

"""Checks the sender, its rate and its headers before a body is read. Pure.

Sources: RFC 6750 (bearer tokens); http://hl7.org/fhir/R4/http.html#mime-type, versioning#mt-version
(``fhirVersion``), http.html#ccreate (``If-None-Exist``); RFC 9110, section 13.1 (conditions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from adapters.common.tokens import Tokens, bearer_token
from adapters.fhir.answer import VERSIONS
from adapters.fhir.listener import Deed, Token
from adapters.fhir.names import EditionName
from adapters.fhir.refusal import CONDITION, ResourceRefusedError

READ_TYPES: Final = frozenset(
    f"{kind}{form}"
    for form in ("json", "xml")
    for kind in ("application/fhir+", "application/", "text/")
)
_CONDITIONS: Final = ("if-none-match", "if-none-exist", "if-modified-since")


class Senders:
    """Who may send to one feed, by token."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = Tokens((each.secret, each) for each in tokens)

    def refusal(self, authorizations: Sequence[str], deed: Deed | None) -> str | None:
        """Why the request may not be made: a reason, or None. Two tokens are none; so is no deed."""
        if deed is None:
            return "token-may-not"
        if not self._tokens:
            return None
        shown = bearer_token(authorizations[0]) if len(authorizations) == 1 else None
        token = None if shown is None else self._tokens.holder(shown)
        if token is None:
            return "token-missing"
        return None if deed in token.may else "token-may-not"


class Rate:
    """A bucket that fills with ``per_s`` requests a second and holds one second's worth."""

    def __init__(self, per_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._holds = max(per_s, 1.0)
        self._left = self._holds
        self._at = clock()

    def takes(self) -> bool:
        """Whether one more may come now."""
        now = self._clock()
        self._left = min(self._holds, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def retry_after_s(self) -> int:
        """After how many whole seconds one more may come."""
        return max(1, -int(-(1 - self._left) // self._per_s))


def refuse_unread_type(content_type: str, edition: EditionName) -> None:
    """Raises RefusedError unless the body is announced as JSON or XML in UTF-8, of the feed's edition."""
    kind, *parameters = (part.strip() for part in content_type.lower().split(";"))
    said = dict(part.partition("=")[::2] for part in parameters)
    if kind not in READ_TYPES or said.get("charset", "utf-8").strip('"') not in {"utf-8", "utf8"}:
        detail = "send application/fhir+json or application/fhir+xml in UTF-8"
        raise ResourceRefusedError("content-type-not-read", detail)
    version = said.get("fhirversion", "").strip('"')
    if version and not VERSIONS[edition].startswith(version):
        detail = f"this feed speaks {edition}; Content-Type announces another edition"
        raise ResourceRefusedError("other-fhir-version", detail)


def refuse_packed(content_encoding: str) -> None:
    """Raises RefusedError where the body is compressed."""
    if content_encoding.lower() not in {"", "identity"}:
        raise ResourceRefusedError(
            "content-type-not-read", "send it as it is, without Content-Encoding"
        )


def refuse_conditions(headers: Mapping[str, str]) -> None:
    """Raises RefusedError where the sender makes the update depend on what is there.

    ``If-Match`` depends on the body too: see ``adapters.fhir.request_checks``.
    """
    if any(name in headers for name in _CONDITIONS):
        raise ResourceRefusedError(*CONDITION)

"""Reads from a FHIR server, one resource or a search page by page, with retries.

Sources: http://hl7.org/fhir/R4/http.html#read, http.html#paging; RFC 9110, section 10.2.3
(``Retry-After``). Only addresses under the server's own base are asked: a link or a reference that
leads elsewhere would send our token there. Addresses are compared as addresses, not as texts.

Invariant: a search that fails amid its pages raises. What was found before is not all there is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urldefrag, urljoin

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from adapters.common.calls import (
    Call,
    HttpRequest,
    HttpResponse,
    NoAnswerError,
    TooLongError,
    whole,
)
from adapters.fhir.address import normal, parsed
from adapters.fhir.document import read
from adapters.fhir.element import Element, resource
from adapters.fhir.grant import BackendToken, GrantError
from adapters.fhir.large_bodies import aside
from adapters.fhir.limits import (
    MAX_BODY_BYTES,
    MAX_EMPTY_PAGES,
    MAX_LINK_CHARS,
    MAX_PAGES,
    MAX_SKIPPED_BYTES,
    MAX_WAIT_S,
)
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.remote import Remote
from adapters.fhir.server_time import time_of_search

_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_OURS: Final = 401
_GONE: Final = frozenset({404, 410})

Sleep = Callable[[float], Awaitable[None]]


class RemoteError(Exception):
    """The server's answer cannot be used; the text names its status, never its content."""


class TooMuchError(RemoteError):
    """More than a record of the log takes: a smaller page may do."""


class TryAgainError(RemoteError):
    """It may be another time, after as long as the server says."""

    def __init__(self, detail: str, after_s: float | None = None) -> None:
        super().__init__(detail)
        self.after_s = after_s


class ServerAnswer(NamedTuple):
    """What a server has given."""

    payload: bytes
    headers: Mapping[str, str]


class Page(NamedTuple):
    """A page of a search as it came, and when the server made the search, if it says so."""

    payload: bytes
    made_at: datetime | None


class FhirClient:
    """One server. ``sleep`` waits between tries."""

    def __init__(
        self, remote: Remote, call: Call, sleep: Sleep, grant: BackendToken | None = None
    ) -> None:
        self._remote = remote
        self._call = call
        self._sleep = sleep
        self._grant = grant
        self._base = remote.base_url.rstrip("/")
        self._ours = parsed(self._base)

    def address(self, reference: str) -> str | None:
        """The address of a relative or absolute reference; None where it leads elsewhere."""
        try:
            whole = urldefrag(urljoin(f"{self._base}/", reference)).url
        except ValueError:  # no address at all
            return None
        found = parsed(whole)
        is_ours = found is not None and self._ours is not None and found.is_under(self._ours)
        return whole if is_ours else None  # as it was given: a server may sign its links

    async def read(self, reference: str) -> bytes | None:
        """One resource as its bytes; None where there is none. Raises RemoteError."""
        address = self.address(reference)
        answer = None if address is None else await self._get(address)
        return None if answer is None else answer.payload

    async def search(self, query: str, page_size: int) -> AsyncIterator[Page]:
        """The pages of a search; one of a single resource also where it is more than a record takes.

        Raises RemoteError amid them where one cannot be had, TooMuchError where smaller ones may do.
        """
        separator = "&" if "?" in query else "?"
        address = self.address(f"{query}{separator}_count={page_size}")
        seen: set[bytes] = set()
        empty = 0
        while address is not None:
            mark = blake2b(normal(address).encode(), digest_size=16).digest()
            if mark in seen:
                raise RemoteError("the pages of a search lead in a circle")
            if len(seen) >= MAX_PAGES:
                raise RemoteError(f"a search has more than {MAX_PAGES} pages")
            seen.add(mark)
            page, bundle = await self._page(address, page_size, is_first=len(seen) == 1)
            empty = 0 if bundle.content.get("entry") else empty + 1
            if empty > MAX_EMPTY_PAGES:
                raise RemoteError(f"{MAX_EMPTY_PAGES} pages in a row are empty and name a next one")
            address = self._next_of(bundle)  # before it is used: a login page is no page
            yield page

    async def _page(self, address: str, page_size: int, *, is_first: bool) -> tuple[Page, Element]:
        """A page as it came, and read."""
        most_bytes = MAX_BODY_BYTES if page_size > 1 else MAX_SKIPPED_BYTES
        answer = await self._get(address, most_bytes)
        if answer is None:
            which = "the search" if is_first else "a page of the search"
            raise RemoteError(f"{which} is not there")
        try:
            bundle = resource(await aside(answer.payload, lambda: read(answer.payload)))
        except ResourceRefusedError as refused:
            raise RemoteError(f"no page of a search: {refused.trouble.reason}") from None
        if bundle.resource_type != "Bundle":
            raise RemoteError("the answer to a search is no Bundle")
        return Page(answer.payload, time_of_search(bundle, answer.headers)), bundle

    def _next_of(self, bundle: Element) -> str | None:
        try:
            links = [each for each in bundle.elements("link") if each.text("relation") == "next"]
            found = self.address(links[0].text("url", MAX_LINK_CHARS)) if links else ""
        except ResourceRefusedError as refused:
            raise RemoteError(f"no page of a search: {refused.trouble.reason}") from None
        if not links:
            return None
        if found is None:
            raise RemoteError("the next page lies on another server")
        return found

    async def _get(self, address: str, most_bytes: int = MAX_BODY_BYTES) -> ServerAnswer | None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((TryAgainError, NoAnswerError)),
            stop=stop_after_delay(self._remote.give_up_s),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._get_once, address, most_bytes)
        except (GrantError, NoAnswerError) as error:
            raise TryAgainError(str(error)) from None

    async def _get_once(self, address: str, most_bytes: int) -> ServerAnswer | None:
        async with self._call(HttpRequest(address, headers=await self._headers())) as response:
            return await self._content(response, most_bytes)

    async def _content(self, response: HttpResponse, most_bytes: int) -> ServerAnswer | None:
        if response.status in _GONE:
            return None
        if response.status == _NOT_OURS and self._grant is not None:
            self._grant.forget()
            raise TryAgainError("the token was not taken")
        if response.status in _TRY_AGAIN:
            raise TryAgainError(f"status {response.status}", _retry_after_s(response.headers))
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise RemoteError(f"status {response.status}")
        try:
            return ServerAnswer(await whole(response, most_bytes), response.headers)
        except TooLongError as error:
            raise TooMuchError(str(error)) from None

    async def _headers(self) -> dict[str, str]:
        # strict: an unknown search parameter must be refused, not passed over
        headers = {"Accept": "application/fhir+json", "Prefer": "handling=strict"}
        if self._grant is not None:
            headers["Authorization"] = f"Bearer {await self._grant.token()}"
        elif self._remote.token is not None:
            headers["Authorization"] = f"Bearer {self._remote.token.get_secret_value()}"
        return headers


def _pause(state: RetryCallState) -> float:
    """As long as the server says, else longer each time; never longer than the limit."""
    error = state.outcome.exception() if state.outcome else None
    said = error.after_s if isinstance(error, TryAgainError) else None
    pause = _BACKOFF(state) if said is None else said
    return min(pause, MAX_WAIT_S)


_BACKOFF: Final = wait_exponential_jitter(multiplier=0.5, max=MAX_WAIT_S)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds: a number, or a date beside the answer's own ``Date``."""
    said = headers.get("Retry-After", "")
    if said.isdecimal():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
        return max(0.0, (until - parsedate_to_datetime(headers["Date"])).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None

"""Routes of review: list, show, replay, resolve, discard (right ``operate``).

The bytes of an input are for those only who may inspect them, and only once that is noted; others see
where it failed, and its shape. What is done is noted before it is done, and is a record beside the item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Body, FastAPI, HTTPException, Query, Request
from starlette.requests import ClientDisconnect

from adapters.common.limits import BODY_BYTES
from bus.port import LogError
from schemas.audit import Action, Seen
from schemas.review import Deed
from wardbridge.api.gone import watched
from wardbridge.api.review_language import (
    Ended,
    Ending,
    ItemList,
    ItemShown,
    Listing,
    Replaying,
    ReplayReport,
    item_shown,
    page_of,
    place_of,
    report_of,
    seen_in,
    words_of,
)
from wardbridge.config.authorisation import NOBODY_ASKED, Reader
from wardbridge.reviewing.component import ReviewFollower
from wardbridge.reviewing.desk import Chosen, Desk, Replayed
from wardbridge.reviewing.planned import Cannot
from wardbridge.reviewing.replay import NobodyAsksError
from wardbridge.reviewing.selection import Filter, Selection
from wardbridge.security.audit import Trail
from wardbridge.security.authenticator import Asking

REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "no such item is kept"},
    413: {"description": f"the body has more than {BODY_BYTES} bytes"},
    422: {"description": "what is wrong, and where; nothing of what was sent is quoted"},
    503: {"description": "the log cannot be asked, or review is still read after a start"},
}
T = TypeVar("T")


class ReviewRoutes:
    """The routes under ``/v1/review``."""

    def __init__(self, desk: Desk, review: ReviewFollower, trail: Trail) -> None:
        self._desk = desk
        self._review = review
        self._trail = trail

    def add_to(self, app: FastAPI) -> None:
        """Add them."""
        add = app.add_api_route
        add("/v1/review", self.listed, methods=["GET"], responses=REFUSALS)
        add("/v1/review/items/{item:path}", self.shown, methods=["GET"], responses=REFUSALS)
        add("/v1/review/inputs/{item:path}", self.inspected, methods=["GET"], responses=REFUSALS)
        add("/v1/review/replay", self.replay, methods=["POST"], responses=REFUSALS)
        add("/v1/review/resolve", self.resolve, methods=["POST"], responses=REFUSALS)
        add("/v1/review/discard", self.discard, methods=["POST"], responses=REFUSALS)

    async def listed(self, wanted: Annotated[Listing, Query()], asking: Asking) -> ItemList:
        """What waits for a person, and what became of what waited; oldest first."""
        self._refuse_until_whole()
        await self._refuse_unknown(wanted)
        try:
            after = place_of(wanted.after) if wanted.after else None
        except ValueError:
            raise HTTPException(422, "after: it is `next` of a page before") from None
        await self._noted(asking, Action.REVIEW_LISTED, words_of(wanted))
        found = await _asked(self._desk.page, wanted, wanted.state, after, wanted.limit + 1)
        return page_of(found, wanted.limit)

    async def shown(self, item: str, asking: Asking) -> ItemShown:
        """One item: what was wrong, where in its input, of which the shape is shown, and what was done."""
        return await self._shown(item, asking, with_content=False)

    async def inspected(self, item: str, asking: Asking) -> ItemShown:
        """The same, with what the input says."""
        return await self._shown(item, asking, with_content=True)

    async def _shown(self, item: str, asking: Reader, *, with_content: bool) -> ItemShown:
        known = await _asked(self._desk.one, item)
        if known is None:
            raise HTTPException(404, f"there is no review item {item!r}")
        evidence = await _asked(self._desk.evidence, known.item)
        if isinstance(evidence, Cannot):
            await self._noted(asking, Action.REVIEW_READ, item)
            return item_shown(known, evidence.advice, with_content=False)
        seen = evidence.seen if with_content else ()
        action = Action.INPUT_READ if with_content else Action.REVIEW_READ
        await self._noted(asking, action, item, seen)
        return item_shown(known, evidence, with_content=with_content)

    async def replay(
        self, wanted: Annotated[Replaying, Body()], asking: Asking, request: Request
    ) -> ReplayReport:
        """Read kept inputs again by today's configuration. Wards are told what they were not told.

        Done twice, it tells nobody twice. Of exports the feed reads the file again. With `wait_s` it is answered
        when feeds and router have decided, or that time is over.
        """
        by = _person(asking, wanted.by)
        chosen = await self._chosen(wanted)
        if wanted.preview:
            report = report_of(await _held(self._previewed(chosen, by, request)))
            seen = seen_in(report.notices or ())
            await self._noted(asking, Action.PREVIEWED, words_of(wanted), seen)
            return report
        await self._noted(asking, Action.REPLAYED, words_of(wanted))
        return report_of(await _held(self._desk.replay(chosen, by, wanted.wait_s)))

    async def _previewed(self, chosen: Chosen, by: str, request: Request) -> Replayed:
        """For as long as whoever asked waits: thousands of inputs are read."""
        try:
            async with watched(request) as has_gone:
                return await self._desk.preview(chosen, by, has_gone)
        except NobodyAsksError:
            raise ClientDisconnect from None

    async def resolve(self, wanted: Annotated[Ending, Body()], asking: Asking) -> Ended:
        """Say that items have been dealt with otherwise: by telephone, by a message sent anew."""
        return await self._end(wanted, asking, "resolved", Action.RESOLVED)

    async def discard(self, wanted: Annotated[Ending, Body()], asking: Asking) -> Ended:
        """Say that items are of no concern: they stay ended, however often the same is said again."""
        return await self._end(wanted, asking, "discarded", Action.DISCARDED)

    async def _end(self, wanted: Ending, asking: Reader, deed: Deed, action: Action) -> Ended:
        by = _person(asking, wanted.by)
        chosen = await self._chosen(wanted)
        await self._noted(asking, action, words_of(wanted))
        await _held(self._desk.end(chosen, deed, by, wanted.because))
        return Ended(items=tuple(item.id for item in chosen.items), has_more=chosen.has_more)

    async def _chosen(self, wanted: Selection) -> Chosen:
        self._refuse_until_whole()
        await self._refuse_unknown(wanted)
        chosen = await _asked(self._desk.chosen, wanted)
        missing = set(wanted.ids) - {item.id for item in chosen.items}
        if missing:
            raise HTTPException(404, f"there is no review item {min(missing)!r}")
        return chosen

    async def _refuse_unknown(self, wanted: Filter) -> None:
        refusal = await _asked(self._desk.refusal, wanted)
        if refusal:
            raise HTTPException(422, refusal)

    def _refuse_until_whole(self) -> None:
        if not self._review.is_whole:
            raise HTTPException(503, "review is still read: ask again", {"Retry-After": "1"})

    async def _noted(
        self, asking: Reader, action: Action, about: str, seen: tuple[Seen, ...] = ()
    ) -> None:
        await _held(self._trail.did(asking, action, about, seen))


def _person(asking: Reader, said: str) -> str:
    """Who it is, by what they have shown; a token many share may say who holds it now."""
    said = said.strip()
    if asking.how == NOBODY_ASKED:
        if not said:
            raise HTTPException(422, "by: say who you are, for nobody is asked here")
        return said
    return f"{said} ({asking.name})" if said and asking.how != "oidc" else asking.name


async def _asked(ask: Callable[..., T], *of: object) -> T:
    """The log is read in a thread: it may be beyond a network."""
    return await _held(asyncio.to_thread(ask, *of))


async def _held(awaited: Awaitable[T]) -> T:
    try:
        return await awaited
    except LogError as error:
        raise HTTPException(503, f"the log: {error}") from None

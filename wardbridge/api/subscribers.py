"""Routes to pause, resume, skip, resend and test one subscriber (right ``operate``).

Answered by the service that sends to it; what was asked is in the log once it has been carried out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI, HTTPException, Path
from pydantic import Field

from bus.port import LogError
from router.delivery.history import send_again
from router.delivery.sender import Sender
from schemas.audit import Action
from schemas.base import Frozen
from wardbridge.api.view import View
from wardbridge.config.authorisation import Reader
from wardbridge.security.audit import Trail
from wardbridge.security.authenticator import Asking

KEPT_WITHIN_S: Final = 10.0
MAX_SEQUENCE: Final = 2**53
"""Of the number of a notice in a request: the largest that every reader of JSON holds (RFC 8259, section 6)."""

Sequence = Annotated[int, Path(ge=1, le=MAX_SEQUENCE)]
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "no such subscriber"},
    409: {"description": "it cannot be done now, `detail` says why"},
}
NOT_KEPT: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "no such subscriber, or the notice is no longer kept"},
    503: {"description": "the log cannot be asked"},
}


class Why(Frozen):
    """What the person says; kept with what was done."""

    reason: str = Field(min_length=1, max_length=500)


class Queued(Frozen):
    """A notice that is sent again."""

    subscriber: str
    sequence: int


class Asked(Frozen):
    """It is carried out at once, and kept."""

    subscriber: str


class Tested(Frozen):
    """What came of one attempt."""

    subscriber: str
    taken: bool
    refusal: str | None = Field(description="why it was not taken")
    status: int | None = Field(description="HTTP status, of a webhook that answered")
    seconds: float


def add_subscribers(app: FastAPI, view: View, trail: Trail) -> None:
    """Add the routes. Who asked is noted before it is done."""
    _add_resend(app, view, trail)
    _add_orders(app, view, trail)
    _add_test(app, view, trail)


def _add_resend(app: FastAPI, view: View, trail: Trail) -> None:
    @app.post("/v1/subscribers/{name}/deliveries/{sequence}", status_code=202, responses=NOT_KEPT)
    async def resend(name: str, sequence: Sequence, asking: Asking) -> Queued:
        """Send a notice again that has ended: the same id, number and notice."""
        _sender(view, name)
        await _noted(trail, asking, Action.SENT_AGAIN, f"{name}/{sequence}")
        try:
            queued = await asyncio.to_thread(send_again, view.log, name, sequence, sequence)
        except LogError as error:
            raise HTTPException(503, f"the log: {error}") from None
        if not queued.queued:
            raise HTTPException(404, f"no delivery {sequence} to {name!r} has ended, or it is gone")
        return Queued(subscriber=name, sequence=sequence)


def _add_orders(app: FastAPI, view: View, trail: Trail) -> None:
    async def ask(
        asking: Reader, action: Action, about: str, name: str, order: Callable[[Sender], None]
    ) -> Asked:
        sender = _sender(view, name)
        await _noted(trail, asking, action, about)
        try:
            order(sender)
            async with asyncio.timeout(KEPT_WITHIN_S):
                await view.keep_orders()
        except (LookupError, LogError) as error:
            raise HTTPException(409, f"{name}: {error}") from None
        except TimeoutError:
            raise HTTPException(503, "it is carried out, and not kept yet: ask again") from None
        return Asked(subscriber=name)

    @app.post(
        "/v1/subscribers/{name}/deliveries/{sequence}/skip", status_code=202, responses=REFUSALS
    )
    async def skip(
        name: str, sequence: Sequence, why: Annotated[Why, Body()], asking: Asking
    ) -> Asked:
        """Give up a notice that is being tried, so that the next ones of its ward go out."""
        about = f"{name}/{sequence}"
        return await ask(
            asking, Action.SKIPPED, about, name, lambda sender: sender.skip(sequence, why.reason)
        )

    @app.post("/v1/subscribers/{name}/pause", status_code=202, responses=REFUSALS)
    async def pause(name: str, why: Annotated[Why, Body()], asking: Asking) -> Asked:
        """Send nothing until resumed, also after a restart; notices wait."""
        return await ask(asking, Action.PAUSED, name, name, lambda sender: sender.pause(why.reason))

    @app.post("/v1/subscribers/{name}/resume", status_code=202, responses=REFUSALS)
    async def resume(name: str, asking: Asking) -> Asked:
        """Send again: after a pause, or after the endpoint said that it was gone."""
        return await ask(asking, Action.RESUMED, name, name, Sender.resume)


def _add_test(app: FastAPI, view: View, trail: Trail) -> None:
    @app.post("/v1/subscribers/{name}/test", responses={404: REFUSALS[404]})
    async def test(name: str, asking: Asking) -> Tested:
        """Send something that is about nobody, outside the sequence; once."""
        sender = _sender(view, name)
        await _noted(trail, asking, Action.TESTED, name)
        began_s = time.perf_counter()
        answer = await sender.test()
        return Tested(
            subscriber=name, taken=answer.refusal is None, refusal=answer.refusal,
            status=answer.status, seconds=round(time.perf_counter() - began_s, 3),
        )  # fmt: skip


async def _noted(trail: Trail, asking: Reader, action: Action, about: str) -> None:
    try:
        await trail.did(asking, action, about)
    except LogError as error:
        raise HTTPException(503, f"the log: {error}") from None


def _sender(view: View, name: str) -> Sender:
    found = view.senders.get(name)
    if found is None:
        raise HTTPException(404, f"there is no subscriber {name!r}")
    return found

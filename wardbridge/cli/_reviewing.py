"""How commands reach review: through the running service, or directly in the log if none runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlencode

import typer

from adapters.common.calls import NoAnswerError, NobodyThereError
from bus.port import Log, LogError
from schemas.audit import Action, Seen
from schemas.base import Frozen
from schemas.review import Deed
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
from wardbridge.cli._noted import Looking, who
from wardbridge.cli._shared import RunningService, installation, refuse, service_of
from wardbridge.config.models import Installation
from wardbridge.logstore.log import is_on_kafka, log_path, open_log, open_to_read
from wardbridge.net.calls import HttpAnswer
from wardbridge.reviewing.desk import Chosen, Desk, index_of
from wardbridge.reviewing.planned import Cannot
from wardbridge.reviewing.selection import Filter, Selection
from wardbridge.runtime.roles import utc_now

TIMEOUT_S: Final = 600.0
"""Ten thousand inputs are read in some minutes."""

Model = TypeVar("Model", bound=Frozen)
T = TypeVar("T")


class Way(Protocol):
    """How a command does what it is asked. It ends the command where that cannot be done."""

    def page(self, wanted: Listing) -> ItemList:
        """Some items."""
        ...

    def show(self, item: str, *, content: bool) -> ItemShown:
        """One item."""
        ...

    def replay(self, wanted: Replaying) -> ReplayReport:
        """Read inputs again."""
        ...

    def end(self, deed: Deed, wanted: Ending) -> Ended:
        """End items."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class ServiceAccess(NamedTuple):
    """What a command was given to find the service by."""

    config: Path
    data: Path
    port_offset: int = 0
    token_file: Path | None = None


def way_to(asked: ServiceAccess, *, writes: bool) -> Way:
    """The running service; where none answers the log, which is said."""
    found = installation(asked.config, asked.data)
    return _service(asked, found) or Here.opened(found, writes=writes)


def way_to_content(asked: ServiceAccess) -> Way:
    """The service for who shows it a token; who can read the log's own file need not be asked."""
    found = installation(asked.config, asked.data)
    through = _service(asked, found) if asked.token_file else None
    return through or Here.opened(found, writes=False)


def _service(asked: ServiceAccess, found: Installation) -> Through | None:
    service = service_of(found, asked.port_offset, asked.token_file)
    try:
        service.ask("GET", "/livez", within_s=10.0)
    except NobodyThereError:
        typer.echo(f"no service answers at {service.base}: {_shown(found)} is opened", err=True)
        return None
    except NoAnswerError as error:
        refuse(f"{service.base}: {error}")
    return Through(service)


def _shown(found: Installation) -> str:
    return "the log on Kafka" if is_on_kafka(found) else str(log_path(found.data))


class Through:
    """Through the running service, which notes who asks."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def page(self, wanted: Listing) -> ItemList:
        """Some items."""
        return self._asked(ItemList, "GET", f"?{urlencode(_said(wanted), doseq=True)}")

    def show(self, item: str, *, content: bool) -> ItemShown:
        """One item."""
        kind = "inputs" if content else "items"
        return self._asked(ItemShown, "GET", f"/{kind}/{quote(item, safe='')}")

    def replay(self, wanted: Replaying) -> ReplayReport:
        """Read inputs again."""
        return self._asked(ReplayReport, "POST", "/replay", _said(wanted))

    def end(self, deed: Deed, wanted: Ending) -> Ended:
        """End items."""
        return self._asked(Ended, "POST", f"/{_ROUTES[deed]}", _said(wanted))

    def close(self) -> None:
        """Nothing is held."""

    def _asked(
        self, model: type[Model], method: str, path: str, said: Mapping[str, Any] | None = None
    ) -> Model:
        try:
            answer = self._service.ask(method, f"/v1/review{path}", said, TIMEOUT_S)
        except NoAnswerError as error:
            refuse(f"{self._service.base}: {error}")
        if not answer.is_success:
            refuse(_refusal(answer))
        return model.model_validate_json(answer.body)


_ROUTES: Final[Mapping[Deed, str]] = {"resolved": "resolve", "discarded": "discard"}
_ACTIONS: Final[Mapping[Deed, Action]] = {
    "resolved": Action.RESOLVED, "discarded": Action.DISCARDED,
}  # fmt: skip


def _said(wanted: Frozen | Selection | Listing) -> dict[str, Any]:
    return wanted.model_dump(mode="json", exclude_defaults=True)


def _refusal(answer: HttpAnswer) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"the service answers {answer.status}"
    if isinstance(detail, list):
        return "; ".join(str(each.get("msg", each)) for each in detail)
    return str(detail)


class Here:
    """By the log itself, on this machine. Who asks is noted here."""

    def __init__(self, log: Log, found: Installation) -> None:
        self._log = log
        self._data = found.data
        self._desk = Desk(log, found, utc_now, index_of(log))

    @classmethod
    def opened(cls, found: Installation, *, writes: bool) -> Here:
        """Over the log of an installation, which has to be there."""
        try:
            log = open_to_read(found.data, found)
            if writes and not is_on_kafka(found):
                log.close()
                log = open_log(found)
            return cls(log, found)
        except LogError as error:
            refuse(str(error))

    def page(self, wanted: Listing) -> ItemList:
        """Some items."""
        self._refuse_unknown(wanted)
        self._note("review list", wanted=words_of(wanted))
        try:
            after = place_of(wanted.after) if wanted.after else None
            return page_of(
                self._desk.page(wanted, wanted.state, after, wanted.limit + 1), wanted.limit
            )
        except LogError as error:
            refuse(str(error))

    def show(self, item: str, *, content: bool) -> ItemShown:
        """One item."""
        known = _read(lambda: self._desk.one(item))
        if known is None:
            refuse(f"there is no review item {item!r}")
        evidence = _read(lambda: self._desk.evidence(known.item))
        if isinstance(evidence, Cannot):
            self._note("review show", item)
            return item_shown(known, evidence.advice, with_content=False)
        action = Action.INPUT_READ if content else Action.LOOKED_UP
        self._note("review show", item, action, evidence.seen if content else ())
        return item_shown(known, evidence, with_content=content)

    def replay(self, wanted: Replaying) -> ReplayReport:
        """Read inputs again; what the feed or the router has to do, they do when they run."""
        chosen = self._chosen(wanted)
        if not wanted.preview:
            self._note("review replay", words_of(wanted), Action.REPLAYED)
        ask = self._desk.preview if wanted.preview else self._desk.replay
        report = report_of(_read(lambda: asyncio.run(ask(chosen, who()))))
        if wanted.preview:
            seen = seen_in(report.notices or ())
            self._note("review replay", words_of(wanted), Action.PREVIEWED, seen)
        return report

    def end(self, deed: Deed, wanted: Ending) -> Ended:
        """End items."""
        chosen = self._chosen(wanted)
        self._note(f"review {_ROUTES[deed]}", words_of(wanted), _ACTIONS[deed])
        ended = self._desk.end(chosen, deed, who(), wanted.because)
        _read(lambda: asyncio.run(ended))
        return Ended(items=tuple(each.id for each in chosen.items), has_more=chosen.has_more)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _chosen(self, wanted: Selection) -> Chosen:
        self._refuse_unknown(wanted)
        chosen = _read(lambda: self._desk.chosen(wanted))
        missing = set(wanted.ids) - {each.id for each in chosen.items}
        if missing:
            refuse(f"there is no review item {min(missing)!r}")
        return chosen

    def _refuse_unknown(self, wanted: Filter) -> None:
        refusal = _read(lambda: self._desk.refusal(wanted))
        if refusal:
            refuse(refusal)

    def _note(
        self, command: str, wanted: str, action: Action = Action.LOOKED_UP,
        seen: tuple[Seen, ...] = (),
    ) -> None:  # fmt: skip
        Looking(self._log, self._data, command, (wanted,), action).note(seen)


def _read(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except LogError as error:
        refuse(str(error))

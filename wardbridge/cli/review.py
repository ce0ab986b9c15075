"""``wardbridge review``: lists, shows, replays, resolves and discards what could not be understood."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from schemas.review import Deed
from wardbridge.api.review_language import (
    LONGEST_WAIT_S,
    MAX_PAGE,
    Ending,
    Listing,
    Replaying,
    ReplayReport,
)
from wardbridge.cli._noted import who
from wardbridge.cli._reviewing import ServiceAccess, way_to, way_to_content
from wardbridge.cli._shared import HERE, ConfigOption, DataOption, PortOffset, TokenFile, refuse
from wardbridge.cli._told import replayed_lines, shown_lines
from wardbridge.cli.normalise import SOME_IN_REVIEW
from wardbridge.reviewing.selection import State

FeedOption = Annotated[str | None, typer.Option("--feed", help="only this feed's")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="only with this code")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="only received then or later: 2026-01-20T08:00+01:00")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="only received before")]
MarkOption = Annotated[
    bool, typer.Option("--mark-unread", help="only where somebody may wait for a patient")
]
StateOption = Annotated[State, typer.Option("--state", help="`open`, `settled` or `all`")]
AllOption = Annotated[bool, typer.Option("--all", help="all that is open")]
PreviewOption = Annotated[bool, typer.Option("--preview", help="only say what would come of it")]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait-s", min=0, max=LONGEST_WAIT_S, help="wait so long for what feeds and router decide"
    ),
]
ContentOption = Annotated[
    bool, typer.Option("--content", help="what the input says: it names a patient, and is audited")
]
JsonOption = Annotated[bool, typer.Option("--json", help="as JSON")]
Because = Annotated[str, typer.Option("--because", help="why; kept with it, names no patient")]
ItemId = Annotated[str, typer.Argument(metavar="ID", help="as `review list` gives it")]
ItemIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="as `review list` gives them")
]
NOT_KNOWN_YET: Final = 1
"""Exit of a replay of which something is not decided yet."""
Model = TypeVar("Model", bound=BaseModel)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="What could not be understood, and why.")
    group.command("list")(list_items)
    group.command("show")(show)
    group.command("replay")(replay)
    group.command("resolve")(resolve)
    group.command("discard")(discard)
    app.add_typer(group, name="review")


def list_items(  # noqa: PLR0913 - what may be asked for
    *,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
    feed: FeedOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    mark_unread: MarkOption = False,
    state: StateOption = "open",
) -> None:
    """One JSON object a line for each item that waits, oldest first."""
    asked = _filter(feed, reason, since, until, mark_unread=mark_unread)
    wanted = _of(Listing, **asked, state=state, limit=MAX_PAGE)
    with closing(way_to(ServiceAccess(config, data, port_offset, token_file), writes=False)) as way:
        while True:
            page = way.page(wanted)
            for each in page.items:
                typer.echo(each.model_dump_json())
            if page.next is None:
                return
            wanted = wanted.model_copy(update={"after": page.next})


def show(  # noqa: PLR0913 - a command's options
    item_id: ItemId,
    *,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
    content: ContentOption = False,
    as_json: JsonOption = False,
) -> None:
    """One item, the place that failed in its input, and what was done about it.

    Of the input its shape is shown: letters and digits are replaced. With --content it is the input.
    """
    asked = ServiceAccess(config, data, port_offset, token_file)
    with closing(way_to_content(asked) if content else way_to(asked, writes=False)) as way:
        shown = way.show(item_id, content=content)
    lines = [shown.model_dump_json(indent=2)] if as_json else shown_lines(shown)
    for line in lines:
        typer.echo(line)


def replay(  # noqa: PLR0913 - a command's options
    item_ids: ItemIds = None,
    *,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
    feed: FeedOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    mark_unread: MarkOption = False,
    everything: AllOption = False,
    preview: PreviewOption = False,
    wait_s: WaitOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Read kept inputs again by today's configuration; wards are told what they were not told.

    Exit 0: nothing remains of what was named; 3: some does, or something else was met; 1: of some
    (`asked`) it is not known yet, for the feed or the router has not decided; 2: could not run.
    """
    asked = _filter(feed, reason, since, until, mark_unread=mark_unread)
    wanted = _of(
        Replaying, **asked, ids=tuple(item_ids or ()), all=everything, preview=preview, wait_s=wait_s,
        by=who(),
    )  # fmt: skip
    with closing(way_to(ServiceAccess(config, data, port_offset, token_file), writes=True)) as way:
        report = way.replay(wanted)
    lines = [report.model_dump_json(indent=2)] if as_json else replayed_lines(report)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(exit_of(report))


def exit_of(report: ReplayReport) -> int:
    """What a replay ends with: what remains weighs more than what is not known yet."""
    became = {each.became for each in report.items}
    if became & {"remains", "cannot"} or report.met or report.has_more:
        return SOME_IN_REVIEW
    return NOT_KNOWN_YET if "asked" in became else 0


def resolve(  # noqa: PLR0913 - a command's options
    item_ids: ItemIds = None,
    *,
    because: Because,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
    feed: FeedOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    mark_unread: MarkOption = False,
    everything: AllOption = False,
) -> None:
    """Say that items were dealt with otherwise. Met again later, they are open again."""
    asked = _filter(feed, reason, since, until, mark_unread=mark_unread)
    wanted = _of(
        Ending, **asked, ids=tuple(item_ids or ()), all=everything, because=because, by=who()
    )
    _end("resolved", wanted, ServiceAccess(config, data, port_offset, token_file))


def discard(  # noqa: PLR0913 - a command's options
    item_ids: ItemIds = None,
    *,
    because: Because,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
    feed: FeedOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    mark_unread: MarkOption = False,
    everything: AllOption = False,
) -> None:
    """Say that items are of no concern, also when the same is said again."""
    asked = _filter(feed, reason, since, until, mark_unread=mark_unread)
    wanted = _of(
        Ending, **asked, ids=tuple(item_ids or ()), all=everything, because=because, by=who()
    )
    _end("discarded", wanted, ServiceAccess(config, data, port_offset, token_file))


def _end(deed: Deed, wanted: Ending, asked: ServiceAccess) -> None:
    with closing(way_to(asked, writes=True)) as way:
        ended = way.end(deed, wanted)
    for item in ended.items:
        typer.echo(f"{deed}  {item}")
    if ended.has_more:
        typer.echo("there are more: do it again")
        raise typer.Exit(SOME_IN_REVIEW)


def _filter(
    feed: str | None, reason: str | None, since: str | None, until: str | None, *, mark_unread: bool
) -> dict[str, Any]:
    return {
        "feed": feed, "reason": reason, "since": since, "until": until,
        "mark_unread": True if mark_unread else None,
    }  # fmt: skip


def _of(model: type[Model], **said: object) -> Model:
    """What was asked for, or what is wrong with it on the terminal."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        refuse("; ".join(_told(each) for each in error.errors()))


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])

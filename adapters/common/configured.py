"""The interface between an adapter and the configuration: settings, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from adapters.common.door import Door
from adapters.common.doubt import Doubt
from adapters.common.feed import FeedIdentity
from adapters.common.settings import Port
from schemas.ward import WardRegister

Options = TypeVar("Options", bound=BaseModel)


class ExclusiveResource(NamedTuple):
    """What only one part of an installation can have, and what to do where two want it."""

    what: str
    advice: str


HOLDS_BY: Final = frozenset({"host", "port", "directory"})
"""The settings from which ``holds`` of any kind is told: what else of a feed is wrong does not change it."""


def held_port(host: str, port: int) -> ExclusiveResource:
    """A port to listen on."""
    return ExclusiveResource(f"port {port} of {host}", "give each a port of its own")


def holds_port(_identity: FeedIdentity, settings: Port) -> Iterator[ExclusiveResource]:
    """What a feed that listens holds: its port, unless it takes a free one."""
    if settings.port:
        yield held_port(settings.host, settings.port)


def _clears_nothing(_settings: BaseModel) -> Iterable[str]:
    return ()


def _with_others(_settings: BaseModel) -> bool:
    return False


def _holds_nothing(_identity: FeedIdentity, _settings: BaseModel) -> Iterable[ExclusiveResource]:
    return ()


def _no_doors(_settings: BaseModel) -> Iterable[Door]:
    return ()


def _no_doubts(_settings: BaseModel, _source: str, _register: WardRegister) -> Iterable[Doubt]:
    return ()


@dataclass(frozen=True, slots=True)
class SettingsKind(Generic[Options]):
    """What the configuration needs of one kind of feed; nothing of it works, so it is read in no time.

    ``holds``: what no two feeds may share; ``clears``: the claims that an input takes back by leaving them out;
    ``doors``: its ways in and out; ``doubts``: what is found by trying its settings against each other, and
    against the ward register by the feed's source; ``told``: what ``check`` tells of right settings, a line
    each; ``is_alone``: whether it calls what can hang and cannot be interrupted (a network share, a commit on a
    broker), so that it needs a process in which nothing else waits.
    """

    settings: type[Options]
    holds: Callable[[FeedIdentity, Options], Iterable[ExclusiveResource]] = _holds_nothing
    clears: Callable[[Options], Iterable[str]] = _clears_nothing
    doors: Callable[[Options], Iterable[Door]] = _no_doors
    doubts: Callable[[Options, str, WardRegister], Iterable[Doubt]] = _no_doubts
    told: Callable[[Options], Iterable[str]] = _clears_nothing
    is_alone: Callable[[Options], bool] = _with_others

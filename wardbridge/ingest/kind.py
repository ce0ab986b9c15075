"""What the service asks of every kind of feed, whatever its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel

from adapters.common.door import Door
from adapters.common.doubt import Doubt
from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.locating import Located, Span, whole
from adapters.common.outcome import Named, Outcome
from adapters.common.review import Review
from adapters.common.settings import Port
from bus.port import Log, Record
from schemas.observation import Patient
from schemas.ward import WardRegister

Clock = Callable[[], datetime]
"""The time now, in UTC."""

Options = TypeVar("Options", bound=BaseModel)
Normaliser = TypeVar("Normaliser")


@dataclass(frozen=True, slots=True)
class Reading:
    """What every reader of inputs needs: who it is, which wards there are, secret, clock.

    ``explain``: whether to tell where each value comes from, as far as the adapter can. ``describe``:
    whether to tell who the patients are.
    """

    identity: FeedIdentity
    register: WardRegister
    keyer: PatientKeyer
    clock: Callable[[], datetime]
    explain: bool = False
    describe: bool = False

    def by(self, make: Callable[..., Normaliser], profile: BaseModel) -> Normaliser:
        """An adapter's normaliser for this feed: all of them are made alike."""
        return make(
            self.identity, profile, self.register, self.keyer,
            explain=self.explain, describe=self.describe,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running feed lives: its log, the folder of its paths, what is added to its port.

    ``review``: what is open there of the feed; None: nothing.
    ``ports``: how many feeds of its process listen, and share the files that it may open.
    """

    log: Log
    data: Path
    port_offset: int = 0
    review: Review | None = None
    ports: int = 1


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What health and metrics tell of a feed.

    ``last_seen``: when an input last came; ``last_accepted_at``: when one last came that was accepted.
    ``outcomes`` counts inputs by verdict and reason. ``blocking``: it takes nothing now. ``trouble``:
    it works, and something that it asks does not. ``failure``: it ended and is to be made anew.
    """

    last_seen: datetime | None = None
    last_accepted_at: datetime | None = None
    figures: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    blocking: str | None = None
    trouble: str | None = None
    failure: str | None = None


class RunningFeed(Protocol):
    """A feed at work."""

    async def start(self) -> None:
        """Begin to take inputs. Raises OSError where the port or folder cannot be had."""
        ...

    async def stop(self) -> None:
        """Take no more; answer or commit what is in hand. Idempotent."""
        ...

    def status(self) -> FeedStatus:
        """How it is now."""
        ...


class Reread(NamedTuple):
    """What kept bytes mean, the statement that they are, and what names it, if anything does."""

    outcome: Outcome
    statement: str
    named: Named | None = None


class NotReadError(Exception):
    """Kept bytes cannot be read again now; the text says what to do."""


class Rereader(Protocol):
    """Reads the kept inputs of one feed again, as the feed reads new ones."""

    async def read(self, payload: bytes, received_at: datetime) -> Reread:
        """What they mean. Raises NotReadError."""
        ...

    async def close(self) -> None:
        """Let go of what was opened."""
        ...


class KeptFiles(Protocol):
    """The handled files of a feed, which the feed itself reads again."""

    def foresee(self, sha256: str, at: datetime) -> tuple[Outcome, Sequence[Record]]:
        """What the feed would make of a file now, and write. Raises NotReadError or LogError."""
        ...

    def hand_back(self, sha256: str) -> None:
        """Have the feed read it again. Raises NotReadError."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether it is kept: not while it is handed back and unread. Raises NotReadError."""
        ...

    def bytes_of(self, sha256: str) -> bytes:
        """What is in it. Raises NotReadError."""
        ...


class Held(NamedTuple):
    """What only one part of an installation can have, and what to do where two want it."""

    what: str
    advice: str


HOLDS_BY: Final = frozenset({"host", "port", "directory"})
"""The settings from which ``holds`` of any kind is told: what else of a feed is wrong does not change it."""


def held_port(host: str, port: int) -> Held:
    """A port to listen on."""
    return Held(f"port {port} of {host}", "give each a port of its own")


def holds_port(_identity: FeedIdentity, settings: Port) -> Iterator[Held]:
    """What a feed that listens holds: its port, unless it takes a free one."""
    if settings.port:
        yield held_port(settings.host, settings.port)


def _clears_nothing(_settings: BaseModel) -> Iterable[str]:
    return ()


def _with_others(_settings: BaseModel) -> bool:
    return False


def _by_all(settings: BaseModel) -> BaseModel:
    return settings


def _holds_nothing(_identity: FeedIdentity, _settings: BaseModel) -> Iterable[Held]:
    return ()


def _no_doors(_settings: BaseModel) -> Iterable[Door]:
    return ()


def _no_doubts(_settings: BaseModel, _source: str, _register: WardRegister) -> Iterable[Doubt]:
    return ()


def _says_nothing(_settings: BaseModel, _payload: bytes) -> Sequence[str]:
    return ()


def _nowhere(_settings: BaseModel, payload: bytes, _where: str) -> Located:
    return Located(whole(payload))


class Shown(NamedTuple):
    """Part of an input that a person sees, under the input's name, and the place that failed."""

    payload: bytes
    path: Path
    where: str


def _names_nobody(_reading: Reading, _settings: BaseModel, _shown: Shown) -> Iterable[Patient]:
    return ()


def _keeps_nothing(_settings: BaseModel, _payload: bytes) -> Iterable[Span]:
    return ()


@dataclass(frozen=True, slots=True)
class FeedKind(Generic[Options]):
    """One kind of feed: its settings, how it runs, how it reads a file without the service.

    ``outcomes`` gives, for each input in the bytes of a file, its index and what it means;
    ``holds`` what no two feeds may share; ``clears`` the claims that an input takes back by leaving
    them out. ``rereader`` makes what reads kept inputs again, ``kept_files`` what hands kept files back,
    for a feed whose inputs are files. ``reads_by`` is the part of the settings that decides what an
    input means, ``rules`` the number of the adapter's own rules, raised when these read an input
    otherwise. ``structure`` tells a person what the standard says of one input's structure, without
    anything of a patient. ``told`` is what ``check`` tells of right settings, a line each. ``locate`` finds
    in an input's bytes what a trouble's ``where`` names, ``kept`` what of them names parts and never a
    patient, ``patients`` whom the bytes that are shown name, also where nothing of them can be used. ``doors`` are its ways in and out; ``doubts`` what is found by trying its settings against each
    other, and the ward register by the feed's source. ``is_alone``: it calls what can hang and cannot be
    interrupted (a network share, a commit on a broker), so that it needs a process in which nothing else waits.
    """

    settings: type[Options]
    make: Callable[[Reading, Place, Options], RunningFeed]
    outcomes: Callable[[Reading, Options, Path, bytes], Iterator[tuple[int, Outcome]]]
    holds: Callable[[FeedIdentity, Options], Iterable[Held]] = _holds_nothing
    clears: Callable[[Options], Iterable[str]] = _clears_nothing
    doors: Callable[[Options], Iterable[Door]] = _no_doors
    doubts: Callable[[Options, str, WardRegister], Iterable[Doubt]] = _no_doubts
    rereader: Callable[[Reading, Path, Options], Rereader] | None = None
    kept_files: Callable[[Reading, Place, Options], KeptFiles] | None = None
    reads_by: Callable[[Options], BaseModel] = _by_all
    rules: int = 1
    structure: Callable[[Options, bytes], Sequence[str]] = _says_nothing
    told: Callable[[Options], Iterable[str]] = _clears_nothing
    locate: Callable[[Options, bytes, str], Located] = _nowhere
    kept: Callable[[Options, bytes], Iterable[Span]] = _keeps_nothing
    patients: Callable[[Reading, Options, Shown], Iterable[Patient]] = _names_nobody
    is_alone: Callable[[Options], bool] = _with_others

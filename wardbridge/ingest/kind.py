"""The interface of a feed kind: how it runs, and how it reads inputs without the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel

from adapters.common.configured import SettingsKind
from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.locating import ByteSpan, Located, whole
from adapters.common.outcome import InputOutcome, Named
from adapters.common.review import FeedReview
from bus.port import Log, Record
from schemas.observation import Patient
from schemas.ward import WardRegister

Clock = Callable[[], datetime]
"""The time now, in UTC."""

Options = TypeVar("Options", bound=BaseModel)
Normaliser = TypeVar("Normaliser")


@dataclass(frozen=True, slots=True)
class ReadingContext:
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
class FeedEnvironment:
    """Where a running feed lives: its log, the folder of its paths, what is added to its port.

    ``review``: what is open there of the feed; None: nothing.
    ``ports``: how many feeds of its process listen, and share the files that it may open.
    """

    log: Log
    data: Path
    port_offset: int = 0
    review: FeedReview | None = None
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

    outcome: InputOutcome
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

    def foresee(self, sha256: str, at: datetime) -> tuple[InputOutcome, Sequence[Record]]:
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


def _by_all(settings: BaseModel) -> BaseModel:
    return settings


def _says_nothing(_settings: BaseModel, _payload: bytes) -> Sequence[str]:
    return ()


def _nowhere(_settings: BaseModel, payload: bytes, _where: str) -> Located:
    return Located(whole(payload))


class ShownInput(NamedTuple):
    """Part of an input that a person sees, under the input's name, and the place that failed."""

    payload: bytes
    path: Path
    where: str


def _names_nobody(
    _reading: ReadingContext, _settings: BaseModel, _shown: ShownInput
) -> Iterable[Patient]:
    return ()


def _keeps_nothing(_settings: BaseModel, _payload: bytes) -> Iterable[ByteSpan]:
    return ()


@dataclass(frozen=True, slots=True)
class FeedKind(Generic[Options]):
    """How one kind of feed works, and how it reads without the service.

    ``configured``: what may be set of it. ``outcomes`` gives, for each input in the bytes of a file, its index and
    what it means. ``rereader`` makes what reads kept inputs again, ``kept_files`` what hands kept files back, for a
    feed whose inputs are files. ``reads_by`` is the part of the settings that decides what an input means, ``rules``
    the number of the adapter's own rules, raised when these read an input otherwise. ``structure`` tells a person
    what the standard says of one input's structure, without anything of a patient. ``locate`` finds in an input's
    bytes what a trouble's ``where`` names, ``kept`` what of them names parts and never a patient, ``patients`` whom
    the bytes that are shown name, also where nothing of them can be used.
    """

    configured: SettingsKind[Options]
    make: Callable[[ReadingContext, FeedEnvironment, Options], RunningFeed]
    outcomes: Callable[[ReadingContext, Options, Path, bytes], Iterator[tuple[int, InputOutcome]]]
    rereader: Callable[[ReadingContext, Path, Options], Rereader] | None = None
    kept_files: Callable[[ReadingContext, FeedEnvironment, Options], KeptFiles] | None = None
    reads_by: Callable[[Options], BaseModel] = _by_all
    rules: int = 1
    structure: Callable[[Options, bytes], Sequence[str]] = _says_nothing
    locate: Callable[[Options, bytes, str], Located] = _nowhere
    kept: Callable[[Options, bytes], Iterable[ByteSpan]] = _keeps_nothing
    patients: Callable[[ReadingContext, Options, ShownInput], Iterable[Patient]] = _names_nobody

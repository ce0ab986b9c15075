"""Maps kafka-python's errors to the port's. Their texts are not passed on: they may quote a record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    InvalidProducerEpochError,
    KafkaError,
    LogTruncationError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    ProducerFencedError,
    RecordListTooLargeError,
    SaslAuthenticationFailedError,
)

from bus.port import LogError, LogFencedError, PositionLostError, RecordTooLargeError

CLIENT_ERRORS: Final = (KafkaError, OSError, ValueError, RuntimeError, AssertionError)
"""What kafka-python raises where it cannot do what it was asked."""

_FENCED: Final = (ProducerFencedError, FencedInstanceIdError, InvalidProducerEpochError)
_LOST: Final = (OffsetOutOfRangeError, LogTruncationError)
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_ADVICE: Final[dict[type[Exception], str]] = {
    SaslAuthenticationFailedError: "the brokers refuse our credentials",
    AuthorizationError: "the brokers do not allow us this",
}


def translated(error: Exception, doing: str) -> LogError:
    """The port's error for one of kafka-python's."""
    name = type(error).__name__
    if isinstance(error, _FENCED):
        return LogFencedError(f"{doing}: another process took over under our name ({name})")
    if isinstance(error, _LOST):
        return PositionLostError(f"{doing}: the position is not within what is kept ({name})")
    if isinstance(error, _TOO_LARGE):
        return RecordTooLargeError(f"{doing}: more than a topic takes by now ({name})")
    advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), None)
    return LogError(f"{doing}: {advice} ({name})" if advice else f"{doing}: {name}")


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Whatever a client raises leaves as a LogError; ``doing`` says at what."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise translated(error, doing) from None

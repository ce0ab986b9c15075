"""Logs: one JSON object a line; only keys of a list are written, so that no patient data can be.

Patient data cannot enter a log by accident: a key that is not listed is left out (and named, so
that a developer sees it), a message of a library keeps its template but not its values, and of an
error only type and place are told.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from wardbridge.observability.repeats import REPEATED, OncePerWindow

ALLOWED_KEYS: Final = frozenset(
    {
        "event", "level", "timestamp", "logger", "error", "error_at", "withheld",
        "component", "feed", "feeds", "source", "realm", "realms", "partitions", "version",
        "host", "port", "signal", "reason", "exit_code", "entries", "seconds", "unfinished",
        "warning", "count", "group", "places", "record", "doing", "difference", "topic", "partition",
        "waiting_bytes", "subscriber", "subscribers", "offset", "committed", "revision", "ahead_s",
        "notices", "door", "address", "asks", "encrypted", "copied", "released", "removed",
    }
)  # fmt: skip
LIBRARIES_LEVEL: Final = "WARNING"
_TEMPLATES_TRUSTED: Final = ("uvicorn",)
_OWN_RECORD: Final = "_record"

Event = MutableMapping[str, Any]


def only_allowed(_logger: object, _method: str, event: Event) -> Event:
    """Leave out what is not listed; ``withheld`` names the keys."""
    withheld = sorted(set(event) - ALLOWED_KEYS)
    kept = {key: value for key, value in event.items() if key in ALLOWED_KEYS}
    return {**kept, "withheld": withheld} if withheld else kept


def error_without_text(_logger: object, _method: str, event: Event) -> Event:
    """An exception becomes its type and where it was raised: its text may quote an input."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["error_at"] = raised_at(error.__traceback__)
    return event


def raised_at(trace: TracebackType | None) -> str:
    """File and line of the innermost frame."""
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"


def template_only(_logger: object, _method: str, event: Event) -> Event:
    """A library's record: its template where the library is known to use one, without values."""
    event.pop("_from_structlog", None)
    record = event.pop(_OWN_RECORD, None)
    if isinstance(record, logging.LogRecord):
        event["logger"] = record.name
        trusted = record.name.split(".")[0] in _TEMPLATES_TRUSTED
        event["event"] = str(record.msg) if trusted else "a library's message, withheld"
        event["exc_info"] = record.exc_info or event.get("exc_info")
        if repeated := getattr(record, REPEATED, 0):
            event["count"] = repeated + 1
    return event


def configure_logs(stream: TextIO, level: str = "INFO") -> None:
    """Send our logs and those of libraries to ``stream``. Called once, by a command."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        error_without_text,
        only_allowed,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            template_only,
            *shared,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(OncePerWindow())
    logging.basicConfig(handlers=[handler], level=LIBRARIES_LEVEL, force=True)

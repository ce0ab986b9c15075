"""Logs let only listed keys through, whoever writes."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from wardbridge.observability.logs import configure_logs

NUMBER = "200001012384"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def refuse_number(kind: type[Exception]) -> None:
    raise kind(NUMBER)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_key_that_is_not_listed_is_left_out_and_named(stream: io.StringIO) -> None:
    structlog.get_logger().info("started", feed="hl7", patient=NUMBER)
    (line,) = lines(stream)
    assert (line["event"], line["feed"], line["withheld"]) == ("started", "hl7", ["patient"])
    assert NUMBER not in stream.getvalue()


def test_an_exception_is_told_by_type_and_place_only(stream: io.StringIO) -> None:
    try:
        refuse_number(ValueError)
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["error_at"]
    assert NUMBER not in stream.getvalue()


def test_a_librarys_message_is_withheld(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("row %s", NUMBER)
    logging.getLogger("some.library").warning(f"row {NUMBER}")  # noqa: G004 - the case
    assert [line["logger"] for line in lines(stream)] == ["some.library"] * 2
    assert NUMBER not in stream.getvalue()


def test_a_librarys_exception_is_told_by_type_only(stream: io.StringIO) -> None:
    try:
        refuse_number(KeyError)
    except KeyError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    (line,) = lines(stream)
    assert (line["error"], line["logger"]) == ("KeyError", "uvicorn.error")
    assert NUMBER not in stream.getvalue()

"""What a server's large answer asks for is done beside the loop, which others wait on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from adapters.fhir import client, intake, lookup, poller
from adapters.fhir.large_bodies import READ_ASIDE_BYTES
from bus.memory import MemoryLog
from tests.fhir.lab import bundle, encounter
from tests.fhir.test_positions import History, Service


class Large(History):
    """Answers with a page that is larger than what is read on the loop."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/Patient/" in str(request.url):
            return httpx.Response(200, json={"resourceType": "Patient", "id": "p"} | _filling())
        stays = [encounter(subject={"reference": "Patient/p"}, text=_filling())]
        return httpx.Response(200, json=bundle("searchset", *stays))


def _filling() -> dict[str, Any]:
    return {"note": "x" * READ_ASIDE_BYTES}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (client, "read"),
        (intake, "read"),
        (lookup, "read"),
        (intake, "records_of"),
        (poller, "_hash"),
    ],
    ids=["a page", "a body", "what it refers to", "what is written", "whether it is known"],
)
def test_a_large_answer_is_worked_on_in_a_thread(
    module: Any,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: set[int] = set()
    real: Callable[..., Any] = getattr(module, name)

    def seen(*args: object) -> object:
        threads.add(threading.get_ident())
        return real(*args)

    monkeypatch.setattr(module, name, seen)
    service = Service(MemoryLog(), Large())
    asyncio.run(service.poller.round())
    assert threads
    assert threading.get_ident() not in threads

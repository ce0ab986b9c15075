"""Which event loops the listener's tests run on."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from tests.hl7v2.serving import Run


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both loops: the service uses uvloop, and a listener must not depend on it."""
    chosen: Run = request.param
    return chosen

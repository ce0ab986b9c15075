"""What the probes, `/health` and `/metrics` say of a running service."""

import asyncio

import pytest

from bus.port import LogError
from tests.wardbridge.test_http import refuse, row, surface


def test_the_probes_and_metrics_tell_how_it_is() -> None:
    async def check() -> None:
        async with surface(row("MED", "1")) as running:
            assert await running.get("/livez") == {"alive": True}
            assert await running.get("/readyz") == {"ready": True, "blocking": {}}
            health = await running.get("/health")
            assert (health["ready"], health["open_designations"]) == (True, 1)
            text = (await running.client.get("/metrics")).text
            assert 'wardbridge_component_ready{component="router"} 1.0' in text
            assert "wardbridge_open_designations 1.0" in text

    asyncio.run(check())


def test_readyz_names_what_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with surface() as running:
            monkeypatch.setattr(running.log, "read", refuse)
            with pytest.raises(LogError):
                running.runner.run_once()
            answer = await running.client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json() == {
                "ready": False, "blocking": {"router": "LogError: the disk is gone"},
            }  # fmt: skip

    asyncio.run(check())

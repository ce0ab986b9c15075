"""The example receivers, each run as its first lines say: genuine notices are taken, others not."""

import asyncio
import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from router.delivery.channel import Answer, Outgoing
from tests.delivery.channels import webhook
from tests.delivery.notices import notice
from tests.support.service import free_offset

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "webhooks"
KEY, OTHER = ("whsec_" + base64.b64encode(32 * key).decode() for key in (b"k", b"o"))
RUNTIMES = {"receiver.py": sys.executable, "receiver.mjs": "node", "Receiver.java": "java"}


@contextmanager
def running(runtime: str, name: str, port: int) -> Iterator[None]:
    with subprocess.Popen(
        [runtime, str(EXAMPLES / name), str(port)],
        env={**os.environ, "WEBHOOK_SECRET": KEY},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield
        finally:
            process.terminate()


@retry(
    stop=stop_after_delay(90),
    wait=wait_fixed(0.1),
    retry=retry_if_result(lambda answer: answer.refusal == "nobody listens there"),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
)
def told(port: int, keys: Sequence[str]) -> Answer:
    async def run() -> Answer:
        url = f"http://127.0.0.1:{port}/notices"
        channel = webhook(url, secrets=keys)
        try:
            return await channel.send(Outgoing(1, notice("MED", 1), 0.0))
        finally:
            await channel.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_example_takes_what_is_genuine_and_nothing_else(name: str) -> None:
    runtime = shutil.which(RUNTIMES[name])
    if runtime is None:
        pytest.skip(f"{RUNTIMES[name]} is not installed")
    port = 8080 + free_offset()
    with running(runtime, name, port):
        assert told(port, [OTHER, KEY]) == Answer(status=204)
        assert told(port, [OTHER]).status == 401

"""The example receivers, each run as its first lines say: genuine notices are taken, others not.

Those that keep a checkpoint know what they have after a crash, what is missing, and ask for it from its number.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from router.delivery.channel import AttemptResult, Outgoing
from tests.delivery.channels import webhook
from tests.delivery.notices import notice
from tests.support.receiver import HttpReceiver, answering
from tests.support.service import free_offset

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "webhooks"
KEY, OTHER = ("whsec_" + base64.b64encode(32 * key).decode() for key in (b"k", b"o"))
RUNTIMES = {"receiver.py": sys.executable, "receiver.mjs": "node", "Receiver.java": "java"}


KEEPS = {"receiver.py": "taken.jsonl", "Receiver.java": "taken.txt"}


@contextmanager
def running(
    name: str, port: int, folder: Path, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    runtime = shutil.which(RUNTIMES[name])
    if runtime is None:
        pytest.skip(f"{RUNTIMES[name]} is not installed")
    with (
        (folder / "said").open("a") as said,
        subprocess.Popen(
            [runtime, str(EXAMPLES / name), str(port), str(folder / KEEPS.get(name, "none"))],
            env={**os.environ, "WEBHOOK_SECRET": KEY, "LOOK_S": "0.1", **environment},
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@retry(
    stop=stop_after_delay(180),
    wait=wait_fixed(0.1),
    retry=retry_if_result(lambda answer: answer.refusal == "nobody listens there"),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
)
def told(port: int, keys: Sequence[str], number: int = 1) -> AttemptResult:
    async def run() -> AttemptResult:
        url = f"http://127.0.0.1:{port}/notices"
        channel = webhook(url, secrets=keys)
        try:
            return await channel.send(Outgoing(number, notice("MED", number), 0.0))
        finally:
            await channel.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_example_takes_what_is_genuine_and_nothing_else(name: str, tmp_path: Path) -> None:
    port = 8080 + free_offset()
    with running(name, port, tmp_path):
        assert told(port, [OTHER, KEY]) == AttemptResult(status=204)
        assert told(port, [OTHER]).status == 401


def kept(folder: Path, name: str) -> list[int]:
    """The numbers in its checkpoint, in the order in which they were taken."""
    lines = (folder / KEEPS[name]).read_text(encoding="utf-8").splitlines()
    return [
        json.loads(line)["number"] if line[0] == "{" else int(line.split()[0]) for line in lines
    ]


@retry(
    stop=stop_after_delay(180),
    wait=wait_fixed(0.05),
    retry=retry_if_result(lambda is_so: not is_so),
)
def until_said(folder: Path, *texts: str) -> bool:
    said = (folder / "said").read_text(encoding="utf-8")
    return all(text in said for text in texts)


@pytest.mark.parametrize("name", KEEPS)
def test_an_example_knows_after_a_crash_what_it_has_taken(name: str, tmp_path: Path) -> None:
    port = 8080 + free_offset()
    with running(name, port, tmp_path):
        for number in (1, 2, 2):
            assert told(port, [KEY], number).status == 204
    with (tmp_path / KEEPS[name]).open("a") as file:
        file.write('{"number": 3, "id"' if name == "receiver.py" else "3 MED")
    with running(name, port, tmp_path):
        for number in (1, 3, 2):
            assert told(port, [KEY], number).status == 204
        until_said(tmp_path, "repeated 1", "repeated 2")
    assert kept(tmp_path, name) == [1, 2, 3]


@pytest.mark.parametrize("name", KEEPS)
def test_an_example_asks_again_from_the_number_that_is_missing(name: str, tmp_path: Path) -> None:
    port = 8080 + free_offset()
    with HttpReceiver(lambda _: answering(202, b'{"queued": []}')) as bridge:
        to = {"WARDBRIDGE": f"http://127.0.0.1:{bridge.port}", "SUBSCRIBER": "portal"}
        with running(name, port, tmp_path, WARDBRIDGE_TOKEN="geheim", **to):  # noqa: S106 - a test's
            for number in (1, 2, 5):
                assert told(port, [KEY], number).status == 204
            bridge.wait_for(lambda bridge: sum(b": 3}" in call.body for call in bridge.calls) == 2)
            assert told(port, [KEY], 3).status == 204
            until_said(tmp_path, "gone 4")
        asked = [json.loads(call.body)["from"] for call in bridge.calls]
    assert asked[0] == 1, "at its start it has nothing"
    assert set(asked[1:]) == {3, 4}
    assert {(call.path, call.headers["authorization"]) for call in bridge.calls} == {
        ("/v1/subscribers/portal/replay", "Bearer geheim")
    }

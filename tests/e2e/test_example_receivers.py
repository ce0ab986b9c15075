"""The example receivers at a real service: one that lost its checkpoint has all of it again, once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests.delivery.test_examples import KEEPS, KEY, kept, running, until_said
from tests.support.access import TOKENS, bearer, lab_with_access
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient
from tests.support.service import Service, free_offset

SUBSCRIBER = """
[subscribers.portal]
wards = ["W8", "W9"]
token = "portal"
[subscribers.portal.webhook]
url = "http://127.0.0.1:{port}/notices"
secrets = ["{secret}"]
allow_private = true
"""


@retry(
    stop=stop_after_delay(180), wait=wait_fixed(0.1), retry=retry_if_result(lambda is_so: not is_so)
)
def until_kept(folder: Path, name: str, numbers: set[int]) -> bool:
    return (folder / KEEPS[name]).exists() and set(kept(folder, name)) == numbers


@pytest.mark.parametrize("name", KEEPS)
def test_an_example_that_lost_its_checkpoint_has_everything_again_once(
    name: str, tmp_path: Path
) -> None:
    port = 8080 + free_offset()
    service = lab_with_access(tmp_path, "W8", SUBSCRIBER.format(port=port, secret=KEY))
    to = {"WARDBRIDGE": service.url, "SUBSCRIBER": "portal", "WARDBRIDGE_TOKEN": TOKENS["portal"]}
    service.start()
    try:
        service.wait_until_ready()
        with MllpClient(service.mllp_port) as client:
            with running(name, port, tmp_path, **to):
                for number in range(1, 5):
                    mark = Visit(f"v{number}", datetime.now(UTC))
                    client.ask(message(mark, "A14", f"c{number}", ward=f"W{8 + number % 2}"))
                until_kept(tmp_path, name, {1, 2, 3, 4})
            _restored_from_an_old_backup(tmp_path / KEEPS[name])
            client.ask(message(Visit("v5", datetime.now(UTC)), "A14", "c5", ward="W8"))
            with running(name, port, tmp_path, **to):
                until_kept(tmp_path, name, {1, 2, 3, 4, 5})
                _sent_again_by_an_operator(service, 3)
                until_said(tmp_path, "repeated 3")
        assert sorted(kept(tmp_path, name)) == [1, 2, 3, 4, 5]
        assert service.stop() == 0
    except BaseException:
        service.kill()
        raise


def _restored_from_an_old_backup(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    file.write_text(first, encoding="utf-8")


def _sent_again_by_an_operator(service: Service, number: int) -> None:
    url = f"{service.url}/v1/subscribers/portal/deliveries/{number}"
    assert httpx.post(url, headers=bearer("operator")).status_code == 202

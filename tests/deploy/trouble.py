"""An installation in trouble, of the kinds that health, metrics and alerts tell of.

It asks for tokens, its subscribers refuse one ward's notices; it has met a mark at an unknown ward, messages
without a visit, an export that cannot be read and a reader who was not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from adapters.common.figures import MANY_IN_A_ROW
from bus.records import records_of
from schemas import topics
from tests.e2e.test_service import AT, started
from tests.support.access import bearer, lab_with_access
from tests.support.histories import Visit, message
from tests.support.labs import log_of
from tests.support.mllp import MllpClient
from tests.support.receiver import Behaviour, Call, HttpReceiver, answering
from tests.support.registered import with_register
from tests.support.service import Service
from tests.wardbridge.support import EXPORT

SUBSCRIBER: Final = """
[subscribers.{name}.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
"""
SUBSCRIBERS: Final = "portal", "kiosk"


@contextmanager
def in_trouble(folder: Path) -> Iterator[Service]:
    """The running service; ``operator.token`` and ``header.txt`` of the folder open its doors."""
    with HttpReceiver(_refusing_kir) as receiver:
        subscribers = "".join(
            SUBSCRIBER.format(name=name, url=receiver.url) for name in SUBSCRIBERS
        )
        service = with_register(lab_with_access(folder, "AKM", subscribers), AKM="AKM", KIR="KIR")
        (folder / "header.txt").write_text(f"Authorization: {bearer('operator')['Authorization']}")
        (service.data / "inbox").mkdir()
        started(service)
        try:
            _get_into_trouble(service)
            yield service
        except BaseException:
            service.kill()
            raise
        assert service.stop() == 0


def _refusing_kir(call: Call) -> Behaviour:
    return answering(500 if b'"ward":"KIR"' in call.body else 204)


def _get_into_trouble(service: Service) -> None:
    said = [("V1", "AKM"), ("V2", "KIR"), ("V3", "K7"), *[("", "AKM")] * MANY_IN_A_ROW]
    with MllpClient(service.mllp_port) as client:
        for number, (visit, ward) in enumerate(said):
            at = AT + timedelta(seconds=number)  # what says the same again is one item
            client.ask(message(Visit(visit, at), "A14", f"m{number}", ward=ward))
    # After the messages: the oldest mark that was not read is then always the same one.
    bad = service.data / "inbox" / "bad.csv"
    bad.write_text(EXPORT[: EXPORT.index("Antal")], encoding="utf-8")
    assert httpx.get(f"{service.url}/v1/wards/AKM/inbound").status_code == 401
    _until_all_is_seen(service)


@retry(
    stop=stop_after_delay(120), wait=wait_fixed(0.2),
    retry=retry_if_exception_type(AssertionError), reraise=True,
)  # fmt: skip
def _until_all_is_seen(service: Service) -> None:
    health = httpx.get(f"{service.url}/health", headers=bearer("operator"), timeout=20).json()
    reasons = {each["reason"]: each["open"] for each in (health["review"] or {"by": []})["by"]}
    assert reasons.get("visit-missing") == MANY_IN_A_ROW
    assert "ward-unknown" in reasons
    assert "elvis" in {each["feed"] for each in health["review"]["by"]}
    assert all(each["stuck"] and each["delivered"] for each in health["subscribers"])
    assert {each["name"] for each in health["feeds"] if each["trouble"]} == {"hl7", "elvis"}
    assert list((service.data / "inbox" / "rejected").glob("*.reason.json"))
    assert '"feed hl7"' in service.said(), "the journal"
    with log_of(service) as log:
        audited = [record.value or b"" for record in records_of(log, topics.AUDIT)]
    assert any(b'"refused"' in value for value in audited)

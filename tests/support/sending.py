"""A sending system that resends until it is answered, whatever becomes of the service."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.histories import Histories
from tests.support.mllp import MllpClient, code_of, control_id_of, fields_of
from tests.support.service import Service

PAUSE_S = 0.02  # between messages: some are always on their way, the router keeps up


@dataclass
class Sender:
    """One sending system: resends until answered, over a new connection if need be."""

    service: Service
    histories: Histories
    stopping: threading.Event
    acknowledged: set[str] = field(default_factory=set)
    failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                for message in self.histories.visit():
                    self._deliver(message)
                    self.stopping.wait(PAUSE_S)
        except Exception as error:  # noqa: BLE001 - reported by the test
            self.failure = error

    @retry(
        retry=retry_if_exception_type((OSError, EOFError)),
        wait=wait_fixed(0.05),
        stop=stop_after_delay(60),
        reraise=True,
    )
    def _deliver(self, message: bytes) -> None:
        control_id = fields_of(message, b"MSH")[9].decode()
        with MllpClient(self.service.mllp_port) as client:
            answer = client.ask(message)
        assert control_id_of(answer) == control_id
        assert code_of(answer) == "AA", answer
        self.acknowledged.add(control_id)

"""The lab on each engine, in a folder of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bus.port import Log
from tests.support.exports import WARDS
from tests.support.kafka import brokers
from tests.support.service import LAB, Service
from wardbridge.config.load import load
from wardbridge.logstore.log import open_to_read

LAB_KAFKA: Final = LAB.with_name("lab-kafka.toml")
CLUSTER, BELIEVED = "[log.kafka]\n", "[authority.lab.wards]\n"
ONE_COPY: Final = "replication = 1\nmin_insync = 1\n"
EXPORTED: Final = tuple(f'{ward} = "elvis"' for ward in WARDS)


def lab_on_sqlite(folder: Path) -> Service:
    """Four of its wards believe the exports."""
    return Service(_data(folder), _adapted(LAB, folder, {BELIEVED: EXPORTED}))


def lab_on_kafka(folder: Path, *cluster: str, addresses: Sequence[str] | None = None) -> Service:
    """The same on the test broker, its topics under a prefix of its own; ``cluster`` is added."""
    named = (f'prefix = "t{uuid.uuid4().hex[:8]}."', *cluster)
    config = _adapted(LAB_KAFKA, folder, {BELIEVED: EXPORTED, CLUSTER: named})
    return Service(_data(folder), config, {"KAFKA_BROKERS": ",".join(addresses or brokers())})


def lab_on_three_brokers(folder: Path, addresses: Sequence[str]) -> Service:
    """The same on a cluster in which two of three brokers must have what is acknowledged."""
    service = lab_on_kafka(folder, addresses=addresses)
    text = service.config.read_text(encoding="utf-8")
    assert ONE_COPY in text
    service.config.write_text(text.replace(ONE_COPY, ""), encoding="utf-8")  # the defaults
    return service


def _data(folder: Path) -> Path:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    return data


def _adapted(example: Path, folder: Path, added: dict[str, Sequence[str]]) -> Path:
    text = example.read_text(encoding="utf-8")
    for head, lines in added.items():
        assert head in text
        text = text.replace(head, head + "".join(f"{line}\n" for line in lines))
    config = folder / example.name
    config.write_text(text, encoding="utf-8")
    return config


@contextmanager
def log_of(service: Service) -> Iterator[Log]:
    """The log of a service, to read beside it or after it."""
    installation = load(service.config, service.data, service.environment)
    log = open_to_read(service.data, installation)
    try:
        yield log
    finally:
        log.close()

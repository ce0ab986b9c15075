"""Converts the configuration's tables to the settings of the Kafka engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from bus.kafka import KafkaLog, KafkaSettings, KafkaTls, Sasl
from schemas.topics import TOPICS, Topic
from wardbridge.config.log import KafkaSection, SaslSection, TlsSection


def open_kafka(
    section: KafkaSection, partitions: int, data: Path, *,
    table: Sequence[Topic] = TOPICS, may_make: bool = True,
) -> KafkaLog:  # fmt: skip
    """Open the log on the cluster; paths start from ``data``. Raises LogError."""
    return KafkaLog.open(kafka_settings(section, partitions, data), table=table, may_make=may_make)


def kafka_settings(section: KafkaSection, partitions: int, data: Path) -> KafkaSettings:
    """The engine's settings."""
    return KafkaSettings(
        brokers=section.brokers,
        prefix=section.prefix,
        partitions=partitions,
        replication=section.replication,
        min_insync=section.min_insync,
        instance=section.instance,
        cloudevents=section.cloudevents,
        tls=_tls(section.tls, data) if section.tls else None,
        sasl=_sasl(section.sasl, data) if section.sasl else None,
        connect_timeout_s=section.connect_timeout_s,
        delivery_timeout_s=section.delivery_timeout_s,
        commit_timeout_s=section.commit_timeout_s,
        transaction_timeout_s=section.transaction_timeout_s,
    )


def _tls(section: TlsSection, data: Path) -> KafkaTls:
    return KafkaTls(
        ca_file=_path(section.ca_file, data),
        certificate_file=_path(section.certificate_file, data),
        key_file=_path(section.key_file, data),
        key_password=_text(section.key_password) or None,
        check_hostname=section.check_hostname,
    )


def _sasl(section: SaslSection, data: Path) -> Sasl:
    return Sasl(
        mechanism=section.mechanism,
        username=section.username,
        password=_text(section.password),
        token_file=_path(section.token_file, data),
    )


def _path(path: Path | None, data: Path) -> Path | None:
    return None if path is None else data / path


def _text(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()

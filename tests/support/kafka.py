"""One real broker for all tests of a run, started by the first that needs it.

A broker that cannot be had fails the tests that need it, with the message of what to install: a
run without Kafka proves nothing about Kafka and must not look as if it did.

Beside the open listener it has one for each way to prove who one is. Certificates are made for the
run; the users are ``ann`` with the password ``secret``.
"""

from __future__ import annotations

import atexit
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.structs import TopicPartition
from tenacity import (
    retry,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from kafka_dev import SHORT_LIVED, Demands, KafkaDev

USER, PASSWORD = "ann", "secret"
LOGIN: Final = "org.apache.kafka.common.security"
LISTENERS: Final = {
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "PLAIN": "SASL_SSL",
    "SCRAM": "SASL_PLAINTEXT",
    "OAUTH": "SASL_PLAINTEXT",
}
UNSIGNED: Final = (
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured."
    "OAuthBearerUnsecuredValidatorCallbackHandler"
)


@cache
def certificates() -> Path:
    """A folder with an authority, and a certificate of ``localhost`` and a client's by it."""
    folder = Path(tempfile.mkdtemp(prefix="certificates-"))
    atexit.register(_remove, folder)
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem "
             "-subj /CN=authority -days 2")  # fmt: skip
    for name in ("broker", "client"):
        _openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr "
                 f"-subj /CN={name} -addext subjectAltName=DNS:localhost,IP:127.0.0.1")  # fmt: skip
        _openssl(folder, f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
                 f"-copy_extensions copy -out {name}.pem -days 2")  # fmt: skip
        parts = [(folder / f"{name}.{part}").read_text() for part in ("key", "pem")]
        (folder / f"{name}.both.pem").write_text("".join(parts))
    return folder


def _openssl(folder: Path, arguments: str) -> None:
    command = ["openssl", *arguments.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def _demands() -> Demands:
    folder = certificates()
    plain = f'{LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    scram = f"{LOGIN}.scram.ScramLoginModule required;"
    oauth = (
        f'{LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x";'
    )
    tls = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
    }
    sasl = {
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": plain,
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.sasl.jaas.config": oauth,
        "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": UNSIGNED,
    }
    users = [f"SCRAM-SHA-{n}=[name={USER},password={PASSWORD}]" for n in (256, 512)]
    return Demands(LISTENERS, tls | sasl, users, SHORT_LIVED)


@cache
def cluster() -> KafkaDev:
    """The run's broker; it ends with the run."""
    started = KafkaDev(demands=_demands()).__enter__()
    atexit.register(started.stop)
    return started


def brokers(listener: str = "OPEN") -> list[str]:
    """Where it listens."""
    return [broker.address(listener) for broker in cluster().brokers]


def read_downstream(
    topic: str, partitions: int, is_enough: Callable[[list[Any]], bool]
) -> list[Any]:
    """The records of a topic from its beginning, as a client that knows nothing of ours gets them."""
    consumer = KafkaConsumer(
        bootstrap_servers=brokers(), auto_offset_reset="earliest", isolation_level="read_committed"
    )
    found: list[Any] = []

    @retry(retry=retry_if_result(lambda enough: not enough), stop=stop_after_delay(180))
    def read() -> bool:
        found.extend(each for batch in consumer.poll(200).values() for each in batch)
        return is_enough(found)

    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        read()
    finally:
        consumer.close()
    return found


def alter_topic(admin: KafkaAdminClient, topic: str, setting: str, value: str) -> None:
    """Change a setting of a topic; the brokers know of it when this returns."""
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {setting: value})])
    _wait_until_altered(admin, topic, setting, value)


@retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.02),
    stop=stop_after_delay(180), reraise=True,
)  # fmt: skip
def _wait_until_altered(admin: KafkaAdminClient, topic: str, setting: str, value: str) -> None:
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic)]
    found = admin.describe_configs(asked, config_filter=ConfigFilterType.ALL)["topic"][topic]
    assert found[setting]["value"] == value

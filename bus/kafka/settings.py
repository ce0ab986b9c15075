"""Connection settings of the Kafka clients, and their time limits.

Every client this engine makes starts from :func:`client_options`; what kafka-python would do by
default and must not (read uncommitted, commit by itself, start at the newest) is overridden in
:func:`consumer_options`, in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.net.sasl.oauth import AbstractTokenProvider

from bus.kafka.cloudevents import Mode as EventMode
from bus.tls import PemFiles, client_context

BATCH_BYTES: Final = 256 * 1024
"""Sent at once to a partition, where the topics take as much."""

Options = dict[str, Any]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

RECONNECT_MAX_MS: Final = 1_000  # a broker that is back is noticed within this
RETRY_MS: Final = 20
COMMIT_RETRY_MS: Final = 2
"""Right after a commit the coordinator answers "concurrent transactions": the client asks again
after this, and with its default of 100 ms makes 13 one-record transactions a second, not 196."""
CALLS_OF_A_COMMIT: Final = 5  # positions, records, the end; then to connect and to start anew
SESSION_MS: Final = 10_000  # then the partitions of a member that is gone are given to others
APPEND_GRACE_S: Final = 1.0
FETCH_WAIT_MS: Final = 100
FETCH_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KafkaTls:
    """An encrypted connection. ``ca_file`` None: the system's certificate authorities."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Sasl:
    """Who we are. OAUTHBEARER reads its token from ``token_file`` at each connection."""

    mechanism: Mechanism
    username: str = ""
    password: str = field(default="", repr=False)
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """One installation's log on a cluster.

    ``instance`` is the unique and stable id of this process within the installation: one that starts under a
    name takes over from the one that had it. ``commit_timeout_s`` is how long a commit may block
    before the process ends; ``transaction_timeout_s`` how long the brokers wait for a vanished
    process before they undo what it had begun; ``silence_s`` how long whoever reads for a group may be
    at work without a word (see ``Log.keep``).
    """

    brokers: tuple[str, ...]
    prefix: str = "wardbridge."
    partitions: int = 1
    replication: int = 3
    min_insync: int = 2
    instance: str = "1"
    cloudevents: EventMode = "structured"
    tls: KafkaTls | None = None
    sasl: Sasl | None = None
    connect_timeout_s: float = 15.0
    delivery_timeout_s: float = 20.0
    commit_timeout_s: float = 15.0
    transaction_timeout_s: float = 20.0
    silence_s: float = 300.0

    @property
    def answer_within_s(self) -> float:
        """Longest wait for an append; the client's own time-out comes first where it comes."""
        return self.delivery_timeout_s + APPEND_GRACE_S

    def topic(self, name: str) -> str:
        """A topic's name on the wire."""
        return f"{self.prefix}{name}"

    def group(self, name: str) -> str:
        """A group's name on the wire."""
        return f"{self.prefix}{name}"

    def transactional_id(self, group: str) -> str:
        """The same after every restart, so that a new process ends what its predecessor began."""
        return f"{self.prefix}{group}.{self.instance}"


def client_options(settings: KafkaSettings) -> Options:
    """What every client needs."""
    return {
        "bootstrap_servers": list(settings.brokers),
        "client_id": f"wardbridge-{settings.instance}",
        "bootstrap_timeout_ms": _ms(settings.connect_timeout_s),
        "request_timeout_ms": _ms(settings.delivery_timeout_s) // 2,
        "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
        "retry_backoff_ms": RETRY_MS,
        "security_protocol": _protocol(settings),
        **_tls_options(settings.tls),
        **_sasl_options(settings.sasl),
    }


def producer_options(settings: KafkaSettings) -> Options:
    """Idempotent, acknowledged by all in-sync replicas, sent as soon as the connection is free."""
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "batch_size": BATCH_BYTES,
        "delivery_timeout_ms": _ms(settings.delivery_timeout_s),
        "max_block_ms": _ms(settings.delivery_timeout_s),
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def transaction_options(settings: KafkaSettings, group: str) -> Options:
    """A producer whose transactions belong to one group of this process.

    Where brokers are away, each call fails by itself (see ``TransactionalProducer``), and as many as
    one commit makes, that of its successor's start among them, before the watchdog ends the process:
    it is for what never fails and never returns.
    """
    patience_ms = _ms(settings.commit_timeout_s) // CALLS_OF_A_COMMIT
    return producer_options(settings) | {
        "transactional_id": settings.transactional_id(group),
        "transaction_timeout_ms": _ms(settings.transaction_timeout_s),
        "retry_backoff_ms": COMMIT_RETRY_MS,
        "bootstrap_timeout_ms": patience_ms,
        "request_timeout_ms": patience_ms,
        "delivery_timeout_ms": patience_ms,
        "max_block_ms": patience_ms,
    }


def consumer_options(settings: KafkaSettings) -> Options:
    """Committed records only, positions only where we commit them, no silent jump anywhere."""
    return client_options(settings) | {
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "allow_auto_create_topics": False,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "fetch_max_bytes": FETCH_BYTES,
        "metrics_enabled": False,
    }


def member_options(settings: KafkaSettings, group: str) -> Options:
    """A static member: a restart within the session does not move partitions to others.

    The range assignor gives one member the same partition numbers of all its topics.
    """
    return consumer_options(settings) | {
        "group_id": settings.group(group),
        "group_instance_id": settings.instance,
        "session_timeout_ms": SESSION_MS,
        "max_poll_interval_ms": _ms(settings.silence_s),
        "partition_assignment_strategy": (RangePartitionAssignor,),
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _protocol(settings: KafkaSettings) -> str:
    encrypted = settings.tls is not None
    if settings.sasl:
        return "SASL_SSL" if encrypted else "SASL_PLAINTEXT"
    return "SSL" if encrypted else "PLAINTEXT"


def _tls_options(tls: KafkaTls | None) -> Options:
    if tls is None:
        return {}
    files = PemFiles(tls.ca_file, tls.certificate_file, tls.key_file, tls.key_password)
    context = client_context(files)
    context.check_hostname = tls.check_hostname
    return {"ssl_context": context, "ssl_check_hostname": tls.check_hostname}


def _sasl_options(sasl: Sasl | None) -> Options:
    if sasl is None:
        return {}
    if sasl.mechanism == "OAUTHBEARER":
        return {
            "sasl_mechanism": sasl.mechanism,
            "sasl_oauth_token_provider": TokenFile(_token_reader(sasl.token_file)),
        }
    return {
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.username,
        "sasl_plain_password": sasl.password,
    }


def _token_reader(file: Path | None) -> Callable[[], str]:
    if file is None:
        raise ValueError("OAUTHBEARER needs a token_file")
    return lambda: file.read_text(encoding="utf-8").strip()


class TokenFile(AbstractTokenProvider):  # type: ignore[misc] # kafka-python is untyped
    """Gives the token that is in the file now; whoever renews it writes the file anew."""

    def __init__(self, read: Callable[[], str]) -> None:
        super().__init__()
        self._read = read

    def token(self) -> str:
        """The token."""
        return self._read()

    def extensions(self) -> dict[str, str]:
        """None."""
        return {}

"""The log's tables: which engine, and how to reach a Kafka cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from adapters.common.settings import Section, is_loopback
from schemas.addresses import check_host, url_of

_NAME: Final = r"^[A-Za-z0-9._-]*$"  # what Kafka allows in names
_BROKER: Final = re.compile(r"^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [each for each in value if not _BROKER.match(each)]
    if wrong or not value:
        raise ValueError(f"brokers are given as host:port, not {', '.join(wrong) or 'nothing'}")
    return value


Brokers = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_addresses)]
"""A list, or one text with commas (so that one environment variable can hold all)."""


class TlsSection(Section):
    """Encrypted connections to the brokers. An empty table is enough for a public authority."""

    ca_file: Path | None = Field(
        None, description="certificates of the authorities trusted; none: the system's"
    )
    certificate_file: Path | None = Field(None, description="our own certificate, if they ask")
    key_file: Path | None = Field(None, description="its key; none: in the certificate's file")
    key_password: SecretStr | None = Field(None, description="password of the key")
    check_hostname: bool = Field(
        default=True, description="refuse a broker whose certificate names another host"
    )


class SaslSection(Section):
    """Who we are to the brokers. Use it with `[log.kafka.tls]`: a password is sent otherwise."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        description="as the brokers' listener demands"
    )
    username: str = Field("", description="for PLAIN and SCRAM")
    password: SecretStr | None = Field(
        None, description="for PLAIN and SCRAM; write `${NAME}` or `${file:PATH}`"
    )
    token_file: Path | None = Field(
        None, description="for OAUTHBEARER: file with the token, read at each connection"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mechanism == "OAUTHBEARER":
            if self.token_file is None:
                raise ValueError("OAUTHBEARER needs token_file")
        elif not self.username or self.password is None:
            raise ValueError(f"{self.mechanism} needs username and password")
        return self


class RegistrySection(Section):
    """A schema registry with Confluent's API, for `wardbridge schema --register`."""

    url: str = Field(
        pattern=r"^https?://", description="its base, as in https://registry.example:8081"
    )
    username: str = Field("", description="for basic authentication")
    password: SecretStr | None = Field(None, description="for basic authentication")
    token: SecretStr | None = Field(None, description="or a bearer token")
    ca_file: Path | None = Field(None, description="PEM: whom to trust instead of the system's")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password belong together")
        if self.token is not None and self.username:
            raise ValueError("give either token or username and password")
        host = url_of("url", self.url, allow_plain=True).host or ""
        check_host("url", host)
        if (self.token or self.username) and self.url.startswith("http:") and not is_loopback(host):
            raise ValueError("url: http lets everybody on the way read the password; use https")
        return self


class KafkaSection(Section):
    """A Kafka cluster as the log. Topics are made when the service starts, and compared."""

    brokers: Brokers = Field(description="`host:port` of some brokers: a list, or with commas")
    prefix: str = Field(
        "wardbridge.", pattern=_NAME, max_length=100,
        description="begins the names of topics, groups and transactions",
    )  # fmt: skip
    replication: int = Field(3, ge=1, le=9, description="copies of each topic that is made")
    min_insync: int = Field(
        2, ge=1, le=9, description="copies that must have a record before it is acknowledged"
    )
    instance: str = Field(
        "1", pattern=r"^[A-Za-z0-9._-]+$", max_length=60,
        description="unique and stable id of this process within the installation; a second process that "
        "starts with the same id fences the first",
    )  # fmt: skip
    cloudevents: Literal["structured", "binary"] = Field(
        "structured",
        description="how notices are written for downstream systems: the whole CloudEvent in the "
        "value, or its attributes in headers `ce_…` and its data alone in the value",
    )
    connect_timeout_s: float = Field(
        15.0, gt=0, le=300, description="longest wait for a broker at the start"
    )
    delivery_timeout_s: float = Field(
        20.0, ge=2, le=300, description="then a sender is told that its message is not stored"
    )
    commit_timeout_s: float = Field(
        15.0, gt=0, le=300,
        description="a commit that takes longer ends the process (exit 75), to be started again",
    )  # fmt: skip
    transaction_timeout_s: float = Field(
        20.0, gt=0, le=900, description="then the brokers undo what a vanished process began"
    )
    tls: TlsSection | None = Field(None, description="encryption")
    sasl: SaslSection | None = Field(None, description="credentials")
    registry: RegistrySection | None = Field(None, description="where the schemas are registered")

    def bares_secrets(self) -> bool:
        """Whether what proves who we are is sent as it is, without encryption."""
        as_it_is = {"PLAIN", "OAUTHBEARER"}
        return bool(self.tls is None and self.sasl and self.sasl.mechanism in as_it_is)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.min_insync > self.replication:
            raise ValueError("min_insync cannot be more than replication")
        if self.commit_timeout_s > self.transaction_timeout_s:
            raise ValueError("commit_timeout_s cannot be more than transaction_timeout_s")
        return self


class LogSection(Section):
    """The log: one SQLite file, `log.db`, in the data folder, or a Kafka cluster."""

    engine: Literal["sqlite", "kafka"] = Field("sqlite", description="where the log is")
    partitions: int = Field(
        1, ge=1, le=256, description="partitions of each topic; fixed once the log exists"
    )
    kafka: KafkaSection | None = Field(None, description='the cluster, for `engine = "kafka"`')

    @model_validator(mode="after")
    def _has_cluster(self) -> Self:
        if self.engine == "kafka" and self.kafka is None:
            raise ValueError('engine = "kafka" needs a table [log.kafka] with the brokers')
        return self

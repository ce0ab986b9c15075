"""Encryption and credentials, each against a listener that demands it, and refused without."""

import base64
import gc
import json
import time
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from bus.kafka import KafkaLog, KafkaSettings, KafkaTls, Sasl
from bus.kafka.settings import Mechanism
from bus.port import LogError, Record, TopicPartition
from schemas.topics import RAW
from tests.bus.engines import one_broker
from tests.support.kafka import PASSWORD, USER, brokers, certificates

IN = TopicPartition(RAW, 0)
REFUSED_WITHIN_S = 2.0  # the client goes on trying for as long as it may


def authority() -> KafkaTls:
    return KafkaTls(ca_file=certificates() / "ca.pem")


def with_certificate() -> KafkaTls:
    folder = certificates()
    return KafkaTls(folder / "ca.pem", folder / "client.pem", folder / "client.key")


def unsigned_token(folder: Path) -> Path:
    """A token as the broker's default validator takes it: no signature, a subject, an end."""
    now_s = time.time()
    claims = {"sub": USER, "iat": now_s, "exp": now_s + 600}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
             for part in ({"alg": "none"}, claims)]  # fmt: skip
    file = folder / "token"
    file.write_text(".".join([*parts, ""]), encoding="utf-8")
    return file


def plain(mechanism: Mechanism, password: str = PASSWORD) -> Sasl:
    return Sasl(mechanism, USER, password)


def by_token(folder: Path) -> Sasl:
    return Sasl("OAUTHBEARER", token_file=unsigned_token(folder))


def settings(
    listener: str, tls: KafkaTls | None, sasl: Sasl | None, connect_timeout_s: float = 15.0
) -> KafkaSettings:
    return one_broker(
        brokers(listener), prefix=f"t{uuid.uuid4().hex[:8]}.", tls=tls, sasl=sasl,
        connect_timeout_s=connect_timeout_s,
    )  # fmt: skip


Case = tuple[str, Callable[[], KafkaTls | None], Callable[[Path], Sasl | None]]
ACCEPTED: dict[str, Case] = {
    "TLS": ("TLS", authority, lambda _: None),
    "TLS with a certificate": ("MUTUAL", with_certificate, lambda _: None),
    "PLAIN over TLS": ("PLAIN", authority, lambda _: plain("PLAIN")),
    "SCRAM-SHA-256": ("SCRAM", lambda: None, lambda _: plain("SCRAM-SHA-256")),
    "SCRAM-SHA-512": ("SCRAM", lambda: None, lambda _: plain("SCRAM-SHA-512")),
    "OAUTHBEARER": ("OAUTH", lambda: None, by_token),
}
REFUSED: dict[str, Case] = {
    "an authority that is not ours": ("TLS", KafkaTls, lambda _: None),
    "no certificate": ("MUTUAL", authority, lambda _: None),
    "a wrong password": ("PLAIN", authority, lambda _: plain("PLAIN", "wrong")),
    "a wrong SCRAM password": ("SCRAM", lambda: None, lambda _: plain("SCRAM-SHA-512", "wrong")),
    "no credentials": ("SCRAM", lambda: None, lambda _: None),
}


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
def test_every_client_of_the_log_proves_who_it_is(case: Case, tmp_path: Path) -> None:
    listener, tls, sasl = case
    log = KafkaLog(settings(listener, tls(), sasl(tmp_path)))
    try:
        log.append([Record(RAW, "r", "k", b"appended")])
        batch = log.read("g", [RAW], 10, 5.0)
        log.commit("g", batch.positions, [Record(RAW, "r", "k", b"committed")])
        assert [s.value for s in log.scan(IN, 0, 10)] == [b"appended", b"committed"]
        assert log.committed("g") == {IN: 1}
    finally:
        log.close()


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_who_does_not_is_refused_in_time_and_without_a_secret_in_the_text(
    case: Case, tmp_path: Path
) -> None:
    listener, tls, sasl = case
    with warnings.catch_warnings():
        # The client leaves the sockets of refused attempts to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(LogError) as caught:
            KafkaLog(settings(listener, tls(), sasl(tmp_path), REFUSED_WITHIN_S))
        text = str(caught.value)
        del caught
        gc.collect()
    assert PASSWORD not in text
    assert "wrong" not in text
    assert brokers(listener)[0] in text


def test_every_mechanism_is_tried() -> None:
    tried = {made.mechanism for _, _, sasl in ACCEPTED.values()
             if (made := sasl(Path("/nowhere")) if sasl is not by_token
                 else Sasl("OAUTHBEARER"))}  # fmt: skip
    assert tried == set(get_args(Mechanism))

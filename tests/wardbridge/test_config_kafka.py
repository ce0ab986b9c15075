"""The log on Kafka, as configured: what is refused and why, and what reaches the engine."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.kafka import KafkaTls, Sasl
from bus.memory import MemoryLog
from bus.port import Log
from router.delivery.channels import KINDS
from router.delivery.channels.kind import Opening
from schemas.topics import DAY_S, Topic
from tests.wardbridge.support import configured
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError
from wardbridge.logstore.kafka import kafka_settings

LAB_KAFKA = Path(__file__).parents[2] / "deploy" / "examples" / "lab-kafka.toml"
HEAD = "[log.kafka]\n"
BROKERS = {"KAFKA_BROKERS": "kafka1:9092, kafka2:9092", "KAFKA_PASSWORD": "s3cret"}
SASL = '[log.kafka.sasl]\nmechanism = "PLAIN"\nusername = "u"\npassword = "${KAFKA_PASSWORD}"\n\n'


def changed(old: str, new: str) -> str:
    text = LAB_KAFKA.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


def loaded(tmp_path: Path, text: str) -> Installation:
    return load(configured(tmp_path, text), tmp_path, BROKERS)


def test_the_lab_on_kafka_takes_its_brokers_from_one_variable() -> None:
    found = load(LAB_KAFKA, Path(), BROKERS).settings.log
    assert found.engine == "kafka"
    assert found.kafka is not None
    assert found.kafka.brokers == ("kafka1:9092", "kafka2:9092")


def test_the_labs_differ_in_their_log_only() -> None:
    lab = load(LAB_KAFKA.with_name("lab.toml"), Path(), {})
    kafka = load(LAB_KAFKA, Path(), BROKERS)
    assert kafka.settings.model_copy(update={"log": lab.settings.log}) == lab.settings
    assert kafka.feeds == lab.feeds


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('brokers = "${KAFKA_BROKERS}"', 'brokers = "kafka"', "given as host:port, not kafka"),
        ('brokers = "${KAFKA_BROKERS}"', "brokers = []", "given as host:port, not nothing"),
        ('brokers = "${KAFKA_BROKERS}"', 'brokers = "${KAFKA_BROKER}"',
         'KAFKA_BROKER is not set; did you mean "KAFKA_BROKERS"?'),
        ("min_insync = 1", "min_insync = 2", "min_insync cannot be more than replication"),
        ("min_insync = 1", "commit_timeout_s = 30\nmin_insync = 1",
         "commit_timeout_s cannot be more than transaction_timeout_s"),
        ("[log.kafka]", "[log.kafak]", 'unknown key; did you mean "kafka"?'),
        ("[realms.lab]", '[log.kafka.sasl]\nmechanism = "PLAIN"\n[realms.lab]',
         "PLAIN needs username and password"),
        ("[realms.lab]", '[log.kafka.sasl]\nmechanism = "OAUTHBEARER"\n[realms.lab]',
         "OAUTHBEARER needs token_file"),
        (HEAD, '[log.kafka.registry]\nurl = "registry"\n' + HEAD, "log.kafka.registry.url"),
        (HEAD, '[log.kafka.registry]\nurl = "https://r"\nusername = "u"\n' + HEAD,
         "username and password belong together"),
        (HEAD, '[log.kafka.registry]\nurl = "http://r"\ntoken = "t"\n' + HEAD,
         "url: http lets everybody on the way read the password; use https"),
        (HEAD, HEAD + 'instance = "a b"\n', "log.kafka.instance"),
        (HEAD, HEAD + 'prefix = "å"\n', "log.kafka.prefix"),
    ],
    ids=[
        "no port", "no broker", "variable", "insync", "time-outs", "no table", "plain", "oauth",
        "registry's address", "registry's password", "registry's encryption", "instance", "prefix",
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_a_reason(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, changed(old, new))
    assert expected in str(caught.value)


OWN = "\n[subscribers.portal.kafka]\n"


def test_a_topic_of_its_own_has_a_subscribers_name_and_is_kept_for_days(tmp_path: Path) -> None:
    found = loaded(tmp_path, LAB_KAFKA.read_text("utf-8") + OWN + "keep_days = 2\n")
    settings = found.settings.subscribers["portal"].settings
    opened: list[Topic] = []
    channel = KINDS["kafka"].open(settings, Opening("portal", open_topic=opens(opened)))
    asyncio.run(channel.test("test-1", datetime(2026, 1, 15, tzinfo=UTC)))
    assert [(topic.name, topic.retention_s) for topic in opened] == [("told.portal", 2 * DAY_S)]


def opens(opened: list[Topic]) -> Callable[[Topic], Log]:
    def open_topic(topic: Topic) -> Log:
        opened.append(topic)
        return MemoryLog(1, [topic])

    return open_topic


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (OWN.replace("portal", '"pörtal"'), "subscribers.pörtal: the name is part of a topic's"),
        (OWN.replace("portal", "p" * 240), "with prefix and `told.` 249 at most"),
        (OWN.replace("portal", "a_b") + OWN.replace("portal", '"a.b"'), "that of 'a_b' cannot both be"),
        (OWN + "keep_days = 32\n", "subscribers.portal.kafka.keep_days"),
        (OWN + 'host = "kafka1"\n', "subscribers.portal.kafka.host: unknown key"),
        (OWN + '[subscribers.portal.mllp]\nhost = "orbit.example"\nport = 2575\n',
         "give one of the tables webhook, mllp, fhir, kafka"),
    ],
    ids=["letters", "length", "like another", "too long", "not its own cluster", "two ways"],
)  # fmt: skip
def test_a_topic_that_no_broker_would_make_is_refused(
    more: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, LAB_KAFKA.read_text("utf-8") + more)
    assert expected in str(caught.value)


@pytest.mark.parametrize("with_table", [False, True])
def test_with_the_log_in_a_file_there_is_no_topic_of_its_own(
    tmp_path: Path, *, with_table: bool
) -> None:
    lab = LAB_KAFKA.with_name("lab.toml").read_text("utf-8")
    cluster = '\n[log.kafka]\nbrokers = "kafka1:9092"\n' if with_table else ""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, lab + cluster + OWN)
    assert "subscribers.portal.kafka: a topic of its own" in str(caught.value)
    assert 'needs [log] engine = "kafka"' in str(caught.value)


def test_credentials_without_encryption_are_warned_of(tmp_path: Path) -> None:
    bare = loaded(tmp_path, changed("[realms.lab]", SASL + "[realms.lab]"))
    assert any("log.kafka.tls" in each and "act as us" in each for each in bare.warnings())
    tls = "[log.kafka.tls]\n" + SASL
    encrypted = loaded(tmp_path, changed("[realms.lab]", tls + "[realms.lab]"))
    assert not any(warning.startswith("log.kafka") for warning in encrypted.warnings())


def test_a_password_is_in_no_text(tmp_path: Path) -> None:
    found = loaded(tmp_path, changed("[realms.lab]", SASL + "[realms.lab]"))
    assert found.settings.log.kafka is not None
    settings = kafka_settings(found.settings.log.kafka, 1, tmp_path)
    assert settings.sasl == Sasl("PLAIN", "u", "s3cret")
    assert "s3cret" not in f"{found!r} {settings!r} {found.settings.model_dump_json()}"


def test_paths_start_from_the_data_folder(tmp_path: Path) -> None:
    text = changed("[realms.lab]", '[log.kafka.tls]\nca_file = "ca.pem"\n[realms.lab]')
    section = loaded(tmp_path, text).settings.log.kafka
    assert section is not None
    assert kafka_settings(section, 1, tmp_path).tls == KafkaTls(ca_file=tmp_path / "ca.pem")

"""The development broker: it says what is missing, answers when ready, and keeps nothing."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import kafka_dev
from kafka_dev import HERE, INSTALL, JavaMissingError
from tests.packaging.project import ROOT


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(JavaMissingError, match="openjdk-17-jre-headless maven"):
        kafka_dev._java("kafka.Kafka")


def test_the_packages_it_names_are_those_of_the_readme() -> None:
    packages = INSTALL.removeprefix("sudo apt-get install -y ")
    assert packages in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_jars_are_not_tracked() -> None:
    ignored = subprocess.run(["git", "check-ignore", HERE / ".jars/x"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_the_command_starts_a_broker_says_where_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, str(HERE / "kafka_dev.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline()
    host, port = said.removeprefix("KAFKA_BROKERS=").strip().split(":")
    with socket.create_connection((host, int(port)), timeout=5):
        assert list(tmp_path.iterdir())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


def test_an_id_of_a_cluster_may_begin_with_a_dash(tmp_path: Path) -> None:
    """One in 64 does: base64 of a random number."""
    ports = kafka_dev._ports(kafka_dev.NOTHING_MORE)
    voters = f"0@{kafka_dev.HOST}:{ports[kafka_dev.CONTROLLER]}"
    properties = kafka_dev._properties(0, 1, kafka_dev.NOTHING_MORE, voters)
    broker = kafka_dev.Broker(tmp_path / "broker", ports, properties)
    broker.format("-L6g3nShT2eMCtK33X86sw", ())
    formatted = (tmp_path / "broker" / "data" / "meta.properties").read_text(encoding="utf-8")
    assert "cluster.id=-L6g3nShT2eMCtK33X86sw" in formatted

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

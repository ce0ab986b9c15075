"""A start with a damaged register or secret, as a process: lists are served, nobody is keyed anew, and it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_service import soon, started, tell
from tests.support.service import Service
from tests.wardbridge.support import lab_text

REGISTER = "id;name;hospital;alias:ehr\nW1;First;Norr;\nW2;Second;Norr;\n"


@pytest.fixture
def service(tmp_path: Path) -> Any:
    text = lab_text().replace("open = true", 'register = "wards.csv"')
    (tmp_path / "test.toml").write_text(text, encoding="utf-8")
    (tmp_path / "data").mkdir()
    made = Service(tmp_path / "data", tmp_path / "test.toml")
    (made.data / "wards.csv").write_text(REGISTER, encoding="utf-8")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def with_a_patient(service: Service) -> None:
    started(service)
    tell(service, ("A14", "W1"))
    expected(service, "W1", 1)
    assert service.stop() == 0


@soon
def expected(service: Service, ward: str, number: int) -> None:
    """A list is 503 while it is loaded, and nobody answers before the start."""
    try:
        assert len(service.get(f"/v1/wards/{ward}/inbound")["patients"]) == number
    except httpx.HTTPError as error:
        raise AssertionError from error


@soon
def feed_says(service: Service, *words: str) -> None:
    (said,) = [each for each in service.get("/health")["feeds"] if each["name"] == "hl7"]
    reason = said["blocking"] or said["trouble"] or "well"
    assert all(word in reason for word in words), reason


def metric(service: Service, name: str) -> str:
    page = httpx.get(f"{service.url}/metrics", timeout=5).text
    return next(line.split()[-1] for line in page.splitlines() if line.startswith(f"{name} "))


def test_with_a_damaged_register_wards_are_told_by_the_last_good_one_and_health_says_so(
    service: Service,
) -> None:
    with_a_patient(service)
    register = service.data / "wards.csv"
    register.write_bytes(b"id;name;hospital\nW1;")
    started(service)
    tell(service, ("A14", "W2"), visit="V2", step=10)
    expected(service, "W1", 1)
    expected(service, "W2", 1)
    trouble = service.get("/health")["register_trouble"]
    assert f"{register}:2: " in trouble
    assert metric(service, "wardbridge_register_read") == "0.0"
    assert '"register_damaged"' in service.said()
    assert service.stop() == 0
    register.write_text(REGISTER, encoding="utf-8")
    started(service)
    assert service.get("/health")["register_trouble"] is None
    assert metric(service, "wardbridge_register_read") == "1.0"


def missing(secret: Path) -> None:
    secret.unlink()


def another(secret: Path) -> None:
    secret.write_bytes(b"0123456789abcdef" * 4)


def empty(secret: Path) -> None:
    secret.write_bytes(b"")


@pytest.mark.parametrize("damage", [missing, another, empty])
def test_with_a_damaged_secret_lists_are_served_and_no_patient_is_keyed_anew(
    damage: Callable[[Path], None], service: Service
) -> None:
    with_a_patient(service)
    secret = service.data / "patient.key"
    content = secret.read_bytes()
    damage(secret)
    left = secret.read_bytes() if secret.exists() else None
    service.start()
    expected(service, "W1", 1)
    feed_says(service, str(secret), "restore it from the copy that belongs to this log")
    assert (secret.read_bytes() if secret.exists() else None) == left, "none is made"
    with pytest.raises(OSError, match="refused"):
        tell(service, ("A14", "W2"), visit="V2", step=10)
    secret.write_bytes(content)
    feed_says(service, "well")  # without a restart
    tell(service, ("A14", "W2"), step=20)
    expected(service, "W1", 0)
    expected(service, "W2", 1)

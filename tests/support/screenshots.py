"""Pictures of the ward board in each state that it shows: ``make screenshots``.

One ward that sees who they are, three on the way: one acknowledged, one changed since, one protected; one who will leave; free
places, and fewer than none; and the sign-in.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.access import TOKENS, bearer, lab_with_access
from tests.support.browser import browsing, violations
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient, code_of
from tests.support.service import Service

WARD: Final = "NORR-MED"
REGISTER: Final = (
    "id;name;hospital;care_type;places\nNORR-MED;Medicin 51;Norr;somatic;{places}\n"
    "AKM;Akutmottagningen;Söder;emergency;\n"
)
PLACES: Final = 2
AA: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
WITHIN_S: Final = 90
HEARD_WITHIN_S: Final = 60
AT: Final = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=50)


class Look(NamedTuple):
    """Which screen, in which language and light."""

    name: str
    width: int
    height: int
    language: str
    scheme: str


LOOKS: Final = tuple(
    Look(f"{screen}-{language}-{scheme}", width, height, language, scheme)
    for screen, width, height in (("wall", 1920, 1080), ("phone", 390, 844))
    for language in ("sv", "en")
    for scheme in ("light", "dark")
)


OVERCROWDED: Final = (LOOKS[0], LOOKS[-1])
"""In these the ward has more patients than places, too."""


class Picture(NamedTuple):
    """One that was taken, and what axe-core finds wrong with what it shows."""

    file: Path
    violations: Sequence[dict[str, Any]]
    overflows: bool


def pictures(folder: Path) -> Iterator[Picture]:
    """Take them all, from the real service in a real browser."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, browsing() as chrome:
        service = on_a_ward(Path(place))
        try:
            for look in LOOKS:
                yield from _taken(chrome, service, look, folder)
            for look in OVERCROWDED:
                yield _overcrowded(chrome, service, look, folder)
        finally:
            service.stop()


def on_a_ward(place: Path) -> Service:
    """A service whose ward has somebody in each state on the way."""
    service = lab_with_access(place, WARD, names=True)
    text = service.config.read_text(encoding="utf-8")
    service.config.write_text(
        text.replace("open = true", 'register = "wards.csv"'), encoding="utf-8"
    )
    (service.data / "wards.csv").write_text(REGISTER.format(places=PLACES), encoding="utf-8")
    service.start()
    service.wait_until_ready()
    with MllpClient(service.mllp_port) as client:
        for number, (visit, event) in enumerate((v, e) for v in "123" for e in ("A01", "A14")):
            at = Visit(f"2026-000{visit}", AT + timedelta(minutes=number))
            told = message(at, event, f"{visit}-{event}", ward=WARD)
            if visit == "3":
                told = told.replace(b"\rPV1|", b"\rPD1||||||||||||Y\rPV1|")
            assert code_of(client.ask(told)) == "AA"
        leaving = message(Visit("2026-0009", AT, place=WARD), "A01", "leaving")
        leaves = (AT + timedelta(hours=2)).strftime("%Y%m%d%H%M%S+0000").encode()
        assert code_of(client.ask(leaving + b"PV2|||||||||" + leaves + b"\r")) == "AA"
        _acknowledge(service, "2026-0001")
        _acknowledge(service, "2026-0002")
        moved = Visit("2026-0002", AT + timedelta(minutes=20))
        bed = message(moved, "A14", "moved", ward=f"{WARD}^12^B")
        assert code_of(client.ask(bed)) == "AA"
    _waiting(service, room="12")
    return service


@retry(stop=stop_after_delay(WITHIN_S), wait=wait_fixed(0.05), reraise=True,
       retry=retry_if_exception_type((AssertionError, httpx.HTTPError)))  # fmt: skip
def _waiting(service: Service, **said: str) -> dict[str, Any]:
    """The one in the list of whom this is said."""
    answer = httpx.get(f"{service.url}/v1/wards/{WARD}/inbound", headers=bearer("wall"))
    listed = answer.raise_for_status().json()["patients"]
    found = [
        each
        for each in listed
        if all({**each, **each["visit"]}[name] == value for name, value in said.items())
    ]
    assert len(found) == 1
    one: dict[str, Any] = found[0]
    return one


def _acknowledge(service: Service, visit: str) -> None:
    designation = _waiting(service, visit=visit)["designation"]
    path = f"/v1/wards/{WARD}/inbound/{designation}/acknowledgement"
    httpx.post(f"{service.url}{path}", headers=bearer("wall")).raise_for_status()


def _taken(chrome: Chrome, service: Service, look: Look, folder: Path) -> Iterator[Picture]:
    wait = WebDriverWait(chrome, WITHIN_S, 0.05)
    _open(chrome, service, look)
    yield _picture(chrome, folder / f"sign-in-{look.name}.png")
    _sign_in(chrome)
    wait.until(lambda _: len(chrome.find_elements(By.CSS_SELECTOR, "#patients li")) == 3)
    wait.until(lambda _: chrome.find_element(By.ID, "leaving").is_displayed())
    yield _picture(chrome, folder / f"board-{look.name}.png")
    chrome.delete_all_cookies()


def _overcrowded(chrome: Chrome, service: Service, look: Look, folder: Path) -> Picture:
    """While the board is looked at: it hears of it, sooner than it would have read its list again."""
    _open(chrome, service, look)
    _sign_in(chrome)
    with MllpClient(service.mllp_port) as client:
        for number in range(PLACES):
            came = Visit(f"{look.name}-{number}", AT, place=WARD)
            assert code_of(client.ask(message(came, "A01", came.number))) == "AA"
    WebDriverWait(chrome, HEARD_WITHIN_S, 0.05).until(
        lambda _: chrome.find_elements(By.CSS_SELECTOR, "#places.is-short")
    )
    picture = _picture(chrome, folder / f"overcrowded-{look.name}.png")
    chrome.delete_all_cookies()
    return picture


def _open(chrome: Chrome, service: Service, look: Look) -> None:
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": look.scheme}]},
    )
    chrome.set_window_size(look.width, look.height)
    chrome.get(f"{service.url}/wards/{WARD}?lang={look.language}")
    wait = WebDriverWait(chrome, WITHIN_S, 0.05)
    wait.until(lambda _: chrome.find_element(By.ID, "sign-in").is_displayed())


def _sign_in(chrome: Chrome) -> None:
    chrome.find_element(By.ID, "token").send_keys(TOKENS["wall"])
    chrome.find_element(By.CSS_SELECTOR, "#sign-in button").click()
    wait = WebDriverWait(chrome, WITHIN_S, 0.05)
    wait.until(lambda _: chrome.find_elements(By.CSS_SELECTOR, "#places:not([hidden])"))


def _picture(chrome: Chrome, file: Path) -> Picture:
    assert chrome.save_screenshot(str(file))
    wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return Picture(file, violations(chrome, *AA), bool(chrome.execute_script(wider)))


if __name__ == "__main__":
    for taken in pictures(Path(sys.argv[1])):
        print(taken.file)

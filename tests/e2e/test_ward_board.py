"""The ward board in a real browser, over the real service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.browser import browsing, complaints, violations
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient, code_of
from tests.support.service import Service

AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
WITHIN_S = 90
AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all tests; each has a ward of its own."""
    service = started(tmp_path_factory.mktemp("running"))
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browsing() as chrome:
        yield chrome


def started(folder: Path) -> Service:
    service = Service(folder / "data")
    service.data.mkdir()
    service.start()
    service.wait_until_ready()
    return service


def tell(service: Service, visit: str, *events: tuple[str, str]) -> None:
    with MllpClient(service.mllp_port) as client:
        for number, (event, ward) in enumerate(events):
            at = Visit(visit, AT + timedelta(seconds=number))
            answer = client.ask(message(at, event, f"{visit}-{number}", ward=ward))
            assert code_of(answer) == "AA", answer


def text(chrome: Chrome, selector: str) -> str:
    return chrome.find_element(By.CSS_SELECTOR, selector).text


def visits(chrome: Chrome) -> list[str]:
    read = "return [...document.querySelectorAll('li')].map(li => [...li.querySelectorAll('dd')].at(-1).textContent)"
    found: list[str] = chrome.execute_script(read)
    return sorted(found)


def wait_for(chrome: Chrome, visit_numbers: list[str]) -> None:
    WebDriverWait(chrome, WITHIN_S, 0.05).until(lambda _: visits(chrome) == visit_numbers)


def look(chrome: Chrome, service: Service, ward: str, **query: str) -> None:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    chrome.get(f"{service.url}/wards/{ward}?{asked}")
    WebDriverWait(chrome, WITHIN_S, 0.05).until(lambda _: text(chrome, "#state"))


def test_a_patient_appears_when_marked_and_goes_when_not(running: Service, chrome: Chrome) -> None:
    tell(running, "B1", ("A14", "BOARD-1"))
    complaints(chrome)  # of the test before
    look(chrome, running, "BOARD-1", lang="sv")
    wait_for(chrome, ["B1"])
    assert text(chrome, "#count") == "1 patient på väg"
    assert chrome.find_elements(By.CSS_SELECTOR, "li.is-new") == []  # it was there already
    tell(running, "B2", ("A14", "BOARD-1"))
    wait_for(chrome, ["B1", "B2"])
    assert len(chrome.find_elements(By.CSS_SELECTOR, "li.is-new")) == 1
    tell(running, "B1", ("A14", "BOARD-1"), ("A27", "BOARD-1"))
    wait_for(chrome, ["B2"])
    assert complaints(chrome) == []


KEEP_STREAMS = """
window.streams = [];
window.EventSource = class extends EventSource {
  constructor(...all) { super(...all); window.streams.push(this); }
};"""
HUNDRED_NOTICES = (
    "for (let n = 0; n < 100; n++) streams.at(-1).dispatchEvent(new MessageEvent('message'))"
)


def test_many_notices_at_once_have_the_list_read_once_more(
    running: Service, chrome: Chrome
) -> None:
    kept = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP_STREAMS})
    look(chrome, running, "BOARD-4")
    until_it_reads_no_more(chrome, beyond=0)
    before = readings(chrome)
    chrome.execute_script(HUNDRED_NOTICES)
    until_it_reads_no_more(chrome, beyond=before)
    assert 1 <= readings(chrome) - before <= 3  # now, once more, and perhaps at its interval
    chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", kept)


def until_it_reads_no_more(chrome: Chrome, beyond: int) -> None:
    """It has read more often than so, and a second later no more often."""
    seen = [-1]

    def is_quiet(_: Chrome) -> bool:
        seen.append(readings(chrome))
        return seen[-1] > beyond and seen[-1] == seen[-2]

    WebDriverWait(chrome, WITHIN_S, 1.0).until(is_quiet)


def readings(chrome: Chrome) -> int:
    """How often the page has asked for its list."""
    count = "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/inbound')).length"
    found: int = chrome.execute_script(count)
    return found


def test_nobody_on_the_way_is_said_in_the_language_chosen(running: Service, chrome: Chrome) -> None:
    look(chrome, running, "BOARD-2", lang="en")
    assert text(chrome, "#nobody") == "No patient is on the way here."
    chrome.find_element(By.ID, "language").click()
    assert text(chrome, "#nobody") == "Ingen patient är på väg hit."
    assert chrome.find_element(By.TAG_NAME, "html").get_attribute("lang") == "sv"


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (390, 844)], ids=["wall", "phone"])
def test_it_can_be_read_by_everybody(
    width: int, height: int, running: Service, chrome: Chrome
) -> None:
    ward = f"BOARD-{width}"
    tell(running, f"B{width}", ("A14", ward))
    chrome.set_window_size(width, height)
    look(chrome, running, ward)
    wait_for(chrome, [f"B{width}"])
    assert violations(chrome, *AA) == []
    wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert chrome.execute_script(wider) is False


def test_what_a_source_calls_a_visit_is_text_and_never_markup(
    running: Service, chrome: Chrome
) -> None:
    tell(running, "<img src=x onerror=alert(1)>", ("A14", "BOARD-3"))
    look(chrome, running, "BOARD-3")
    wait_for(chrome, ["<img src=x onerror=alert(1)>"])
    assert chrome.find_elements(By.CSS_SELECTOR, "li img") == []


def test_a_board_without_contact_says_so_and_recovers(tmp_path: Path, chrome: Chrome) -> None:
    service = started(tmp_path)
    tell(service, "B4", ("A14", "BOARD-4"))
    look(chrome, service, "BOARD-4", lang="sv")
    wait_for(chrome, ["B4"])
    assert not chrome.find_element(By.ID, "alarm").is_displayed()
    service.kill()
    chrome.execute_script("const now = Date.now; Date.now = () => now() + 60000;")
    wait = WebDriverWait(chrome, WITHIN_S, 0.05)
    wait.until(lambda _: text(chrome, "#alarm").startswith("Ingen kontakt sedan"))
    assert text(chrome, "#state") == ""
    service.start()
    service.wait_until_ready()
    wait.until(lambda _: not chrome.find_element(By.ID, "alarm").is_displayed())
    assert visits(chrome) == ["B4"]
    assert service.stop() == 0

"""Access over the real service: tokens, a browser that signs in, and what nobody hears of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.test_ward_board import AA, AT, WITHIN_S, tell, text, visits, wait_for
from tests.support.access import TOKENS, bearer, lab_with_access
from tests.support.browser import browsing, violations
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient, code_of
from tests.support.service import Service
from tests.wardbridge.support import command
from tests.wardbridge.test_oidc import AUDIENCE, ISSUER, KEYS, STRANGER, signed

WARD, OTHER = "IVA/1", "IVA"
PATH = "/v1/wards/IVA%2F1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = lab_with_access(tmp_path_factory.mktemp("access"), WARD)
    service.start()
    service.wait_until_ready()
    tell(service, "A1", ("A14", WARD))
    yield service
    assert service.stop() == 0
    said = service.said()
    assert [token for token in TOKENS.values() if token in said] == []


@pytest.fixture
def chrome() -> Iterator[Chrome]:
    with browsing() as chrome:
        yield chrome


CASES = [
    # path, anybody, wall, portal, prometheus
    ("/livez", 200, 200, 200, 200),
    ("/readyz", 200, 200, 200, 200),
    ("/health", 401, 403, 403, 200),
    ("/metrics", 401, 403, 403, 200),
    (f"{PATH}/inbound", 401, 200, 200, 403),
    ("/v1/wards/IVA/1/inbound", 401, 200, 200, 403),
    ("/v1/wards/IVA/inbound", 401, 403, 200, 403),
    ("/v1/wards/IVA%252F1/inbound", 401, 403, 200, 403),
    ("/v1/wards/iva%2F1/inbound", 401, 403, 200, 403),
    ("/v1/wards/IVA%2F1%00/inbound", 401, 403, 200, 403),
    ("/v1/wards/IVA%2F1/../IVA/inbound", 401, 403, 200, 403),
    ("/v1/wards/IVA%2F1%2F..%2FIVA/inbound", 401, 403, 200, 403),
    ("/v1/wards/IVA/inbound?ward=IVA%2F1", 401, 403, 200, 403),
    (f"{PATH}/stream", 401, 200, 200, 403),
    ("/v1/wards/IVA/stream", 401, 403, 200, 403),
    ("/wards/IVA", 200, 200, 200, 200),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_who_may_see_what(case: tuple[str, int, int, int, int], running: Service) -> None:
    path, *expected = case
    readers = map(bearer, ("wall", "portal", "prometheus"))
    assert [status(running, path, headers) for headers in ({}, *readers)] == expected


def status(service: Service, path: str, headers: dict[str, str]) -> int:
    """Of the answer's head: a stream goes on. The path goes out as it stands."""
    url = httpx.URL(service.url).copy_with(raw_path=path.encode())
    with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
        return answer.status_code


def test_sending_again_needs_the_right_to_operate(running: Service) -> None:
    url = f"{running.url}/v1/subscribers/portal/deliveries/1"
    codes = [httpx.post(url, headers=headers).status_code
             for headers in ({}, bearer("portal"), bearer("operator"))]  # fmt: skip
    assert codes == [401, 403, 404]


def test_nothing_is_said_of_a_request_before_it_is_known_who_asks(running: Service) -> None:
    url = f"{running.url}{PATH}"
    assert httpx.post(f"{url}/inbound/no-id/acknowledgement").status_code == 401
    assert httpx.get(f"{url}/stream", headers={"Last-Event-ID": "x"}).status_code == 401
    assert httpx.post(f"{url}/inbound/{'0' * 32}/acknowledgement", headers=bearer("portal")).status_code == 403  # fmt: skip


def test_a_list_stays_in_no_cache(running: Service) -> None:
    answer = httpx.get(f"{running.url}{PATH}/inbound", headers=bearer("wall"))
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_in_the_address_counts_for_nothing(running: Service) -> None:
    for query in (f"token={TOKENS['portal']}", f"access_token={TOKENS['portal']}"):
        assert status(running, f"{PATH}/inbound?{query}", {}) == 401


def test_a_wall_screen_signs_in_once_and_sees_its_ward_only(
    running: Service, chrome: Chrome
) -> None:
    wait = WebDriverWait(chrome, WITHIN_S, 0.05)
    chrome.get(f"{running.url}/wards/IVA%2F1?lang=sv")
    wait.until(lambda _: chrome.find_element(By.ID, "sign-in").is_displayed())
    assert visits(chrome) == []
    assert violations(chrome, *AA) == []
    sign_in(chrome, "not-a-token-of-this-service")
    wait.until(lambda _: text(chrome, "#sign-in [role=alert]") == "Nyckeln gäller inte.")
    sign_in(chrome, TOKENS["wall"])
    wait_for(chrome, ["A1"])
    assert not chrome.find_element(By.ID, "sign-in").is_displayed()
    (cookie,) = chrome.get_cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert TOKENS["wall"] not in cookie["value"]
    assert chrome.execute_script("return document.cookie") == ""
    tell(running, "A2", ("A14", WARD))  # told by the stream, which cannot show a header
    wait_for(chrome, ["A1", "A2"])
    chrome.get(f"{running.url}/wards/IVA?lang=sv")
    wait.until(lambda _: text(chrome, "#alarm") == "Den här skärmen får inte se avdelningen.")
    assert chrome.get_cookies()
    tell(running, "A2", ("A27", WARD))


def sign_in(chrome: Chrome, token: str) -> None:
    chrome.find_element(By.ID, "token").send_keys(token)
    chrome.find_element(By.CSS_SELECTOR, "#sign-in button").click()


def test_another_sites_page_cannot_have_a_screen_act(running: Service) -> None:
    answer = httpx.post(f"{running.url}/v1/session", json={"token": TOKENS["wall"]})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].partition(";")[0]
    for headers, expected in (({"Origin": "https://evil.example"}, 403), ({}, 204)):
        told = httpx.delete(f"{running.url}/v1/session", headers={"Cookie": cookie, **headers})
        assert told.status_code == expected


def test_a_tap_acknowledges_for_everybody_and_survives_a_restart(
    tmp_path: Path, chrome: Chrome
) -> None:
    service = lab_with_access(tmp_path, WARD, names=True)
    service.start()
    service.wait_until_ready()
    with MllpClient(service.mllp_port) as client:
        for event, place in (("A01", "AKM"), ("A14", WARD)):
            told = message(Visit("TAPPED", AT), event, f"TAPPED-{event}", ward=place)
            assert code_of(client.ask(told)) == "AA"
    drawn_anew = [StaleElementReferenceException]
    wait = WebDriverWait(chrome, WITHIN_S, 0.05, ignored_exceptions=drawn_anew)
    chrome.get(f"{service.url}/wards/IVA%2F1?lang=en")
    wait.until(lambda _: chrome.find_element(By.ID, "sign-in").is_displayed())
    sign_in(chrome, TOKENS["wall"])
    wait_for(chrome, ["TAPPED"])
    card = text(chrome, "#patients li")
    assert ("Comes from\nAKM" in card, "Acknowledged" in card) == (True, False)
    assert "Name\nÅström, Örjan" in card
    assert "Patient number (LAB)\nPTAPPED" in card
    assert violations(chrome, *AA) == []
    chrome.find_element(By.CSS_SELECTOR, "#patients button").click()
    wait.until(lambda _: "Acknowledged" in text(chrome, "#patients li"))
    assert "by wall" in text(chrome, "#patients li")
    assert chrome.find_elements(By.CSS_SELECTOR, "#patients button") == []
    assert violations(chrome, *AA) == []
    with MllpClient(service.mllp_port) as client:
        for event in ("A14", "A27"):
            told = message(Visit("SHIELDED", AT), event, f"SHIELDED-{event}", ward=WARD)
            marked = told.replace(b"\rPV1|", b"\rPD1||||||||||||Y\rPV1|")
            assert code_of(client.ask(marked)) == "AA"
            wait_for(chrome, ["SHIELDED", "TAPPED"] if event == "A14" else ["TAPPED"])
            if event == "A14":
                (mark,) = chrome.find_elements(By.CSS_SELECTOR, "#patients .is-protected")
                card = mark.find_element(By.XPATH, "..").text
                assert card.startswith("Protected person\nName\nÅström, Örjan")
    service.kill()
    service.start()
    service.wait_until_ready()
    listed = httpx.get(f"{service.url}{PATH}/inbound", headers=bearer("portal")).json()
    (patient,) = listed["patients"]
    assert (patient["acknowledged"]["by"], patient["details"]) == ("wall", None)
    assert patient["patient"] is None
    again = httpx.get(f"{service.url}{PATH}/inbound", headers=bearer("wall")).json()
    assert again["patients"][0]["patient"]["family"] == "Åström"
    assert service.stop() == 0
    audited = [
        json.loads(line)
        for line in command(
            "audit", "list", "--data", service.data, "--visit", "TAPPED"
        ).stdout.splitlines()
    ]
    assert {(entry["reader"], entry["action"], entry["fields"]) for entry in audited} == {
        ("wall", "listed", "identified"), ("wall", "acknowledged", "minimal"), ("portal", "listed", "minimal"),
    }  # fmt: skip
    assert {each["visit"]["visit"] for entry in audited for each in entry["seen"]} == {"TAPPED"}
    key = next(each["patient"] for entry in audited for each in entry["seen"] if each["patient"])
    by_patient = command("audit", "list", "--data", service.data, "--patient", key).stdout
    looked_up = [each["action"] for each in map(json.loads, by_patient.splitlines())]
    assert sorted(looked_up) == sorted([*(each["action"] for each in audited), "looked-up"])
    assert command("audit", "list", "--data", service.data, "--reader", "nobody").stdout == ""
    assert [word for word in ("TAPPED", "Åström") if word in service.said()] == []


class Keys(BaseHTTPRequestHandler):
    """What the identity provider publishes; the class holds the document."""

    document = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()
        thread.join()


def test_a_person_is_known_by_the_identity_providers_token(tmp_path: Path, provider: str) -> None:
    oidc = f"""
[http.access.oidc]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_url = "{provider}"
roles_claim = "realm_access.roles"
wards_claim = "wards"
unit_claim = "unit"
[http.access.oidc.roles.nurse]
"""
    Keys.document = KEYS
    service = lab_with_access(tmp_path, WARD, oidc)
    service.start()
    service.wait_until_ready()
    tell(service, "PERSON-1", ("A14", WARD))
    shown = [signed(wards=[WARD]), signed(wards=["IVA"]), signed(STRANGER, wards=[WARD])]
    codes = [status(service, f"{PATH}/inbound", {"Authorization": f"Bearer {token}"}) for token in shown]  # fmt: skip
    assert codes == [200, 403, 401]
    assert service.stop() == 0
    listed = command("audit", "list", "--data", service.data).stdout.splitlines()
    entries = [json.loads(line) for line in listed]
    (entry,) = (entry for entry in entries if entry["action"] != "refused")
    assert (entry["reader"], entry["how"], entry["unit"]) == ("anna", "oidc", "MED")
    refused = [entry["status"] for entry in entries if entry["action"] == "refused"]
    assert sorted(refused) == [401, 403]
    assert [part for token in shown for part in token.split(".") if part in service.said()] == []


def test_commands_reach_a_service_that_listens_everywhere(tmp_path: Path) -> None:
    service = lab_with_access(tmp_path, WARD)
    before, http, after = service.config.read_text("utf-8").partition("[http]\n")
    assert 'host = "127.0.0.1"' in after
    everywhere = after.replace('host = "127.0.0.1"', 'host = "0.0.0.0"', 1)
    service.config.write_text(before + http + everywhere, encoding="utf-8")
    service.start()
    try:
        service.wait_until_ready()
        where = (
            "--config",
            service.config,
            "--data",
            service.data,
            "--port-offset",
            str(service.offset),
        )
        listed = command("review", "list", *where, "--token-file", tmp_path / "operator.token")
        assert (listed.returncode, listed.stderr) == (0, ""), "the service itself was asked"
        assert service.stop() == 0
    finally:
        service.kill()

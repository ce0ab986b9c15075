"""Certificates over the real service: the port's own, and those of its clients."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.access import bearer, lab_with_access
from tests.support.certificates import Certificate, self_signed
from tests.support.service import READY_WITHIN_S, Service
from tests.wardbridge.support import cli

WARD = "MED"


class Running(NamedTuple):
    """The service, the address of its encrypted port, and the certificates in play."""

    service: Service
    url: str
    server: Certificate
    portal: Certificate

    def client(self, shows: Certificate | None = None) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.server.file)
        if shows:
            context.load_cert_chain(*shows)
        return httpx.Client(base_url=self.url, verify=context, trust_env=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tls")
    server, portal = self_signed(folder, "server"), self_signed(folder, "portal")
    service = lab_with_access(folder, WARD, f"""
[http.access.certificates.portal]
san = "DNS:localhost"
wards = ["{WARD}"]
[http.tls]
certificate_file = "../server.pem"
key_file = "../server.key"
client_ca_file = "../portal.pem"
client_certificate = "optional"
""")  # fmt: skip
    service.start()
    url = service.url.replace("http://127.0.0.1", "https://localhost")
    found = Running(service, url, server, portal)
    ready(found)
    yield found
    assert service.stop() == 0


@retry(stop=stop_after_delay(READY_WITHIN_S), wait=wait_fixed(0.1), reraise=True,
       retry=retry_if_exception_type((AssertionError, httpx.HTTPError)))  # fmt: skip
def ready(running: Running) -> None:
    with running.client() as client:
        assert client.get("/readyz").status_code == 200


def test_a_certificate_or_a_token_opens_what_it_is_for(running: Running) -> None:
    with running.client(running.portal) as known, running.client() as unknown:
        codes = [known.get(f"/v1/wards/{ward}/inbound").status_code for ward in (WARD, "KIR")]
        assert codes == [200, 403]
        assert unknown.get(f"/v1/wards/{WARD}/inbound").status_code == 401
        assert unknown.get("/v1/wards/KIR/inbound", headers=bearer("portal")).status_code == 200
        # who shows both is judged by the token
        assert (
            known.get(f"/v1/wards/{WARD}/inbound", headers=bearer("prometheus")).status_code == 403
        )


def test_a_certificate_of_another_authority_ends_the_handshake(
    running: Running, tmp_path: Path
) -> None:
    with (
        running.client(self_signed(tmp_path, "stranger")) as stranger,
        pytest.raises(httpx.HTTPError),
    ):
        stranger.get("/livez")


def test_a_notice_is_sent_again_with_a_token_that_may_operate(running: Running) -> None:
    service = running.service
    asked: list[str | Path] = ["deliveries", "resend", "nobody", "1", "--config", service.config, "--data",
             service.data, "--port-offset", str(service.offset)]  # fmt: skip
    with_none = cli(*asked)
    with_wrong, with_right = (
        cli(*asked, "--token-file", service.data.parent / f"{name}.token")
        for name in ("portal", "operator")
    )
    assert "show a token" in with_none.stderr
    assert "not with the rights that were shown" in with_wrong.stderr
    assert "there is no subscriber 'nobody'" in with_right.stderr

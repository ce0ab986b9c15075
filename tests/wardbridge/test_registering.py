"""Subscribers by name over HTTP, for those who operate: webhooks and receivers of HL7 v2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bus.records import records_of
from router.delivery.adt import TOLD
from router.delivery.channel import AttemptResult
from router.delivery.channels.mllp import MllpSettings
from router.delivery.channels.webhook import WebhookAsked
from router.delivery.history import state_of
from router.delivery.signature import secret_of
from schemas import topics
from schemas.registration import Registration
from tests.delivery.dispatching import Endpoint, dispatching, sender_to, until
from tests.wardbridge.test_fhir_surface import ACCESS, REGISTER, bearer, gate, post, subscription
from tests.wardbridge.test_http import Surface, surface

URL = "https://93.184.216.34/hook/geheim-1"
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ORBIT: dict[str, Any] = {"host": "orbit.example", "port": 2575, "pending": "transfer"}


def asked(work: Callable[[Surface], Any]) -> None:
    async def run() -> None:
        async with surface(register=REGISTER, gate=gate(), access=ACCESS) as running:
            await work(running)

    asyncio.run(run())


async def put(running: Surface, name: str, by: str = "admin", **wanted: Any) -> httpx.Response:
    of_channel = WebhookAsked.model_fields.keys() & wanted.keys()
    table = {"url": URL, **{key: wanted.pop(key) for key in of_channel - {"fields"}}}
    is_other = "mllp" in wanted and not of_channel - {"fields"}
    body = wanted if is_other else {"webhook": table, **wanted}
    return await running.client.put(f"/v1/subscribers/{name}", json=body, headers=bearer(by))


def keys_of(running: Surface, of: Registration) -> list[str]:
    asked = running.registrations.asked(of)
    assert isinstance(asked, WebhookAsked)
    return [each.get_secret_value() for each in asked.secrets]


def test_a_webhook_is_registered_changed_and_removed_and_its_secret_told_once() -> None:
    async def work(running: Surface) -> None:
        made = await put(running, "portal", wards=["MED"])
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        secret = made.json()["secret"]
        assert secret_of(secret)
        for path in ("/v1/subscribers/portal", "/v1/subscribers"):
            read = await running.client.get(path, headers=bearer("admin"))
            assert secret not in read.text
            assert "geheim" not in read.text
        changed = await put(running, "portal", kinds=["withdrawn"])
        assert (changed.status_code, changed.json()["revision"]) == (200, 2)
        assert changed.json()["secret"] is None
        entry = running.registrations.known()["portal"]
        assert keys_of(running, entry) == [secret]
        await put(running, "portal", secrets=[KEY])
        entry = running.registrations.known()["portal"]
        assert keys_of(running, entry) == [KEY]
        for status in (204, 404):
            gone = await running.client.delete("/v1/subscribers/portal", headers=bearer("admin"))
            assert gone.status_code == status
        kept = [record.value or b"" for record in records_of(running.log, topics.REGISTRATIONS)]
        assert not any(secret.encode() in value or b"geheim" in value for value in kept)

    asked(work)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (AttemptResult(status=204), {"refusal": None, "status": 204}),
        (AttemptResult("answered 401", 401), {"refusal": "answered 401", "status": 401}),
        (
            AttemptResult("nobody listens there"),
            {"refusal": "nobody listens there", "status": None},
        ),
    ],
)
def test_a_new_subscriber_is_tried_before_the_first_notice_and_what_came_of_it_is_told(
    answer: AttemptResult, told: dict[str, Any]
) -> None:
    async def work(running: Surface) -> None:
        assert (await put(running, "portal")).json()["tried"] is None
        endpoint = Endpoint()
        endpoint.tested = answer
        path = "/v1/subscribers/portal"
        async with dispatching(running.log, sender_to(endpoint, "portal")):
            await until(lambda: state_of(running.log, "portal").tried)
        found = (await running.client.get(path, headers=bearer("admin"))).json()["tried"]
        assert {name: found[name] for name in told} == told
        assert found["at"]
        assert (len(endpoint.tests), endpoint.sent) == (1, [])

    asked(work)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"url": "http://portal.example"}, 422), ({"url": "portal"}, 422),
        ({"url": "https://user:pw@93.184.216.34/"}, 422),
        ({"secrets": ["whsec_short"]}, 422), ({"wards": ["NOWHERE"]}, 422),
        ({"hospitals": ["Väster"]}, 422), ({"kinds": ["came"]}, 422), ({"timeout_s": 0}, 422),
        ({"tokens": []}, 422), ({"give_up_after_s": 0}, 422), ({"mllp": {"host": "10.0.0.7"}}, 422),
        ({"mllp": ORBIT, "url": URL + "/2"}, 422), ({"mllp": ORBIT, "secrets": [KEY]}, 422),
        ({"fhir": {"url": URL}}, 422), ({"kafka": {}}, 422), ({"allow_private": True}, 422),
        ({"mllp": {**ORBIT, "certificate_file": "a.pem"}}, 422),
        ({"mllp": {**ORBIT, "host": "224.0.0.1"}}, 422), ({"mllp": ORBIT, "kinds": ["arrived"]}, 422),
        ({"mllp": {**ORBIT, "sending_facility": "Söder"}}, 422), ({"mllp": {**ORBIT, "port": 0}}, 422),
    ],
)  # fmt: skip
def test_what_could_not_be_told_safely_is_refused(wanted: Any, status: int) -> None:
    async def work(running: Surface) -> None:
        answer = await put(running, "portal", **wanted)
        assert answer.status_code == status, answer.text
        assert running.registrations.known() == {}

    asked(work)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"webhook": {"url": "' + b"geheim" * 20_000 + b'"}}', 413),
        (b'{"webhook": {"url": ["geheim-1"]}}', 422), (b'{"webhook": "geheim"}', 422),
        (json.dumps({"webhook": {"url": URL, "secrets": "whsec_geheim"}}).encode(), 422),
        (b"geheim", 422), (b'{"url": "https://geheim.example/"}', 422),
        (json.dumps({"webhook": {"url": URL}, "reason": "geheim\ud800"}).encode(), 422),
        (json.dumps({"webhook": {"url": URL, "\ud800": "geheim"}}).encode(), 422),
        (b"[" * 60_000, 422), (b"", 422),
        (b'{"webhook": {"url": "geheim", "timeout_s": 1' + b"0" * 400 + b"}}", 422),
        (json.dumps({"webhook": {"url": URL, "give_up_after_s": float("inf")}}).encode(), 422),
    ],
)  # fmt: skip
def test_a_body_that_is_too_long_or_wrong_is_refused_and_not_quoted(
    body: bytes, status: int
) -> None:
    async def work(running: Surface) -> None:
        headers = {**bearer("admin"), "Content-Type": "application/json"}
        path = "/v1/subscribers/portal"
        answer = await running.client.put(path, content=body, headers=headers)
        assert (answer.status_code, "geheim" in answer.text) == (status, False)

    asked(work)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/wards/MED/inbound/geheim/acknowledgement", None),
        ("GET", "/v1/wards/MED/stream?after=geheim", None),
        ("GET", "/v1/subscribers/geheim%20", None),
        ("POST", "/v1/subscribers/portal/pause", {"reason": ["geheim"]}),
        ("POST", "/v1/subscribers/portal/deliveries/geheim", None),
    ],
)
def test_what_is_sent_amiss_is_not_quoted_anywhere(
    method: str, path: str, body: dict[str, Any] | None
) -> None:
    async def work(running: Surface) -> None:
        answer = await running.client.request(method, path, json=body, headers=bearer("chief"))
        assert (answer.status_code, "geheim" in answer.text) == (422, False), answer.text
        assert answer.json()["errors"][0]["loc"]

    asked(work)


def test_the_body_of_a_registration_is_described() -> None:
    async def work(running: Surface) -> None:
        said = (await running.client.get("/openapi.json", headers=bearer("admin"))).json()
        content = said["paths"]["/v1/subscribers/{name}"]["put"]["requestBody"]["content"]
        schemas = said["components"]["schemas"]

        def named(reference: dict[str, Any]) -> dict[str, Any]:
            found: dict[str, Any] = schemas[reference["$ref"].rpartition("/")[2]]
            return found

        body = named(content["application/json"]["schema"])
        tables = {name: named(body["properties"][name]["anyOf"][0]) for name in ("webhook", "mllp")}
        assert {"url", "secrets", "timeout_s"} <= tables["webhook"]["properties"].keys()
        assert {"host", "port", "pending"} <= tables["mllp"]["properties"].keys()
        assert named(body["properties"]["kinds"]["items"])["enum"]

    asked(work)


def test_a_receiver_of_hl7_is_registered_and_its_address_is_not_in_the_clear() -> None:
    async def work(running: Surface) -> None:
        patience = {"give_up_after_s": 60.0, "refused_after_s": 5.0}
        made = await put(running, "orbit", mllp=ORBIT | patience)
        assert (made.status_code, made.json()["secret"]) == (201, None)
        of = running.registrations.known()["orbit"]
        assert (of.channel, "orbit.example" in of.model_dump_json()) == ("mllp", False)
        assert made.json()["settings"]["pending"] == "transfer"
        assert "host" not in made.json()["settings"]
        settings = running.registrations.settings(of)
        assert isinstance(settings, MllpSettings)
        assert (settings.host, settings.port, settings.tls) == ("orbit.example", 2575, True)
        terms = settings.terms()
        assert (terms.give_up_after_s, terms.refused_after_s) == (60.0, 5.0)
        assert running.registrations.subscription(of).kinds == TOLD
        assert (await put(running, "orbit", timeout_s=3)).status_code == 409  # of another kind

    asked(work)


def test_who_it_is_goes_to_a_registered_receiver_of_hl7_over_tls_only() -> None:
    async def work(running: Surface) -> None:
        for tls, status in ((False, 422), (True, 201)):
            wanted: dict[str, Any] = {"mllp": {**ORBIT, "tls": tls}, "fields": "identified"}
            answer = await put(running, "orbit", by="chief", **wanted)
            assert answer.status_code == status, answer.text

    asked(work)


def test_only_those_who_operate_register_by_name_and_see_every_subscription() -> None:
    async def work(running: Surface) -> None:
        assert (await put(running, "portal", by="region")).status_code == 403
        number = (await post(running, subscription())).json()["id"]
        assert (await put(running, number)).status_code == 409  # of another kind
        listed = await running.client.get("/v1/subscribers", headers=bearer("admin"))
        assert [(s["name"], s["owner"]) for s in listed.json()["subscribers"]] == [
            (number, "portal")
        ]
        gone = await running.client.delete(f"/v1/subscribers/{number}", headers=bearer("admin"))
        assert gone.status_code == 204

    asked(work)


@pytest.mark.parametrize(
    ("by", "wanted", "status"),
    [
        ("admin", {}, 201), ("admin", {"fields": "operational"}, 403),
        ("chief", {"fields": "identified", "wards": ["MED"]}, 201),
        ("chief", {"fields": "identified"}, 201), ("chief", {"fields": "all"}, 422),
    ],
)  # fmt: skip
def test_nobody_has_others_told_more_than_they_may_read_themselves(
    by: str, wanted: Any, status: int
) -> None:
    async def work(running: Surface) -> None:
        answer = await put(running, "portal", by=by, **wanted)
        assert answer.status_code == status, answer.text
        known = running.registrations.known()
        if status == 201:
            fields = wanted.get("fields", "minimal")
            assert (answer.json()["fields"], known["portal"].fields) == (fields, fields)
            level_at = running.registrations.level_at(known["portal"])
            assert level_at("IVA", "Söder") == fields
        else:
            assert known == {}

    asked(work)

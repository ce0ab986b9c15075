"""Tokens of an identity provider: what is taken, what never, and how its keys are renewed."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from adapters.common.calls import NoAnswerError
from tests.wardbridge.test_access import REGISTER
from tests.wardbridge.test_http import surface
from wardbridge.config.authorisation import Grant, Reader
from wardbridge.net.server import HttpServer
from wardbridge.security.authenticator import Authenticator, Credentials
from wardbridge.security.jwks import (
    MAX_BYTES,
    MAX_KEYS,
    RETRY_S,
    STALE_S,
    KeySet,
    KeysUnavailableError,
    fetch_from,
)
from wardbridge.security.oidc import MAX_LIFE, Provider, Verifier

ISSUER, AUDIENCE = "https://id.example/region", "wardbridge"
SIGNER, STRANGER, CURVE = (
    rsa.generate_private_key(65_537, 2_048),
    rsa.generate_private_key(65_537, 2_048),
    ec.generate_private_key(ec.SECP256R1()),
)
PEM = SIGNER.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
NURSE = Grant(wards=frozenset({"MED", "KIR"}), may=frozenset({"read"}))
COORDINATOR = Grant(hospitals=frozenset({"Norr"}), may=frozenset({"read", "operate"}))


def jwk(key: rsa.RSAPrivateKey, kid: str, **members: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


def published(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


SHORT = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - to be refused
CURVE_JWK = {**ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True), "kid": "curve"}
KEYS = published(
    jwk(SIGNER, "one", alg="RS256"),
    jwk(SIGNER, "any"),
    jwk(SHORT, "short"),
    jwk(SIGNER, "for_another", alg="RS512"),
    jwk(SIGNER, "to-encrypt", use="enc"),
    CURVE_JWK,
    {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
)


class Clock:
    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Issuer:
    """Publishes keys; counts how often it is asked."""

    def __init__(self, document: bytes = KEYS) -> None:
        self.document, self.asked, self.is_away = document, 0, False

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.is_away:
            raise NoAnswerError("no answer within the time limit")
        return self.document


def verifier(
    issuer: Issuer | None = None, clock: Callable[[], float] | None = None, **changed: Any
) -> Verifier:
    settings: dict[str, Any] = {
        "issuer": ISSUER, "audience": AUDIENCE, "algorithms": ("RS256", "ES256"), "leeway_s": 30.0,
        "name_claim": "sub", "unit_claim": "unit", "roles_claim": "realm_access.roles",
        "wards_claim": None, "roles": {"nurse": NURSE, "coordinator": COORDINATOR}, **changed,
    }  # fmt: skip
    keys = KeySet((issuer or Issuer()).fetch, 600.0, clock or Clock())
    hospitals = {"MED": "Norr", "KIR": "Söder", "GER": "Norr"}
    return Verifier(Provider(**settings), keys, hospitals.get, lambda: datetime.now(UTC))


def claims(**changed: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    all_claims = {
        "iss": ISSUER, "aud": [AUDIENCE, "another"], "sub": "anna", "unit": "MED", "iat": now,
        "exp": now + timedelta(minutes=5), "realm_access": {"roles": ["nurse", "unheard-of"]},
        **changed,
    }  # fmt: skip
    return {name: value for name, value in all_claims.items() if value is not None}


def signed(
    key: Any = SIGNER,
    algorithm: str = "RS256",
    headers: Mapping[str, Any] | None = None,
    **said: Any,
) -> str:
    return jwt.encode(claims(**said), key, algorithm, {"kid": "one"} | dict(headers or {}))


def read(token: str, by: Verifier | None = None) -> Reader | None:
    return asyncio.run((by or verifier()).reader(token))


def test_a_good_token_is_its_bearer_with_the_rights_of_the_roles_known() -> None:
    reader = read(signed())
    assert reader
    assert (reader.name, reader.how, reader.unit, reader.grants) == (
        "anna",
        "oidc",
        "MED",
        (NURSE,),
    )
    assert reader.until
    assert reader.until < datetime.now(UTC) + timedelta(minutes=6)
    assert read(signed(CURVE, "ES256", {"kid": "curve"}))
    assert read(signed(headers={"kid": "any"}))


def by_hand(header: Mapping[str, Any], secret: bytes) -> str:
    """HS256 with a public key: the library refuses to make such a token itself."""
    whole = jwt.encode(claims(), b"x" * 32, "HS256", dict(header))
    head, body, _ = whole.split(".")
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = mac.sign(f"{head}.{body}".encode(), secret)
    return f"{head}.{body}.{jwt.utils.base64url_encode(signature).decode()}"


BAD: dict[str, Callable[[], str]] = {
    "not signed": lambda: jwt.encode(claims(), "", "none", {"kid": "one"}),
    "signed with the public key as a shared one": lambda: by_hand({"kid": "one"}, PEM),
    "signed with a shared key that is published": lambda: by_hand(
        {"kid": "shared"}, b"secret-secret-secret-secret"
    ),
    "signed by a stranger": lambda: signed(STRANGER),
    "an algorithm that is not configured": lambda: signed(algorithm="RS512"),
    "a key for another algorithm": lambda: signed(headers={"kid": "for_another"}),
    "a key to encrypt": lambda: signed(headers={"kid": "to-encrypt"}),
    "a key of another kind": lambda: signed(headers={"kid": "curve"}),
    "a key of 1024 bits": lambda: raw(payload(), '{"alg":"RS256","kid":"short"}', SHORT),
    "a key that is not published": lambda: signed(headers={"kid": "gone"}),
    "a key that it brings along": lambda: signed(
        STRANGER, headers={"kid": "mine", "jwk": jwk(STRANGER, "mine")}
    ),
    "a kid that is no text": lambda: signed().replace(
        signed().split(".", maxsplit=1)[0],
        jwt.utils.base64url_encode(b'{"alg":"RS256","kid":{"a":1}}').decode(),
    ),
    "of another issuer": lambda: signed(iss=f"{ISSUER}/"),
    "of no issuer": lambda: signed(iss=None),
    "for another audience": lambda: signed(aud="another"),
    "for no audience": lambda: signed(aud=None),
    "expired": lambda: signed(exp=datetime.now(UTC) - timedelta(seconds=31)),
    "that never expires": lambda: signed(exp=None),
    "not yet good": lambda: signed(nbf=datetime.now(UTC) + timedelta(seconds=60)),
    "of nobody": lambda: signed(sub=None),
    "of somebody without a name": lambda: signed(sub=""),
    "too long": lambda: signed(more="x" * 8_192),
    "changed": lambda: signed()[:-4] + "AAAA",
    "no token": lambda: "a.b.c",
    "nothing": lambda: "",
    "with signs that no token has": lambda: "å.\x00.\ud800".encode("utf-8", "replace").decode(),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_a_token_that_is_not_good_is_nobody(make: Callable[[], str]) -> None:
    assert read(make()) is None


def raw(payload: str, header: str = "", key: rsa.RSAPrivateKey = SIGNER) -> str:
    """Properly signed, whatever it says: as no library would make it."""
    head = header or '{"alg":"RS256","kid":"one"}'
    parts = [jwt.utils.base64url_encode(part.encode()).decode() for part in (head, payload)]
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(".".join(parts).encode(), key)
    return ".".join((*parts, jwt.utils.base64url_encode(signature).decode()))


def payload(**said: str) -> str:
    """JSON, each claim as it is written."""
    now = int(datetime.now(UTC).timestamp())
    written = {
        "iss": f'"{ISSUER}"', "aud": f'"{AUDIENCE}"', "sub": '"anna"', "exp": f"{now + 300}",
        "realm_access": '{"roles": ["nurse"]}', **said,
    }  # fmt: skip
    return "{" + ",".join(f'"{name}":{value}' for name, value in written.items()) + "}"


NO_TIMES = (
    "9" * 400, "9" * 5_000, "1e999", "-1e999", "1e300", "Infinity", "-Infinity", "NaN", "true", "null",
    "[]", "[1]", "{}", '"4102444800"', '""', "253402300800", "-1",
)  # fmt: skip


def test_what_is_signed_by_hand_is_taken_where_it_is_good() -> None:
    assert read(raw(payload(exp="253402300799")))
    assert read(raw(payload(nbf="0", iat="0.5")))


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NO_TIMES, ids=lambda value: value[:12])
def test_a_time_that_is_none_is_nobody(claim: str, value: str) -> None:
    assert read(raw(payload(**{claim: value}))) is None


DEEP = "[" * 3_000 + "]" * 3_000
STRUCTURES = {
    "a payload of levels without end": lambda: raw(payload(more=DEEP)),
    "levels without end instead of a payload": lambda: raw(DEEP),
    "a list instead of a payload": lambda: raw("[]"),
    "a number instead of a payload": lambda: raw("7"),
    "null instead of a payload": lambda: raw("null"),
    "no JSON": lambda: raw("{"),
    "half a character": lambda: raw(payload(sub='"\\ud800"')),
    "a name with a line break": lambda: raw(payload(sub='"anna\\n"')),
    "a name with a zero byte": lambda: raw(payload(sub='"\\u0000"')),
    "a name without end": lambda: raw(payload(sub=f'"{"a" * 257}"')),
    "a name that is a list": lambda: raw(payload(sub="[]")),
    "audiences that are none": lambda: raw(payload(aud="[[]]")),
    "an audience that is an object": lambda: raw(payload(aud='{"wardbridge": 1}')),
    "an issuer that is a list": lambda: raw(payload(iss=f'["{ISSUER}"]')),
    "a header of levels without end": lambda: raw(payload(), DEEP),
    "a list instead of a header": lambda: raw(payload(), "[]"),
    "a header without a key": lambda: raw(payload(), '{"alg":"RS256"}'),
    "a key that is null": lambda: raw(payload(), '{"alg":"RS256","kid":null}'),
    "an algorithm that is a list": lambda: raw(payload(), '{"alg":["RS256"],"kid":"one"}'),
    "an algorithm that is null": lambda: raw(payload(), '{"alg":null,"kid":"one"}'),
    "something critical that nobody knows": lambda: raw(
        payload(), '{"alg":"RS256","kid":"one","crit":["x"],"x":1}'
    ),
    "nothing critical": lambda: raw(payload(), '{"alg":"RS256","kid":"one","crit":[]}'),
    "a payload that is detached": lambda: raw(
        payload(), '{"alg":"RS256","kid":"one","crit":["b64"],"b64":false}'
    ),
}


@pytest.mark.parametrize("make", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_a_token_of_another_structure_is_nobody(make: Callable[[], str]) -> None:
    """Public reports: PyJWT issues 1171, 1177, 1186; CVE-2026-32597 (``crit``)."""
    assert read(make()) is None


@pytest.mark.parametrize("unit", ['"\\ud800"', "[]", "null", f'"{"a" * 300}"'])
def test_a_unit_that_cannot_be_written_down_is_none(unit: str) -> None:
    reader = read(raw(payload(unit=unit)))
    assert reader
    assert reader.unit == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "unit", "jti", "realm_access"]), JSON),
       st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ", "x5c", "jwk"]), JSON))  # fmt: skip
def test_whatever_a_signed_token_holds_it_is_judged(said: Any, header: Any) -> None:
    written = {name: json.dumps(value) for name, value in said.items()}
    head = json.dumps({"alg": "RS256", "kid": "one"} | header)
    reader = read(raw(payload(**written), head))
    assert reader is None or json.dumps(reader.name).isprintable()


def test_however_long_a_token_lives_its_streams_end_in_a_day() -> None:
    reader = read(raw(payload(exp="253402300799")))
    assert reader
    assert reader.until
    assert reader.until - datetime.now(UTC) <= MAX_LIFE


def test_a_clock_may_differ_by_the_leeway() -> None:
    assert read(signed(exp=datetime.now(UTC) - timedelta(seconds=20)))


@pytest.mark.parametrize(
    "roles", [None, [], {}, "", 7, {"roles": {"nurse": True}}, {"roles": [["nurse"]]}, "nurse"]
)
def test_without_a_role_that_is_known_a_bearer_may_nothing(roles: Any) -> None:
    reader = read(signed(realm_access=roles))
    assert reader
    assert reader.grants == ()


def test_a_claim_is_found_by_its_whole_name_first() -> None:
    by = verifier(roles_claim="https://id.example/roles")
    named: dict[str, Any] = {"https://id.example/roles": "coordinator"}
    reader = read(signed(**named), by)
    assert reader
    assert reader.grants == (COORDINATOR,)


@pytest.mark.parametrize(
    ("wards", "seen"),
    [
        (["MED", "GER"], {"MED"}),
        ("KIR", {"KIR"}),
        (["GER"], set()),
        ([], set()),
        (None, set()),
        ({"MED": 1}, set()),
    ],
)
def test_wards_in_a_token_narrow_its_roles_and_never_widen_them(wards: Any, seen: set[str]) -> None:
    reader = read(signed(wards=wards), verifier(wards_claim="wards"))
    assert reader
    names = ("MED", "KIR", "GER", "", "other")
    assert {ward for ward in names if reader.may_at("read", ward, None)} == seen


def test_a_narrowed_role_cannot_operate_for_that_reaches_every_ward() -> None:
    by = verifier(wards_claim="wards")
    reader = read(signed(wards=["GER"], realm_access={"roles": ["coordinator"]}), by)
    assert reader
    assert (reader.may_at("read", "GER", "Norr"), reader.may("operate")) == (True, False)


def test_keys_are_asked_for_once_and_again_when_a_new_one_signs() -> None:
    issuer, clock = Issuer(), Clock()
    by = verifier(issuer, clock)
    assert read(signed(), by)
    assert read(signed(), by)
    assert issuer.asked == 1
    issuer.document = published(jwk(STRANGER, "new"))
    clock.seconds += RETRY_S
    assert read(signed(STRANGER, headers={"kid": "new"}), by)
    assert read(signed(), by) is None  # the old one is no longer published
    assert issuer.asked == 2


def test_tokens_that_name_unknown_keys_do_not_have_the_provider_asked_each_time() -> None:
    issuer, clock = Issuer(), Clock()
    by = verifier(issuer, clock)
    for number in range(50):
        assert read(signed(headers={"kid": f"unknown-{number}"}), by) is None
    assert issuer.asked == 1


def test_keys_that_cannot_be_renewed_stay_good_for_a_day() -> None:
    issuer, clock = Issuer(), Clock()
    by = verifier(issuer, clock)
    assert read(signed(), by)
    issuer.is_away = True
    clock.seconds += 700
    assert read(signed(), by)
    clock.seconds += STALE_S
    with pytest.raises(KeysUnavailableError):
        read(signed(), by)
    issuer.is_away = False
    clock.seconds += RETRY_S
    assert read(signed(), by)


NO_SETS = {
    "nothing": b"", "a list": b"[]", "an empty object": b"{}", "a text": b'"x"', "null": b"null",
    "keys that are an object": b'{"keys": {}}', "keys that are no number": b'{"keys": NaN}',
    "more than a set has": published(*[CURVE_JWK] * (MAX_KEYS + 1)), "half a set": KEYS[:-5],
    "digits without end": b'{"keys": [' + b"9" * 5_000 + b"]}", "in Latin-1": '{"keys": ["ö"]}'.encode("latin-1"),
    "lists without end": b"[" * 100_000, "objects without end": b'{"keys":' * 30_000,
    "levels without end that end": b'{"keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("document", NO_SETS.values(), ids=NO_SETS.keys())
def test_what_is_no_set_of_keys_is_none_and_nobody_is_said_to_be_a_stranger(
    document: bytes,
) -> None:
    with pytest.raises(KeysUnavailableError):
        read(signed(), verifier(Issuer(document)))


LONG = "A" * 200_000
LEFT_OUT = object()
MATERIAL = ("kty", "n", "e", "crv", "x", "y", "kid")
MEMBERS = (
    "n", "e", "kty", "crv", "x", "y", "alg", "use", "kid", "k", "d", "oth", "key_ops", "x5c",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, "", "AA", "AQ", "Ag", "***", LONG, "\ud800", 7, 1e308, True, [], ["x"], {}, {"n": []}, "EC", "oct", "OKP",
    "P-256", "Ed25519", "RS256", "ES256", "enc",
)  # fmt: skip


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("good", [jwk(SIGNER, "one"), {**CURVE_JWK, "kid": "one"}], ids=["RSA", "EC"])  # fmt: skip
def test_a_key_that_is_malformed_is_nobodys_and_spoils_no_other(
    good: Mapping[str, Any], member: str
) -> None:
    tokens = (signed(), signed(CURVE, "ES256", {"kid": "one"}))
    for value in (*VALUES, LEFT_OUT):
        odd = {n: each for n, each in {**good, member: value}.items() if each is not LEFT_OUT}
        by = verifier(Issuer(published(odd, jwk(SIGNER, "any"))))
        is_another = any(odd.get(name) != good[name] for name in MATERIAL if name in good)
        for token in tokens:
            reader = read(token, by)
            assert reader is None or not is_another
        assert read(signed(headers={"kid": "any"}), by)


@given(st.dictionaries(st.sampled_from(MEMBERS), st.sampled_from(VALUES)))
def test_whatever_keys_are_published_a_token_is_judged(members: Any) -> None:
    for kind in (jwk(SIGNER, "one"), {"kid": "one"}):
        by = verifier(Issuer(published({**kind, **members}, "x", 7, [], {"kid": []})))  # type: ignore[arg-type]
        read(signed(), by)
        read(signed(CURVE, "ES256", {"kid": "one"}), by)


# at the door


def tried(tokens: Iterable[str], issuer: Issuer | None = None) -> set[int]:
    """How requests with these tokens are answered."""

    async def run() -> set[int]:
        known = Credentials({}, {}, verifier(issuer), session_days=30)
        gate = Authenticator(known, REGISTER.hospital_of, lambda: datetime.now(UTC))
        async with surface(register=REGISTER, gate=gate) as running:
            return {
                (await running.client.get("/v1/wards/MED/inbound", headers=shown)).status_code
                for token in tokens
                for shown in [{"Authorization": f"Bearer {token}"}]
            }

    return asyncio.run(run())


def test_whoever_has_a_good_token_is_let_in() -> None:
    assert tried([signed()]) == {200}


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_none_is_a_401(claim: str) -> None:
    """Issue 16, item 10: 400 digits, and everything else that JSON can hold there."""
    nested = [
        DEEP,
        '{"a":' * 500 + "1" + "}" * 500,
        '"' + "9" * 400 + '"',
        "9" * 400 + ".5",
        "-" + "9" * 400,
    ]
    assert tried(raw(payload(**{claim: value})) for value in (*NO_TIMES, *nested)) == {401}


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp"])
def test_a_claim_that_must_be_there_and_is_odd_is_a_401(claim: str) -> None:
    odd = (
        "null",
        "7",
        "1e999",
        "[]",
        "{}",
        "[[]]",
        '{"a": 1}',
        '""',
        '"\\ud800"',
        "true",
        "9" * 400,
        DEEP,
    )
    assert tried(raw(payload(**{claim: value})) for value in odd) == {401}


@pytest.mark.parametrize(
    "claim", ["jti", "unit", "realm_access", "azp", "acr", "wards", "amr", "cnf"]
)
def test_any_other_claim_may_hold_anything(claim: str) -> None:
    """Without roles that are known it is let in nowhere; nothing is a fault of ours."""
    odd = (
        "null",
        "7",
        "1e999",
        "NaN",
        "[]",
        "{}",
        "[[]]",
        '{"roles": 1}',
        '"\\ud800"',
        "9" * 400,
        DEEP,
    )
    assert tried(raw(payload(**{claim: value})) for value in odd) <= {200, 401, 403}


@pytest.mark.parametrize("make", [*BAD.values(), *STRUCTURES.values()], ids=[*BAD, *STRUCTURES])
def test_a_bad_token_is_a_401(make: Callable[[], str]) -> None:
    shown = make()
    assert not (shown and shown.isascii()) or tried([shown]) == {401}


@pytest.mark.parametrize("document", NO_SETS.values(), ids=NO_SETS.keys())
def test_without_keys_it_is_a_503(document: bytes) -> None:
    assert tried([signed()], Issuer(document)) == {503}


# over the network


class Serving:
    """Answers of an address on this machine."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        app = FastAPI()
        app.add_api_route("/keys", answer, response_model=None)
        app.add_api_route("/elsewhere", lambda: Response(KEYS))
        self.server = HttpServer(app, "127.0.0.1", 0)

    async def fetched(self) -> bytes:
        await self.server.start()
        try:
            url = f"http://127.0.0.1:{self.server.bound_port()}/keys"
            return await fetch_from(url, ssl.create_default_context())()
        finally:
            await self.server.stop()


def test_keys_are_fetched_from_their_address() -> None:
    assert asyncio.run(Serving(lambda: Response(KEYS)).fetched()) == KEYS


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(b"x" * (MAX_BYTES + 1)),
        lambda: Response(status_code=500),
        lambda: Response(status_code=404),
        lambda: RedirectResponse("/elsewhere"),
        lambda: Response(KEYS, status_code=203),
    ],
    ids=["too large", "a fault", "gone", "elsewhere", "by another"],
)
def test_an_answer_that_is_not_plainly_the_keys_is_none(answer: Callable[[], Response]) -> None:
    with pytest.raises((ValueError, NoAnswerError)):
        asyncio.run(Serving(answer).fetched())

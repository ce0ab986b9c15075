"""Signatures, verified by the library that Standard Webhooks itself publishes."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from router.delivery.signature import SecretFormatError, secret_of, signed

OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"x" * 32).decode()
BODY = '{"hej":"åäö"}'.encode()


def headers() -> dict[str, str]:
    keys = [secret_of(NEW), secret_of(OLD)]
    return signed(keys, "evt-1", int(datetime.now(UTC).timestamp()), BODY)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_whoever_holds_one_of_the_secrets_can_verify(secret: str) -> None:
    assert Verifier(secret).verify(BODY, headers()) == {"hej": "åäö"}


@pytest.mark.parametrize(
    ("secret", "body", "event"),
    [(OTHER, BODY, "evt-1"), (NEW, BODY + b" ", "evt-1"), (NEW, BODY, "evt-2")],
)
def test_another_secret_body_or_id_does_not_verify(secret: str, body: bytes, event: str) -> None:
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body, headers() | {"webhook-id": event})


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_§", "whsec_" + "A" * 200])
def test_what_is_no_secret_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(SecretFormatError) as refusal:
        secret_of(text)
    assert not text.removeprefix("whsec_") or text not in str(refusal.value)

"""Channels as they are opened: from settings, as a configuration has them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

from router.delivery.channel import Channel
from router.delivery.channels import KINDS
from router.delivery.channels.kind import Opening

KEY = b"k" * 24
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class To(NamedTuple):
    """A receiver as a poster knows it."""

    url: str
    timeout_s: float = 10.0
    allow_private: bool = True


def opened(kind: str, name: str = "portal", data: Path = Path(), **said: Any) -> Channel:
    """On this machine, as receivers of tests are."""
    settings = KINDS[kind].settings.model_validate({"allow_private": True, **said})
    return KINDS[kind].open(settings, Opening(name, data, fhir_base="https://bridge.example/fhir"))


def webhook(url: str, *, name: str = "portal", **said: Any) -> Channel:
    return opened("webhook", name, url=url, secrets=said.pop("secrets", [SECRET]), **said)

"""Session cookies for browsers, which cannot set a header on a stream.

The cookie's value is ``expiry.mac.name``: the expiry in hexadecimal Unix seconds, the name of the
token that was shown, and an HMAC-SHA256 over both under the token's hash. So every process that has the
configuration can check it and none keeps anything; a token that is changed or removed ends what was
signed in with it; and the token cannot be had from the cookie. It goes to no other site
(``SameSite=Strict``), over no open connection (``Secure``; a browser takes this machine as safe), and
no script reads it (``HttpOnly``). ``__Host-`` has the browser hold us to that (RFC 6265bis, 4.1.3).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

COOKIE: Final = "__Host-wardbridge"
MAX_CHARS: Final = 1_000
"""Of a cookie that is looked into: ours have some 150, and a name in it can be long."""


class Session(NamedTuple):
    """A browser that has signed in: with which token, and until when."""

    name: str
    until: datetime


def sealed(session: Session, token_hash: bytes) -> str:
    """The cookie's value."""
    expiry = f"{int(session.until.timestamp()):x}"
    return f"{expiry}.{_mac(expiry, session.name, token_hash)}.{quote(session.name, safe='')}"


def opened(cookie: str, hashes: Mapping[str, bytes], now: datetime) -> Session | None:
    """The session, if the cookie is one of ours and still good."""
    session = verified(cookie, hashes)
    return session if session is not None and now < session.until else None


def verified(cookie: str, hashes: Mapping[str, bytes]) -> Session | None:
    """The session, if the cookie is one of ours, good or no longer."""
    expiry, _, rest = cookie[:MAX_CHARS].partition(".")
    mac, _, quoted = rest.partition(".")
    name = unquote(quoted)
    token_hash = hashes.get(name)
    if token_hash is None or not hmac.compare_digest(
        mac.encode(), _mac(expiry, name, token_hash).encode()
    ):
        return None
    return Session(name, datetime.fromtimestamp(int(expiry, 16), UTC))  # ours, so it can be read


def _mac(expiry: str, name: str, token_hash: bytes) -> str:
    text = f"wardbridge session\n{expiry}\n{name}"
    return hmac.new(token_hash, text.encode(), sha256).hexdigest()

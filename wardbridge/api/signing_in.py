"""Sign-in of a browser: it shows a token once and gets a session cookie."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import Field

from schemas.base import Frozen
from wardbridge.security.authenticator import Authenticator
from wardbridge.security.session import COOKIE


class SignIn(Frozen):
    """What a screen is given once."""

    token: str = Field(max_length=4_096)


def add_sessions(app: FastAPI, gate: Authenticator) -> None:
    """Add the two routes."""

    @app.post("/v1/session", status_code=204)
    async def sign_in(shown: SignIn, request: Request) -> Response:
        """Show a token; the answer sets a cookie that stands for it in this browser."""
        cookie, seconds = gate.signed_in(request, shown.token)
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE, cookie, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict"
        )
        return response

    @app.delete("/v1/session", status_code=204)
    async def sign_out() -> Response:
        """Forget the cookie. To end what was signed in everywhere, change the token."""
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

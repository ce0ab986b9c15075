"""Serves the ward board: static files that use the list and the stream like any client.

Nothing in the files depends on the ward or on who looks. They load from this service only, and the
content security policy holds the browser to that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

FOLDER: Final = Path(__file__).parent / "pages"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI) -> None:
    """Add the page of every ward, and what it loads."""
    files = StaticFiles(directory=FOLDER)

    @app.get("/pages/{file}", include_in_schema=False)
    async def loaded(file: str, request: Request) -> Response:
        """What the page loads."""
        return await files.get_response(file, request.scope)

    @app.get("/wards/{ward:path}", include_in_schema=False)
    async def board(ward: str) -> FileResponse:
        """One ward's board, for a browser."""
        del ward  # the page asks for it by its own address
        return FileResponse(FOLDER / "ward.html", media_type="text/html", headers=HEADERS)

"""What each route asks for, in one table. A route that is not in it is refused to everybody.

``None``: open. Probes are asked by what keeps the process running and name parts and feeds only; a
board's page is the same file for every ward and asks for its list itself; who signs in has no right
yet. Of a route with a ``ward`` the deed is asked for at that ward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wardbridge.http.access.rights import Deed

RULES: Final[Mapping[str, Deed | None]] = {
    "GET /livez": None,
    "GET /readyz": None,
    "GET /health": "metrics",
    "GET /metrics": "metrics",
    "POST /v1/session": None,
    "DELETE /v1/session": None,
    "POST /v1/subscribers/{name}/deliveries/{sequence}": "operate",
    "POST /v1/subscribers/{name}/deliveries/{sequence}/skip": "operate",
    "POST /v1/subscribers/{name}/pause": "operate",
    "POST /v1/subscribers/{name}/resume": "operate",
    "POST /v1/subscribers/{name}/test": "operate",
    "GET /v1/wards/{ward:path}/inbound": "read",
    "GET /v1/wards/{ward:path}/stream": "read",
    "POST /v1/wards/{ward:path}/inbound/{designation}/acknowledgement": "acknowledge",
    "GET /wards/{ward:path}": None,
}

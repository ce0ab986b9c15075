"""What each route asks for, in one table. A route that is not in it is refused to everybody.

``None``: open. Probes are asked by what keeps the process running and name parts and feeds only; a
board's page is the same file for every ward and asks for its list itself; who signs in has no right
yet; what the FHIR surface offers is the same for everybody. Of a route with a ``ward`` the deed is asked
for at that ward; one of the FHIR surface that finds the ward only later asks then.
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
    "GET /fhir/Basic/{topic}": None,
    "GET /fhir/Encounter/{encounter}": "read",
    "GET /fhir/Subscription": "subscribe",
    "POST /fhir/Subscription": "subscribe",
    "GET /fhir/Subscription/$status": "subscribe",
    "POST /fhir/Subscription/$status": "subscribe",
    "DELETE /fhir/Subscription/{name}": "subscribe",
    "GET /fhir/Subscription/{name}": "subscribe",
    "PUT /fhir/Subscription/{name}": "subscribe",
    "GET /fhir/Subscription/{name}/$events": "subscribe",
    "POST /fhir/Subscription/{name}/$events": "subscribe",
    "GET /fhir/Subscription/{name}/$status": "subscribe",
    "POST /fhir/Subscription/{name}/$status": "subscribe",
    "GET /fhir/metadata": None,
    "POST /v1/session": None,
    "DELETE /v1/session": None,
    "GET /v1/subscribers": "operate",
    "DELETE /v1/subscribers/{name}": "operate",
    "GET /v1/subscribers/{name}": "operate",
    "PUT /v1/subscribers/{name}": "operate",
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

"""The right that each route needs, and how much body it reads, in one table. A route that is not in it is refused.

A rule without a deed is open. Probes are asked by what keeps the process running and name parts and feeds only; a
board's page is the same file for every ward and asks for its list itself; who signs in has no right
yet; what the FHIR surface offers is the same for everybody. Of a route with a ``ward`` the deed is asked
for at that ward; one of the FHIR surface that finds the ward only later asks then. The size of a body is
asked for after the right: nothing of a body is read before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from adapters.common.asking import NO_BODY
from adapters.common.limits import BODY_BYTES, SIGN_IN_BODY_BYTES, SMALL_BODY_BYTES
from wardbridge.config.authorisation import Deed


class RouteRight(NamedTuple):
    """What a route asks for (None: nothing), and how many bytes its body may have."""

    deed: Deed | None
    body_bytes: int = NO_BODY


_OPEN: Final = RouteRight(None)
_SUBSCRIPTION: Final = RouteRight("subscribe", BODY_BYTES)
_ORDER: Final = RouteRight("operate", SMALL_BODY_BYTES)

RULES: Final[Mapping[str, RouteRight]] = {
    "GET /livez": _OPEN,
    "GET /openapi.json": _OPEN,
    "GET /pages/{file}": _OPEN,
    "GET /readyz": _OPEN,
    "GET /health": RouteRight("metrics"),
    "GET /metrics": RouteRight("metrics"),
    "GET /fhir/Basic/{topic}": _OPEN,
    "GET /fhir/Encounter/{encounter}": RouteRight("read"),
    "GET /fhir/Subscription": RouteRight("subscribe"),
    "POST /fhir/Subscription": _SUBSCRIPTION,
    "GET /fhir/Subscription/$status": RouteRight("subscribe"),
    "POST /fhir/Subscription/$status": _SUBSCRIPTION,
    "DELETE /fhir/Subscription/{name}": RouteRight("subscribe", SMALL_BODY_BYTES),
    "GET /fhir/Subscription/{name}": RouteRight("subscribe"),
    "PUT /fhir/Subscription/{name}": _SUBSCRIPTION,
    "GET /fhir/Subscription/{name}/$events": RouteRight("subscribe"),
    "POST /fhir/Subscription/{name}/$events": _SUBSCRIPTION,
    "GET /fhir/Subscription/{name}/$status": RouteRight("subscribe"),
    "POST /fhir/Subscription/{name}/$status": _SUBSCRIPTION,
    "GET /fhir/metadata": _OPEN,
    "GET /v1/deliveries/waiting": RouteRight("operate"),
    "GET /v1/review": RouteRight("operate"),
    "GET /v1/review/inputs/{item:path}": RouteRight("inspect"),
    "GET /v1/review/items/{item:path}": RouteRight("operate"),
    "POST /v1/review/discard": RouteRight("operate", BODY_BYTES),
    "POST /v1/review/replay": RouteRight("operate", BODY_BYTES),
    "POST /v1/review/resolve": RouteRight("operate", BODY_BYTES),
    "GET /v1/stream": RouteRight("read"),
    "GET /v1/wards": RouteRight("read"),
    "POST /v1/session": RouteRight(None, SIGN_IN_BODY_BYTES),
    "DELETE /v1/session": RouteRight(None, SMALL_BODY_BYTES),
    "GET /v1/subscribers": RouteRight("operate"),
    "DELETE /v1/subscribers/{name}": _ORDER,
    "GET /v1/subscribers/{name}": RouteRight("operate"),
    "PUT /v1/subscribers/{name}": RouteRight("operate", BODY_BYTES),
    "POST /v1/subscribers/{name}/deliveries/{sequence}": _ORDER,
    "POST /v1/subscribers/{name}/deliveries/{sequence}/skip": _ORDER,
    "GET /v1/subscribers/{name}/notices": RouteRight("read"),
    "POST /v1/subscribers/{name}/pause": _ORDER,
    "POST /v1/subscribers/{name}/replay": RouteRight("read", SMALL_BODY_BYTES),
    "POST /v1/subscribers/{name}/resume": _ORDER,
    "POST /v1/subscribers/{name}/test": _ORDER,
    "GET /v1/wards/{ward:path}/inbound": RouteRight("read"),
    "GET /v1/wards/{ward:path}/stream": RouteRight("read"),
    "POST /v1/wards/{ward:path}/inbound/{designation}/acknowledgement": RouteRight(
        "acknowledge", SMALL_BODY_BYTES
    ),
    "GET /wards/{ward:path}": _OPEN,
}

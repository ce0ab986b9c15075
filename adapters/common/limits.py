"""Limits that all ports share: what a peer can cause, with the reason for each.

``wardbridge.limits`` has the whole table, from which the reference page is generated. A bound that a
hospital may need otherwise is a key of the configuration, and this is its default.
"""

from __future__ import annotations

from typing import Final

SMALL_BODY_BYTES: Final = 4_096
"""Of a request whose route needs a reason or nothing: two pages of text have room."""

SIGN_IN_BODY_BYTES: Final = 8_192
"""Of a sign-in: the longest token that is taken, with its JSON around it."""

BODY_BYTES: Final = 65_536
"""Of whatever else is asked for over HTTP, a Subscription among it: a hundred filters have room."""

MAX_WAITING_BYTES: Final = 64_000_000
"""Of all bodies that are on their way to the log through one FHIR endpoint: seventy of the largest."""

# connections, of every port

FILES_RESERVED: Final = 256
"""File descriptors of a process that no connection gets: the log, files and what we call ourselves."""

BACKLOG: Final = 4_096
"""Connections that the system holds until we accept them; it takes no more itself (``somaxconn``)."""

ACCEPTED_AT_ONCE: Final = 64
"""In one turn of the loop, some three milliseconds: whoever is connected has the next turn."""

REST_S: Final = 0.1
"""When no file descriptor is free, before the next connection is accepted."""

FILES_FREED_AT_ONCE: Final = 8
"""Connections that wait and are ended for it where no file descriptor is free: more would cut off who did no harm."""

HANDSHAKE_S: Final = 10.0
"""From a connection to the end of its TLS handshake: slow links need two or three."""

WRITE_WITHIN_S: Final = 60.0
"""An answer or a stream of which nothing is taken for so long has no reader any more."""

FRAME_WITHIN_S: Final = 300.0
"""From the first byte of an MLLP frame to its last, however often one comes: 900 kB over 24 kbit/s."""

# HTTP connections

HEAD_BYTES: Final = 16_384
"""Of a request's line and headers: a token of an identity provider, the longest that is taken, twice."""

REQUEST_WITHIN_S: Final = 10.0
"""From a connection, or the first byte of a request, to the end of its headers."""

BODY_WITHIN_S: Final = 60.0
"""From the headers to the end of the body: a full one of 900 kB over a line of 120 kbit/s."""

IDLE_S: Final = 75.0
"""Between two requests of a connection: longer than proxies keep theirs (60 s), so that it is they who close."""

PIECES_AT_ONCE: Final = 64
"""Pieces of a chunked body that are parsed in one turn of the loop: some three hundred microseconds."""

LINGER_BYTES: Final = 100_000_000
"""Of a refused body, thrown away unread so that its sender can read why; then the connection is cut."""

LINGER_S: Final = 5.0
"""For so long at most."""

SWEEP_S: Final = 1.0
"""How often connections are looked at: a time above is kept to a second."""

HTTP_CONNECTIONS: Final = 5_000
"""At one time: all streams (``max_streams``), and a quarter as many besides."""

HTTP_CONNECTIONS_OF_ONE_PEER: Final = 4_500
"""All streams may come through one proxy; five hundred are left for everybody else, probes among them."""

CONNECTIONS_BESIDE_STREAMS: Final = 40
"""At least, for lists, probes and Prometheus, where ``max_streams`` are open."""

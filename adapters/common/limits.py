"""What a stranger may cost a port: every bound that ports of all kinds share, with its reason.

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

"""Names and types that several modules of the adapter share."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

EditionName = Literal["R4", "R4B", "R5"]
Object = dict[str, Any]
"""A parsed JSON object."""


ID_PATTERN: Final = r"^[A-Za-z0-9\-\.]{1,64}$"
ID: Final = re.compile(ID_PATTERN, re.ASCII)
"""A logical id (FHIR R4, datatypes.html#id)."""


class Unusable(dict[str, Any]):
    """An object of an input that must not be read, and why: it costs what is asked of it only."""

    reason = "duplicate-key"
    detail = "an object has the same key twice"


class Foreign(Unusable):
    """An object with parts in a namespace that is not FHIR's."""

    reason = "not-a-resource"
    detail = "its namespace is not FHIR's"

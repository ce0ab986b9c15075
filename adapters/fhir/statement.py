"""One Encounter as it stands in its input: itself, where it stands, what it may refer to."""

from __future__ import annotations

from typing import NamedTuple

from adapters.fhir.element import Element
from adapters.fhir.references import Resources


class Statement(NamedTuple):
    """An Encounter that the input states.

    ``said_at`` is the element that tells when, where the Encounter itself does not: an entry's
    ``response.lastModified`` or the Bundle's ``timestamp``, as (text, expression).
    """

    encounter: Element
    resources: Resources
    said_at: tuple[str, str] | None = None
    position: int = 0

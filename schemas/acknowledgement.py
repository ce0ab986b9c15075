"""A ward has taken note that a patient is coming. Topic ``acknowledgements``.

It is of one designation as it stood in one notice: it holds while that designation is open, tells
which version was seen, and says nothing of another designation of the same visit to the same ward
later. The first for a version counts.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Frozen, Utc, VisitRef
from schemas.notification import DesignationData


class Acknowledgement(Frozen):
    """Who has taken note of which notice, and when."""

    type: Literal["acknowledgement"] = "acknowledgement"
    version: Literal[1] = 1
    realm: str
    ward: str
    visit: VisitRef
    designation: str = Field(description="id of the notice that was acknowledged")
    seen_version: int = Field(ge=1, description="version of that notice")
    announced_at: Utc = Field(description="of the designation: tells it from a later one")
    by: str = Field(description="name of the token, certificate or person; empty: nobody was asked")
    at: Utc

    def is_of(self, row: DesignationData) -> bool:
        """Whether it is of the designation that this row of a list is about."""
        return (self.ward, self.visit, self.announced_at) == (
            row.ward,
            row.visit,
            row.announced_at,
        ) and self.seen_version <= row.version

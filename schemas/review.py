"""Review items: what could not be understood, why, where, and from which bytes.

A review item never carries patient data in its text: ``detail`` and ``where`` name fields,
codes and rules, and the bytes stay in topic ``raw`` (or, for a file, in ``rejected/``).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Frozen, Utc
from schemas.observation import RawPointer


class ReviewItem(Frozen):
    """One thing for a person to look at. Topic ``review``."""

    type: Literal["review-item"] = "review-item"
    version: Literal[1] = 1
    id: str
    realm: str
    source: str
    feed: str
    at: Utc
    reason: str = Field(description="stable code, kebab-case")
    detail: str = Field(description="what is wrong and what to do, without patient data")
    where: str | None = Field(None, description="PV1-3, row 17 column avsedd_avdelning, …")
    withheld: bool = Field(description="true: nothing of the input was used; false: the rest was")
    raw: RawPointer | None = None

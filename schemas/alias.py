"""Whose a patient's number is: the router's decision, published. Topic ``aliases``.

A row leads from one number of a source to another one of the same patient (``merged`` false), or to the
patient that the first one has ceased into (true). A number without a row is a patient itself. Whoever follows
the rows of one source from any number ends at the patient whose it is, by the router's own rules: the newest
statement decides whose a number is, and a merge that closes a circle is not followed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Frozen


class Alias(Frozen):
    """Where one number leads."""

    type: Literal["alias"] = "alias"
    version: Literal[1] = 1
    realm: str
    source: str
    number: str = Field(description="patient key, made from one number")
    patient: str = Field(description="patient key that it leads to, which may lead on")
    merged: bool = Field(description="the first patient has ceased; else both are one patient's")

"""Names that several modules of the adapter share."""

from __future__ import annotations

from typing import Any, Literal

EditionName = Literal["R4", "R4B", "R5"]
Object = dict[str, Any]
"""A parsed JSON object."""

"""What all tables of the configuration file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every table of the file: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid")

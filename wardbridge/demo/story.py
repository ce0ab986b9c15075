"""The story: its steps and their inputs, as they are in ``morning/``."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from typing import Final

from pydantic import BaseModel, ConfigDict

TOLD_ON: Final = date(2026, 1, 15)
"""The day that the files speak of."""

_MORNING: Final = files("wardbridge.demo") / "morning"


class StoryStep(BaseModel):
    """One input and what it leads to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    says: str
    notices: int = 0
    refused: bool = False

    @property
    def is_message(self) -> bool:
        """A message for the HL7 feed; otherwise a file for the export directory."""
        return self.file.endswith(".hl7")


class Story(BaseModel):
    """All steps, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[StoryStep, ...]


def load_story() -> Story:
    """The morning's story."""
    return Story.model_validate(tomllib.loads((_MORNING / "story.toml").read_text("utf-8")))


def content(name: str, day: date) -> bytes:
    """A file of the morning, moved to ``day``."""
    moved = (_MORNING / name).read_bytes()
    for form in ("%Y%m%d", "%Y-%m-%d"):
        moved = moved.replace(TOLD_ON.strftime(form).encode(), day.strftime(form).encode())
    return moved


def message(name: str, day: date) -> bytes:
    """An HL7 message of the morning; the files have a line for each segment."""
    return content(name, day).rstrip(b"\n").replace(b"\n", b"\r") + b"\r"

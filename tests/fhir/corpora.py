"""The foreign FHIR resources that lie beside the project, where they do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.hl7v2.corpora import CORPORA, present

__all__ = ["ALERTS", "CONVERTER", "MAPPING", "found_in", "present"]

ALERTS: Final = CORPORA / "HL7+davinci-alerts"
MAPPING: Final = CORPORA / "HL7+v2-to-fhir"
CONVERTER: Final = CORPORA / "microsoft+FHIR-Converter"


def found_in(folder: Path, pattern: str = "*.json") -> list[Path]:
    return sorted(folder.rglob(pattern))

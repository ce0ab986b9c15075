"""The lab with a closed ward register, which a test mends as a hospital would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.support.service import Service

COLUMNS: Final = "id;name;hospital;alias:ehr;alias:elvis"
OPEN: Final = "[wards]\nopen = true\n"
CLOSED: Final = '[wards]\nregister = "wards.csv"\n'


def with_register(service: Service, **codes: str) -> Service:
    """The same lab with these wards only: ward id to the codes that every source has for it.

    Elvis is believed for wards that begin with ``E``.
    """
    text = service.config.read_text(encoding="utf-8")
    assert OPEN in text
    believed = "".join(f'{ward} = "elvis"\n' for ward in codes if ward[0] == "E")
    text = text.replace(OPEN, CLOSED)
    text = re.sub(
        r"\[authority\.lab\.wards\]\n(?:\w+ = .*\n)*", f"[authority.lab.wards]\n{believed}", text
    )
    service.config = _written(service.data.parent / "registered.toml", text)
    mend_register(service, **codes)
    return service


def mend_register(service: Service, **codes: str) -> None:
    """Write the register anew."""
    rows = [f"{ward};Ward {ward};Norr;{each};{each}" for ward, each in codes.items()]
    service.data.mkdir(parents=True, exist_ok=True)
    _written(service.data / "wards.csv", "\n".join([COLUMNS, *rows, ""]))


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path

"""Validates a whole Encounter with the models of ``fhir.resources``.

The lean reader decides what an Encounter says; this tells whether it is one as the specification
has it. R4 and R4B share a model: their Encounters are the same. Its checks are looser than a
server's validator (a wrong code of a required value set passes) and stricter in others (an element
that nobody knows does not), so neither takes the place of the lean reader's own checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Final

from pydantic import BaseModel, ValidationError

from adapters.common.text import cleaned
from adapters.fhir.limits import MAX_CHECKED, MAX_EXPRESSION_CHARS
from adapters.fhir.names import EditionName, Object

MODULES: Final[Mapping[EditionName, str]] = {
    "R4": "fhir.resources.R4B.encounter",
    "R4B": "fhir.resources.R4B.encounter",
    "R5": "fhir.resources.encounter",
}


@cache
def model_of(edition: EditionName) -> type[BaseModel]:
    """The edition's model of Encounter, loaded when first asked for: that takes a while."""
    found: type[BaseModel] = import_module(MODULES[edition]).Encounter
    return found


def first_fault(encounter: Object, edition: EditionName) -> str | None:
    """The FHIRPath expression of the first thing that the model refuses, or None."""
    if not _may_be_checked(encounter):
        return "Encounter"
    try:
        model_of(edition).model_validate(encounter)
    except ValidationError as error:
        return _expression(error.errors(include_url=False, include_input=False)[0]["loc"])
    except Exception:  # noqa: BLE001 - a stricter reader's fault, whichever, is what it is asked for
        return "Encounter"
    return None


def _may_be_checked(encounter: Object) -> bool:
    """Whether it is small enough: the model takes some 20 µs for each object."""
    waiting: list[object] = [encounter]
    for _ in range(MAX_CHECKED):
        if not waiting:
            return True
        each = waiting.pop()
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting += [part for part in inner if isinstance(part, dict | list)]
    return not waiting


def _expression(place: tuple[str | int, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return cleaned(f"Encounter{''.join(parts)}"[:MAX_EXPRESSION_CHARS])

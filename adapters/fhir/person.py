"""Reads demographics from a Patient: name, birthDate, gender. A Patient is a state: what it lacks is cleared.

Source: http://hl7.org/fhir/R4/patient.html, http://hl7.org/fhir/R4/datatypes.html#HumanName. What cannot
be read is absent, with a warning that names the place only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from adapters.common.outcome import MAX_TEXT_CHARS, Trouble
from adapters.common.text import was_cleaned
from adapters.fhir.element import Element
from adapters.fhir.references import Resources
from adapters.fhir.refusal import ResourceRefusedError
from schemas.patient import DATE_PATTERN, Person

_BEST_FIRST: Final = ("official", "usual", "")
_GENDERS: Final = frozenset({"female", "male", "other", "unknown"})
_DATE: Final = re.compile(DATE_PATTERN, re.ASCII)


def person_of(encounter: Element, resources: Resources) -> tuple[Person | None, list[Trouble]]:
    """The person, where the Patient is at hand; and what of it could not be read."""
    subject = encounter.element("subject")
    address = subject.uri("reference") if subject else ""
    patient = resources.resolve(address, encounter) if address else None
    if patient is None or patient.resource_type != "Patient":
        return None, []
    said: dict[str, str | None] = {}
    troubles: list[Trouble] = []
    for read in (_name, _born, _sex):
        try:
            said |= read(patient)
        except ResourceRefusedError as refused:
            troubles.append(refused.beside())
    if said.get("family") or said.get("given"):
        troubles += _cleaned(patient)
    return Person.model_validate(said), troubles


def _name(patient: Element) -> Mapping[str, str | None]:
    best = _best(patient.elements("name"))
    if best is None:
        return {"family": None, "given": None}
    family, given = best.name("family"), " ".join(_texts(best, "given"))
    if len(given) > MAX_TEXT_CHARS:
        detail = f"at most {MAX_TEXT_CHARS} characters"
        raise ResourceRefusedError("text-unreadable", detail, f"{best.path}.given")
    if not (family or given):
        family = best.name("text")
    return {"family": family or None, "given": given or None}


def _cleaned(patient: Element) -> list[Trouble]:
    """Whether something was left out of the name."""
    best = _best(patient.elements("name"))
    parts = (
        [Element({"given": each}, "") for each in best.content.get("given") or ()] if best else []
    )
    is_cleaned = best and any(
        each.is_cleaned(name) for each in (best, *parts) for name in ("family", "given", "text")
    )
    return [was_cleaned(best.path)] if best and is_cleaned else []


def _best(names: list[Element]) -> Element | None:
    """An old or a maiden name, or an alias, is not who comes."""
    by_use = {each.text("use"): each for each in reversed(names)}
    return next((by_use[wanted] for wanted in _BEST_FIRST if wanted in by_use), None)


def _texts(element: Element, name: str) -> list[str]:
    """The strings of an array."""
    found = element.content.get(name) or []
    if not isinstance(found, list):
        raise ResourceRefusedError(
            "element-of-wrong-type", "an array belongs here", f"{element.path}.{name}"
        )
    parts = [Element({name: each}, element.path).name(name) for each in found]
    return [part for part in parts if part]


def _born(patient: Element) -> Mapping[str, str | None]:
    text, where = patient.text("birthDate"), f"{patient.path}.birthDate"
    if not text:
        return {"born": None}
    unreadable = ResourceRefusedError("time-unreadable", "no date, month or year", where)
    if not _DATE.fullmatch(text):
        raise unreadable
    try:
        date.fromisoformat(f"{text}-01-01"[: len("2000-01-01")])
    except ValueError:
        raise unreadable from None
    return {"born": text}


def _sex(patient: Element) -> Mapping[str, str | None]:
    code = patient.text("gender")
    if code and code not in _GENDERS:
        raise ResourceRefusedError(
            "code-unknown", "no administrative gender", f"{patient.path}.gender"
        )
    return {"sex": code or None}

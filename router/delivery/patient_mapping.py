"""Converts a patient's identity to FHIR and HL7 v2 fields. Pure.

Source: http://hl7.org/fhir/R4/patient.html; HL7 v2.5.1 chapter 3 (PID, PD1) and 2A (CX, XPN, HD), tables
0190, 0203 and 0001. National numbers have the systems of HL7 Sweden's base profiles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from schemas.fields import Identity
from schemas.identifiers import OIDS, URIS, IdentifierKind

SUBJECT: Final = {"reference": "#patient", "type": "Patient"}
"""Of the resource that :func:`patient_of` is contained in."""

_OIDS: Final[Mapping[IdentifierKind, str]] = {kind: oid for oid, kind in OIDS.items()}
_URIS: Final[Mapping[IdentifierKind, str]] = {kind: uri for uri, kind in URIS.items()}
_OID: Final = re.compile(r"[0-2](\.\d+)+", re.ASCII)
_NATIONAL: Final = frozenset({IdentifierKind.PERSONNUMMER, IdentifierKind.SAMORDNINGSNUMMER})
_SEXES: Final = {"female": "F", "male": "M", "other": "O", "unknown": "U"}


def patient_of(who: Identity) -> dict[str, Any]:
    """A Patient that is contained in another resource; what is not known is left out."""
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "id": SUBJECT["reference"].removeprefix("#"),
        "identifier": [{**_system(who), "value": who.number}],
    }
    name: dict[str, Any] = {"family": who.family} if who.family else {}
    if who.given:
        name["given"] = [who.given]
    if name:
        found["name"] = [name]
    said = {"gender": who.sex, "birthDate": who.born}
    return found | {element: value for element, value in said.items() if value}


def _system(who: Identity) -> dict[str, Any]:
    assigner = _OIDS.get(who.kind) or who.assigner
    if who.kind in _URIS:
        return {"system": _URIS[who.kind]}
    if assigner is None:
        return {}
    if _OID.fullmatch(assigner):
        return {"system": f"urn:oid:{assigner}"}
    return {"system": assigner} if ":" in assigner else {"assigner": {"display": assigner}}


def number_of(who: Identity) -> list[list[str]]:
    """PID-3 (CX): its components, and of these the subcomponents; not yet escaped."""
    kind = "NNSWE" if who.kind in _NATIONAL else "PI"
    return [[who.number], [], [], _assigner(_OIDS.get(who.kind) or who.assigner or ""), [kind]]


def _assigner(name: str) -> list[str]:
    if _OID.fullmatch(name):
        return ["", name, "ISO"]
    return ["", name, "URI"] if ":" in name else [name]


def name_of(who: Identity) -> list[list[str]]:
    """PID-5 (XPN): family and given names, of type L (legal), or U (unspecified) where none is known.

    Given names stay together: where one ends that is of two words, nobody said.
    """
    kind = "L" if who.family or who.given else "U"
    return [[who.family or ""], [who.given or ""], [], [], [], [], [kind]]


def born_of(who: Identity) -> str:
    """PID-7, as exact as it is known."""
    return (who.born or "").replace("-", "")


def sex_of(who: Identity) -> str:
    """PID-8, by table 0001."""
    return _SEXES[who.sex] if who.sex else ""

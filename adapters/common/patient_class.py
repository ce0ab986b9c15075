"""Which patient classes a plan designates: one rule for HL7 and FHIR.

Source: HL7 v2.5.1 user-defined table 0004 (patient class). What lies on a ward is of class I (inpatient), E
(emergency), P (preadmit) or B (obstetrics; the newborn child is I or B), and may be of N (not applicable) or U
(unknown). O (outpatient), R (recurring) and C (commercial account) lie on none: what plans a stay may also
book a clinic.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final

from pydantic import AfterValidator

TABLE_0004: Final = frozenset("BCEINOPRU")
LIES_ON_A_WARD: Final = ("I", "E", "P", "B", "N", "U")
EVERYBODY: Final = "*"


def _class_code(code: str) -> str:
    if not code.strip():
        raise ValueError("a patient without a class designates in any case: write codes like I")
    return code.strip().upper()


ClassCode = Annotated[str, AfterValidator(_class_code)]


def takes(
    code: str,
    classes: Collection[str],
    not_classes: Collection[str],
    known: Collection[str] = TABLE_0004,
) -> bool | None:
    """Whether a patient of a class (in capitals; "": none) is designated; None where nobody says.

    ``known``: codes that are for nobody who lies on a ward unless ``classes`` has them.
    """
    if code in not_classes:
        return False
    if not code or code in classes or EVERYBODY in classes:
        return True
    return False if code in known else None

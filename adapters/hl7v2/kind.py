"""Reads the event of a message from MSH-9.

Source: HL7 v2.5.1 section 2.15.9.9 (MSH-9), tables 0076 (message types), 0003 (events) and 0354
(structures, of all versions: they moved between them).

Invariant: a message is of another kind, which nobody looks at again, only if MSH-9 is well formed and says
so: a type of table 0076 other than ADT, with no event or one that can be of it. Everything else that is
no event of ADT waits in review.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from adapters.hl7v2.case import WithheldError
from adapters.hl7v2.reader import NULL, Message, Segment
from adapters.hl7v2.triggers import TRIGGERS

OTHER_TYPES: Final = frozenset(
    """
    ACK ADR ARD BAR BPS BRP BRT BTS CCF CCI CCM CCQ CCR CCU CNQ CQU CRM CSU DBC DBU DEL DEO DER DFT DOC DPR
    DRC DRG DSR EAC EAN EAR EDR EHC EQL EQQ ERP ERQ ESR ESU INR INU LSR LSU MCF MDM MFD MFK MFN MFQ MFR NMD
    NMQ NMR OMB OMD OMG OMI OML OMN OMP OMQ OMS OPL OPR OPU ORA ORB ORD ORF ORG ORI ORL ORM ORN ORP ORR ORS
    ORU ORX OSM OSQ OSR OSU OUL PEX PGL PIN PMU PPG PPP PPR PPT PPV PRR PTR QBP QCK QCN QRF QRY QSB QSX QVR
    RAR RAS RCI RCL RCV RDE RDR RDS RDY REF RER RGR RGV ROR RPA RPI RPL RPR RQA RQC RQI RQP RQQ RRA RRD RRE
    RRG RRI RRP RSP RTB SCN SDN SDR SIU SLN SLR SMD SPQ SQM SQR SRM SRR SSR SSU STC STI SUR TBR TCR TCU UDM
    VQQ VTQ VXQ VXR VXU VXX
    """.split()  # noqa: SIM905 - read as a table
)
"""Table 0076 of all versions, without ADT."""

SHARED: Final[Mapping[str, str]] = {
    "A01": "A01 A04 A05 A08 A13 A14 A28 A31",
    "A02": "A02 A03 A21 A22 A23 A25 A26 A27 A29 A32 A33",
    "A05": "A05 A14 A28 A31",
    "A06": "A06 A07",
    "A09": "A09 A10 A11 A12",
    "A11": "A11 A12",
    "A21": "A21 A22 A23 A25 A26 A27 A29 A32 A33",
    "A28": "A28 A31 A34",
}
"""Structures of table 0354 that events of different meaning share: ``ADT_A05`` alone may be an A14."""

_EVENT: Final = re.compile(r"[A-Z][A-Z0-9]\d")
_IN_ONE: Final = re.compile(r"ADT([_ .:/-])\s*([A-Z]\d\d)")
_QUERIES: Final = frozenset({"ADR", "QRY"})


def trigger_of(message: Message) -> str | None:
    """The event of an ADT message, in capitals; None for a message of another kind.

    Raises WithheldError where MSH-9 says neither.
    """
    header = message.header
    kind, event = header.first(9).upper(), header.first(9, 2).upper()
    if kind == "ADT":
        return _known(event)
    if kind in OTHER_TYPES:
        if _can_be_of(kind, event, header):
            return None
        raise _unclear("its event is one of ADT")
    if kind in {"", NULL}:
        raise WithheldError("trigger-missing", "MSH-9 names no event", "MSH-9.2")
    in_one = _IN_ONE.fullmatch(kind)
    if in_one is None or event not in {"", NULL}:
        raise _unclear("it names no message type of table 0076")
    said = message.first("EVN").first(1).upper()
    return _known(_in_one(in_one[1], in_one[2], said))


def _known(event: str) -> str:
    if event in TRIGGERS:  # nearly always
        return event
    if event in {"", NULL}:
        raise WithheldError("trigger-missing", "MSH-9 names no event", "MSH-9.2")
    raise WithheldError("trigger-unknown", "the trigger table has no such event", "MSH-9.2")


def _can_be_of(kind: str, event: str, header: Segment) -> bool:
    """Whether the other components agree that it is no ADT."""
    if header.first(9, 3).upper().startswith("ADT"):
        return False
    if event in {"", NULL}:
        return True
    of_adt = event in TRIGGERS and kind != "ACK" and not (kind in _QUERIES and event == "A19")
    return _EVENT.fullmatch(event) is not None and not of_adt


def _in_one(mark: str, named: str, said: str) -> str:
    """The event of an MSH-9 in one component; EVN-1 (``said``) has to agree if it says anything."""
    meant = SHARED.get(named, named) if mark == "_" else named
    if said in {"", NULL} and meant == named:
        return named
    if said in meant.split():
        return said
    raise _unclear("it is in one component, which several events have")


def _unclear(why: str) -> WithheldError:
    detail = f"MSH-9 does not say whether it is an ADT: {why}; ask the sender"
    return WithheldError("message-kind-unclear", detail, "MSH-9")

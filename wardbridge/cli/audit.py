"""``wardbridge audit``: who has seen which patient data, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from adapters.common.visits import is_named
from bus.port import Log
from bus.records import records_of
from schemas import topics
from schemas.audit import AuditEntry
from schemas.base import VisitRef
from wardbridge.cli._named import refuse_unknown, refuse_unknown_visit
from wardbridge.cli._noted import BY_COMMAND, Line, Looking
from wardbridge.cli._shared import (
    HERE,
    AnyPortOffset,
    AnyTokenFile,
    DataOption,
    LogConfigOption,
    PatientOption,
    installation,
    log_for_reading,
    refuse,
    visits_of,
)
from wardbridge.config.models import Installation
from wardbridge.security.audit_spool import left

ReaderOption = Annotated[str | None, typer.Option("--reader", help="only by this token or person")]
WardOption = Annotated[str | None, typer.Option("--ward", help="only of this ward's list")]
VisitOption = Annotated[
    str | None, typer.Option("--visit", help="only of this visit: NUMBER, or NUMBER@ASSIGNER")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(no_args_is_help=True, help="Who has seen what of whom, and when.")
    group.command("list")(list_entries)
    group.callback()(lambda: None)
    app.add_typer(group, name="audit")


def list_entries(  # noqa: PLR0913 - what may be asked for
    *,
    data: DataOption = HERE,
    config: LogConfigOption = None,
    reader: ReaderOption = None,
    ward: WardOption = None,
    visit: VisitOption = None,
    patient: PatientOption = None,
    port_offset: AnyPortOffset = 0,
    token_file: AnyTokenFile = None,
) -> None:
    """One JSON object a line for each entry kept, oldest first; only the patients asked for."""
    del port_offset, token_file
    with log_for_reading(data, config) as log:
        waiting = _waiting(data)
        _refuse_unknown(log, waiting, reader, visit)
        _refuse_unknown_ward(log, waiting, ward, installation(config, data) if config else None)
        visits = visits_of(log, patient) if patient else set()
        wanted = (
            shown
            for entry in entries(log, waiting)
            if reader in {None, entry.reader} and ward in {None, entry.ward}
            if (shown := _about(entry, visit, patient, visits)) is not None
        )
        found = (Line(entry.model_dump_json(), entry.seen) for entry in wanted)
        Looking(log, data, "audit list", (reader, ward, visit, patient)).show(found)


def entries(log: Log, waiting: Sequence[AuditEntry] = ()) -> Iterator[AuditEntry]:
    """Every entry kept until now, oldest first in each partition; then those that wait to be taken in.

    This reading's own notes, which come in meanwhile, are for the next.
    """
    until, notes = datetime.now(UTC), set[AuditEntry]()
    for record in records_of(log, topics.AUDIT):
        entry = AuditEntry.model_validate_json(record.value or b"")
        is_again = entry.how == BY_COMMAND and entry in notes
        if entry.at <= until and not is_again:
            notes |= {entry} if entry.how == BY_COMMAND else set()
            yield entry
    yield from (entry for entry in waiting if entry not in notes)


def _refuse_unknown(
    log: Log, waiting: Sequence[AuditEntry], reader: str | None, visit: str | None
) -> None:
    if reader is not None:
        readers = {entry.reader for entry in entries(log, waiting)}
        refuse_unknown("reader with an entry", reader, readers)
    seen = (each.visit.visit for entry in entries(log, waiting) for each in entry.seen)
    refuse_unknown_visit(log, visit, seen)


def _refuse_unknown_ward(
    log: Log, waiting: Sequence[AuditEntry], ward: str | None, found: Installation | None
) -> None:
    """A ward of the register is one, though nobody has read its list; so is one with an entry."""
    if ward is not None and not (found and ward in found.register.wards):
        wards = {entry.ward for entry in entries(log, waiting)} - {""}
        refuse_unknown("ward with an entry", ward, wards)


def _waiting(data: Path) -> list[AuditEntry]:
    try:
        return left(data)
    except OSError as error:
        refuse(f"notes that wait in {data} cannot be read: {error.strerror}")


def _about(
    entry: AuditEntry, visit: str | None, patient: str | None, visits: set[VisitRef]
) -> AuditEntry | None:
    """The entry without other patients; None where it is not about those asked for."""
    if visit is None and patient is None:
        return entry
    seen = tuple(
        each
        for each in entry.seen
        if (visit is None or is_named(each.visit.visit, visit))
        and (patient in {None, each.patient} or each.visit in visits)
    )
    return entry.model_copy(update={"seen": seen}) if seen else None

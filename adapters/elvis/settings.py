"""The settings of an Elvis feed: inbox, format, scopes, guards."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from adapters.common.filename import matches
from adapters.common.settings import Section
from adapters.elvis.format import ExportFormat

DEFAULT_INTERVAL_S: Final = 3_600
"""Where nobody says how often a scope is exported: longer than is usual, so that nobody is told to have
left who has moved."""


class Scope(Section):
    """One set of wards that one export file covers, whole."""

    name: str = Field(min_length=1, description="name of the scope, once in a feed")
    hospital: str = Field(min_length=1, description="hospital as the export's header names it")
    wards: tuple[str, ...] = Field(
        min_length=1, description="ward codes as the export's header lists them"
    )
    files: str = Field(
        "*",
        min_length=1,
        description="names of its files, where several scopes export without header rows",
    )
    export_interval_s: int = Field(
        DEFAULT_INTERVAL_S,
        ge=1,
        description="the longest time between two of its exports when all is well, nights and "
        "weekends included",
    )


class Guards(Section):
    """When a file is quarantined instead of believed."""

    shrink_patients: int = Field(
        4, ge=1, description="fewer patients than this may always vanish from a ward"
    )
    shrink_share: float = Field(
        0.5, ge=0, le=1, description="largest share of a ward's patients that may vanish at once"
    )
    unreadable_rows: int = Field(
        5, ge=0, description="so many rows with an unreadable patient are always tolerated"
    )
    unreadable_share: float = Field(
        0.1, ge=0, le=1, description="largest tolerated share of rows with an unreadable patient"
    )
    file_bytes: int = Field(
        10_000_000, ge=1000, description="a larger file is refused, and not read further"
    )
    future_s: int = Field(300, ge=0, description="how far ahead of our clock an export may be")
    absence_grace_s: int | None = Field(
        None,
        ge=0,
        description="a visit ends no sooner than this after the first export that lacks the patient; "
        "none: the longest `export_interval_s`, or 0 where there is one scope only. Set it to the "
        "longest time that a patient may be on the way between two scopes",
    )


class Watching(Section):
    """How the directory is watched, and when a file is taken to be complete."""

    pattern: str = Field("*.csv", min_length=1, description="names of export files")
    done_marker: str = Field(
        "", description="suffix of the marker file that says complete (.klar); empty: stable size"
    )
    stable_s: float = Field(
        1.0, ge=0, description="size and time must not have changed for so long"
    )
    incomplete_s: float = Field(
        60.0,
        ge=0,
        description="a file that lacks its trailer, or has none by its format, is left so long after its "
        "last change",
    )
    look_s: float = Field(0.5, gt=0, description="longest time between two looks")
    polling: bool = Field(
        default=False,
        description="look at the interval only, and ask the file system for no sign of changes",
    )
    retry_s: float = Field(1.0, gt=0, description="first wait after a failed commit; doubles")
    retry_max_s: float = Field(60.0, gt=0, description="longest wait after a failed commit")


class ElvisSettings(Section):
    """One feed of Elvis exports.

    Without ``scopes`` each hospital that a header names is a scope, and the wards it covers are
    those of its previous export: for the lab only.
    """

    directory: Path = Field(description="where exports appear; done/, rejected/, approved/ below")
    format: ExportFormat = Field(ExportFormat(), description="what a file looks like")
    scopes: tuple[Scope, ...] = Field((), description="every set of wards of the source")
    guards: Guards = Field(Guards(), description="when a file is quarantined")
    watching: Watching = Field(Watching(), description="how the directory is watched")
    remember_files: int = Field(
        2000, ge=1, description="files remembered by hash, to know a repetition"
    )
    remember_ended_days: int = Field(
        400, ge=31, description="episode counters of ended visits are kept so long"
    )

    @property
    def longest_interval_s(self) -> int:
        """The longest time between two exports of any scope."""
        known = [scope.export_interval_s for scope in self.scopes]
        return max(known, default=DEFAULT_INTERVAL_S)

    def export_interval_s(self, scope: str) -> int:
        """The longest time between two exports of a scope when all is well."""
        known = {each.name: each.export_interval_s for each in self.scopes}
        return known.get(scope, DEFAULT_INTERVAL_S)

    def absence_grace_s(self, scopes: int) -> int:
        """How long after the first export without a patient the visit stays open at least."""
        if self.guards.absence_grace_s is not None:
            return self.guards.absence_grace_s
        return self.longest_interval_s if scopes > 1 else 0

    @model_validator(mode="after")
    def _grace_lets_patients_move(self) -> Self:
        grace_s, least_s = self.guards.absence_grace_s, self.longest_interval_s
        if grace_s is not None and grace_s < least_s and len(self.scopes) != 1:
            raise ValueError(
                f"guards.absence_grace_s = {grace_s} is shorter than the longest export_interval_s "
                f"({least_s}): a patient who moves from one scope to another would be told as "
                "discharged; leave it out, or set the scopes' export_interval_s to what it is"
            )
        return self

    @model_validator(mode="after")
    def _each_scope_once(self) -> Self:
        names = [scope.name for scope in self.scopes]
        if len(set(names)) < len(names):
            raise ValueError("two scopes have the same name: give each its own")
        covered = [
            (scope.hospital.casefold(), ward.casefold())
            for scope in self.scopes
            for ward in scope.wards
        ]
        twice = sorted({ward for hospital, ward in covered if covered.count((hospital, ward)) > 1})
        if twice:
            raise ValueError(
                f"wards {twice} stand twice in the scopes of one hospital: once is enough"
            )
        return self

    @model_validator(mode="after")
    def _each_file_has_a_scope(self) -> Self:
        files = [scope.files for scope in self.scopes]
        if self.format.has_header_rows:
            if any(name != "*" for name in files):
                raise ValueError(
                    "a scope's `files` are for exports without header rows: take it away"
                )
        elif not files:
            raise ValueError(
                "without header rows a file says neither its hospital nor its wards: give the scopes"
            )
        elif len(files) > 1 and ("*" in files or len(set(files)) < len(files)):
            raise ValueError(
                "without header rows the name of a file tells its scope: give each scope `files` of its "
                'own, as "boras_*.csv"'
            )
        return self

    @model_validator(mode="after")
    def _names_can_be_found(self) -> Self:
        pattern, marker = self.watching.pattern, self.watching.done_marker
        name_time = self.format.name_time
        if name_time is not None and not matches(name_time.sample(), pattern):
            raise ValueError(
                f"no name as format.exported_at has it fits watching.pattern {pattern!r}: no file would "
                "be found"
            )
        if marker and matches(f"{pattern.replace('*', 'x')}{marker}", pattern):
            raise ValueError(
                f"a marker file ({marker!r}) would fit watching.pattern {pattern!r} and be read as an "
                "export: let the pattern end as exports do"
            )
        return self

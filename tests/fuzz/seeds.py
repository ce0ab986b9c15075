"""What the fuzzer begins with: inputs of every kind that the adapters read, and values at the edges."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from tests.hl7v2.corpora import CORPORA

GOLDEN: Final = Path(__file__).parents[1] / "golden"
MAX_SEED_BYTES: Final = 20_000
MOST_FOREIGN: Final = 60
"""Of each kind from the corpora, where they are: more of the same shape find nothing more."""

EDGES: Final[tuple[bytes, ...]] = (
    b"", b"\x00", b"\x0b", b"\x1c", b"\x1c\r", b"\r", b"\n", b"\x1b$B", b"\x7f", b"\xc2\x85",
    b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", "\u202e".encode(),
    b'""', b"|", b"^", b"~", b"\\", b"&", b"\\X00\\", b"\\XFFFF\\", b"\\E\\", b"\\H\\", b"\\.br\\",
    b"MSH|^~\\&|", b"\rMSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\r", b"ADT^A14", b"ADT_A14", b"adt^a14",
    b"0", b"-1", b"1e309", b"NaN", b"2.00001E+11", b"200001012384.0", b"9" * 5_000, b"-" + b"9" * 400,
    b"0001-01-01 00:00", b"9999-12-31 23:59:59-1400", b"31/02/2026", b"20260230", b"99991231235959+1400",
    b"00010101", b"20261025023000", b"20260329023000", b"2026-10-25T02:30:00+02:00", b"24:00", b"60",
    b"=1+1", b"'200001012384", b"200001012384", b"2000-01-01", b";", b",", b"\t", b'"', b"'",
    b"{", b"}", b"[", b"]", b"null", b"true", b"{}", b"[]", b'{"resourceType":"Encounter"}',
    b"[" * 2_000, b'{"a":' * 1_000, b"urn:uuid:", b"#contained", b"Location?identifier=a|b", b"https://a/..",
    b"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/", b"\xe5\xe4\xf6", "åäö".encode(),
)  # fmt: skip


@cache
def hl7() -> tuple[bytes, ...]:
    return _files(GOLDEN / "hl7v2", "*.hl7") + _foreign("*.hl7")


@cache
def fhir() -> tuple[bytes, ...]:
    ours = _files(GOLDEN / "fhir", "*.json") + _files(GOLDEN.parent / "fhir" / "cases", "*.json")
    return tuple(seed for seed in ours if b"resourceType" in seed) + _foreign("*.json")


@cache
def exports() -> tuple[bytes, ...]:
    return _files(GOLDEN / "elvis", "*.csv") + _files(GOLDEN.parent / "elvis" / "cases", "*.csv")


@cache
def notices() -> tuple[bytes, ...]:
    return _files(GOLDEN / "notifications", "*.json")


def _files(folder: Path, pattern: str) -> tuple[bytes, ...]:
    found = (path.read_bytes() for path in sorted(folder.rglob(pattern)))
    return tuple(seed for seed in found if len(seed) <= MAX_SEED_BYTES)


def _foreign(pattern: str) -> tuple[bytes, ...]:
    if not CORPORA.is_dir():
        return ()
    found = _files(CORPORA, pattern)
    return found[:: max(1, len(found) // MOST_FOREIGN)]

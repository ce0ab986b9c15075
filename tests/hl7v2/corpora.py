"""The foreign messages that lie beside the project, where they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from adapters.hl7v2.batch import split

CORPORA: Final = Path(__file__).parents[3] / "shared" / "corpora"

present: Final = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the corpora do not lie beside the project (../shared/corpora)"
)


class Foreign(NamedTuple):
    """One message: its file's name, its place in the file, its bytes."""

    file: str
    at: int
    payload: bytes

    @property
    def is_adt(self) -> bool:
        header = self.payload.split(b"\r")[0].split(b"\n")[0]
        return self.payload[:3] == b"MSH" and b"ADT" in header.split(self.payload[3:4])[8][:3]


def messages() -> Iterator[Foreign]:
    for path in sorted(CORPORA.rglob("*")):
        if path.suffix in {".hl7", ".out"}:
            for index, payload in enumerate(split(path.read_bytes()).messages):
                yield Foreign(path.name, index, payload)

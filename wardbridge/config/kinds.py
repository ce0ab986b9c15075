"""The registry of adapters: which kinds of feed there are. A new source is one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from adapters.common.configured import SettingsKind

ADAPTERS: Final[Mapping[str, str]] = {
    "hl7v2-mllp": "hl7v2",
    "elvis-directory": "elvis",
    "fhir": "fhir",
}
"""The name in the configuration -> the adapter: a folder of ``adapters`` and a module of ``wardbridge.ingest``."""


class _Kinds(Mapping[str, SettingsKind[Any]]):
    """By the name in the configuration; an adapter's module is read when it is asked for."""

    def __getitem__(self, name: str) -> SettingsKind[Any]:
        found: SettingsKind[Any] = import_module(f"adapters.{ADAPTERS[name]}.configured").CONFIGURED
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(ADAPTERS)

    def __len__(self) -> int:
        return len(ADAPTERS)


KINDS: Final[Mapping[str, SettingsKind[Any]]] = _Kinds()

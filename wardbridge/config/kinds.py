"""The registry of adapters: which kinds of feed there are. A new source is one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, TypeVar

from adapters.common.configured import SettingsKind

T = TypeVar("T")
ADAPTERS: Final[Mapping[str, str]] = {
    "hl7v2-mllp": "hl7v2",
    "elvis-directory": "elvis",
    "fhir": "fhir",
}
"""The name in the configuration -> the adapter: a folder of ``adapters`` and a module of ``wardbridge.ingest``."""


class OfEachAdapter(Mapping[str, T]):
    """One value of each adapter, by the kind's name in the configuration.

    An adapter's module is imported when its value is asked for, so that a process which works for some feeds
    imports no other adapter: half a second and 20 MB of the FHIR one's.
    """

    def __init__(self, module: str, value: str) -> None:
        """``module``: its name, with ``{}`` for the adapter's; ``value``: the constant in it."""
        self._module = module
        self._value = value

    def __getitem__(self, kind: str) -> T:
        found: T = getattr(import_module(self._module.format(ADAPTERS[kind])), self._value)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(ADAPTERS)

    def __len__(self) -> int:
        return len(ADAPTERS)


KINDS: Final = OfEachAdapter[SettingsKind[Any]]("adapters.{}.configured", "CONFIGURED")

"""A lean view of an element: each child is asked for by name, and is of the type asked, or refused.

Nothing is built but what is asked for; unknown children are passed over. FHIRPath expressions come
for free, so that every refusal names its place.
"""

from __future__ import annotations

import re
from typing import Any, Final

from adapters.common.outcome import MAX_TEXT_CHARS
from adapters.fhir.names import Object
from adapters.fhir.refusal import RefusedError

MAX_URI_CHARS: Final = 2_048
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Element:
    """One JSON object of a resource, and its FHIRPath expression.

    Arrays are looked through once: several rules ask for the same.
    """

    __slots__ = ("_arrays", "content", "path")

    def __init__(self, content: Object, path: str) -> None:
        self.content = content
        self.path = path
        self._arrays: dict[str, list[Element]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.content

    def text(self, name: str, longest: int = MAX_TEXT_CHARS) -> str:
        """A string child without blanks around it; "" where there is none."""
        value = self.content.get(name)
        if value is None:
            return ""
        if type(value) is not str:
            raise self._wrong(name, "a string")
        if len(value) > longest or not (value.isprintable() or _CONTROL.search(value) is None):
            detail = f"at most {longest} characters, and no control characters"
            raise RefusedError("text-unreadable", detail, f"{self.path}.{name}")
        return value.strip()

    def uri(self, name: str) -> str:
        """A string child that may be as long as an address."""
        return self.text(name, MAX_URI_CHARS)

    def element(self, name: str) -> Element | None:
        """An object child."""
        value = self.content.get(name)
        if value is None:
            return None
        if type(value) is not dict:
            raise self._wrong(name, "an object")
        return Element(value, f"{self.path}.{name}")

    def elements(self, name: str) -> list[Element]:
        """The objects of an array child; none where there is none."""
        value = self.content.get(name)
        if value is None:
            return []
        found = self._arrays.get(name)
        if found is None:
            found = self._arrays[name] = self._looked_through(name, value)
        return found

    def _looked_through(self, name: str, value: object) -> list[Element]:
        if type(value) is not list:
            raise self._wrong(name, "an array of objects")
        found = []
        for at, item in enumerate(value):
            if type(item) is not dict:
                raise self._wrong(name, "an array of objects")
            found.append(Element(item, f"{self.path}.{name}[{at}]"))
        return found

    def is_true(self, name: str) -> bool:
        """Whether a boolean child is true."""
        value = self.content.get(name, False)
        if type(value) is not bool:
            raise self._wrong(name, "true or false")
        return value

    def codings(self, name: str) -> list[Element]:
        """The codings of a CodeableConcept child."""
        concept = self.element(name)
        return [] if concept is None else concept.elements("coding")

    def has_code(self, name: str, *codes: str) -> bool:
        """Whether a CodeableConcept child has one of these codes, of whatever system."""
        return any(coding.text("code") in codes for coding in self.codings(name))

    def extension(self, url: str) -> Element | None:
        """The first extension of this address."""
        if "extension" not in self.content:
            return None
        return next((e for e in self.elements("extension") if e.uri("url") == url), None)

    @property
    def resource_type(self) -> str:
        """What resource it is; "" for an element that is none."""
        return self.text("resourceType")

    def refuse_modifiers(self) -> None:
        """FHIR, section "Extensibility": who does not know a modifier must not use the element."""
        for name in ("modifierExtension", "implicitRules"):
            if self.content.get(name):
                detail = "it changes what the rest means, in a way that is not known here"
                raise RefusedError("modifier-not-understood", detail, f"{self.path}.{name}")

    def _wrong(self, name: str, belongs: str) -> RefusedError:
        return RefusedError(
            "element-of-wrong-type", f"{belongs} belongs here", f"{self.path}.{name}"
        )


def resource(content: Any, path: str | None = None) -> Element:  # noqa: ANN401 - parsed JSON
    """A parsed resource as an element; its path is its type unless said otherwise."""
    return Element(content, path or str(content["resourceType"]))

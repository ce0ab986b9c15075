"""Typed access to JSON elements: a child of another type is refused with its path.

Nothing is built but what is asked for; unknown children are passed over. FHIRPath expressions come
for free, so that every refusal names its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from adapters.common.outcome import MAX_TEXT_CHARS
from adapters.common.text import cleaned, is_readable, unreadable
from adapters.fhir.canonical import canonical
from adapters.fhir.limits import MAX_ELEMENTS, MAX_TYPE_CHARS, MAX_URI_CHARS
from adapters.fhir.names import Object, Unusable
from adapters.fhir.refusal import ResourceRefusedError


class Element:
    """One JSON object of a resource, and its FHIRPath expression.

    Arrays are looked through once: several rules ask for the same. An object that is no ``dict`` but an
    :class:`Unusable` is refused wherever it is asked for.
    """

    __slots__ = ("_arrays", "_canonical", "content", "path")

    def __init__(self, content: Object, path: str) -> None:
        self.content = content
        self.path = path
        self._arrays: dict[str, list[Element]] = {}
        self._canonical: bytes | None = None

    def canonical(self) -> bytes:
        """The same for the same content but the narrative, whatever the order of keys; made once."""
        if self._canonical is None:
            said = {key: value for key, value in self.content.items() if key != "text"}
            self._canonical = canonical(said)
        return self._canonical

    def __contains__(self, name: str) -> bool:
        return name in self.content

    def text(self, name: str, longest: int = MAX_TEXT_CHARS) -> str:
        """A code or an identifier without blanks around it; "" where there is none."""
        found = self.content.get(name)
        if type(found) is str and len(found) <= longest and is_readable(found):  # nearly always
            return found.strip()
        value = self._string(name, longest)
        if not is_readable(value):
            unseen = unreadable(f"{self.path}.{name}")
            raise ResourceRefusedError(unseen.reason, unseen.detail, unseen.where)
        return value

    def name(self, name: str) -> str:
        """Free text, such as a name, without what must not be let out (``adapters.common.text``)."""
        return cleaned(self._string(name, MAX_TEXT_CHARS))

    def is_cleaned(self, name: str) -> bool:
        """Whether :meth:`name` leaves something out of a text."""
        value = self.content.get(name)
        return type(value) is str and cleaned(value) != value

    def _string(self, name: str, longest: int) -> str:
        value = self.content.get(name)
        if value is None:
            return ""
        if type(value) is not str:
            raise self._wrong(name, "a string")
        if len(value) > longest:
            detail = f"at most {longest} characters"
            raise ResourceRefusedError("text-unreadable", detail, f"{self.path}.{name}")
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
            raise self._wrong(name, "an object", value)
        return Element(value, f"{self.path}.{name}")

    def elements(self, name: str) -> list[Element]:
        """The objects of an array child; none where there is none."""
        found = self._arrays.get(name)
        if found is None:
            items = self._items(name)
            found = [self._item(name, at, item) for at, item in enumerate(items)]
            self._arrays[name] = found
        return found

    def parts(self, name: str) -> list[Callable[[], Element]]:
        """Of each item of an array child what gives it as an element, for whom one costs no other."""
        items = enumerate(self._items(name))
        return [partial(self._item, name, at, item) for at, item in items]

    def _items(self, name: str) -> list[object]:
        value = self.content.get(name)
        if value is None:
            return []
        if type(value) is not list:
            raise self._wrong(name, "an array of objects")
        if len(value) > MAX_ELEMENTS:
            detail = f"nothing has more than {MAX_ELEMENTS} of one element"
            raise ResourceRefusedError("too-many-elements", detail, f"{self.path}.{name}")
        return value

    def readable(self, name: str) -> list[Element]:
        """Those of an array child that are objects, for whom the others are of no concern."""
        value = self.content.get(name)
        items = value[:MAX_ELEMENTS] if type(value) is list else []
        return [
            Element(item, f"{self.path}.{name}[{at}]")
            for at, item in enumerate(items)
            if type(item) is dict
        ]

    def _item(self, name: str, at: int, item: object) -> Element:
        if type(item) is not dict:
            raise self._wrong(f"{name}[{at}]", "an object", item)
        return Element(item, f"{self.path}.{name}[{at}]")

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
                raise ResourceRefusedError("modifier-not-understood", detail, f"{self.path}.{name}")

    def _wrong(self, name: str, belongs: str, value: object = None) -> ResourceRefusedError:
        where = f"{self.path}.{name}"
        if isinstance(value, Unusable):
            return ResourceRefusedError(value.reason, value.detail, where)
        return ResourceRefusedError("element-of-wrong-type", f"{belongs} belongs here", where)


def resource(content: Any, path: str | None = None) -> Element:  # noqa: ANN401 - parsed JSON
    """A parsed resource as an element; its path is its type unless said otherwise."""
    kind = content.get("resourceType")
    is_name = isinstance(kind, str) and kind.isalpha() and kind.isascii()
    return Element(content, path or (kind[:MAX_TYPE_CHARS] if is_name else "%resource"))

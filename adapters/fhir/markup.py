"""Converts FHIR XML to the equivalent JSON object.

Format: http://hl7.org/fhir/R4/xml.html and json.html. Values are attributes, resources stand within
the element that holds them, the narrative is XHTML and becomes its text. Which elements repeat (and
are arrays in JSON also when there is one) is asked of the edition's models; of an element that no
model knows the number decides. Document types and entities are refused: FHIR has none, and they
are how XML attacks its reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, get_args, get_origin
from xml.etree.ElementTree import Element as Node
from xml.etree.ElementTree import ParseError, TreeBuilder, XMLParser, fromstring, tostring

from pydantic import BaseModel

from adapters.fhir.limits import MAX_DEPTH, MAX_MODELS, MAX_NODES
from adapters.fhir.names import EditionName, Foreign, Object
from adapters.fhir.refusal import ResourceRefusedError, too_deep

NAMESPACE: Final = "{http://hl7.org/fhir}"
DIV: Final = "{http://www.w3.org/1999/xhtml}div"
_PACKAGES: Final[Mapping[EditionName, str]] = {
    "R4": "fhir.resources.R4B",
    "R4B": "fhir.resources.R4B",
    "R5": "fhir.resources",
}
_DECLARED: Final = re.compile(r"""^<\?xml[^>]*\bencoding\s*=\s*["']([^"']+)["']""")
_FORBIDDEN: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)")
_BOOLEANS: Final = {"true": True, "false": False}


def read_xml(text: str, edition: EditionName) -> Object:
    """The resource in the text. Raises RefusedError."""
    declared = _DECLARED.match(text)
    if declared is not None and declared[1].lower() not in {"utf-8", "utf8"}:
        raise ResourceRefusedError("charset-unreadable", "another encoding than UTF-8 is declared")
    if _FORBIDDEN.search(text):
        raise ResourceRefusedError("not-json", "XML with a document type or entities is not read")
    try:
        root = fromstring(text, XMLParser(target=_Bounded()))  # noqa: S314 - made safe above
    except (ParseError, ValueError, LookupError):
        raise ResourceRefusedError(
            "not-json", "the bytes are neither JSON nor well-formed XML"
        ) from None
    return _Converter(edition).resource(root, 0)


class _Bounded(TreeBuilder):
    """Builds a tree that is neither deeper nor larger than any real one."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._nodes = 0

    def start(self, tag: str, attributes: dict[str, str], /) -> Node:
        """A tag. Raises RefusedError beyond the limits."""
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()
        if self._nodes > MAX_NODES:
            detail = f"no resource has more than {MAX_NODES} XML elements"
            raise ResourceRefusedError("too-many-elements", detail, "%resource")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Node:
        """Its end."""
        self._depth -= 1
        return super().end(tag)


@lru_cache(MAX_MODELS)
def _model(edition: EditionName, name: str) -> type[BaseModel] | None:
    """The edition's model of a resource or a type, or None where it has none."""
    try:
        found: type[BaseModel] = import_module(_PACKAGES[edition]).get_fhir_model_class(name)
    except Exception:  # noqa: BLE001 - a sender's name, at a library: whatever that says, there is none
        return None
    return found


class _Converter:
    def __init__(self, edition: EditionName) -> None:
        self._edition = edition

    def resource(self, node: Node, depth: int) -> Object:
        name = _local(node)
        if name is None:
            raise ResourceRefusedError(Foreign.reason, Foreign.detail, "%resource")
        content = self._object(node, _model(self._edition, name), depth)
        whole = {"resourceType": name} | content
        return Foreign(whole) if isinstance(content, Foreign) else whole

    def _object(self, node: Node, model: type[BaseModel] | None, depth: int) -> Object:
        found: Object = {key: text for key, text in node.attrib.items() if key[:1] != "{"}
        grouped: dict[str, list[Any]] = {}
        for child in node:
            name = "div" if child.tag == DIV else _local(child)
            if name is None:
                return Foreign(found)
            value = self._value(child, _kind(model, name), depth + 1)
            grouped.setdefault(name, []).append(value)
        for name, values in grouped.items():
            single = len(values) == 1 and not _repeats(model, name)
            found[name] = values[0] if single else values
        return found

    def _value(self, node: Node, kind: str | None, depth: int) -> object:
        if node.tag == DIV:
            return tostring(node, encoding="unicode")
        if "value" in node.attrib:
            text = node.attrib["value"]
            return _BOOLEANS.get(text, text) if kind == "bool" else text
        inner = list(node)
        if len(inner) == 1 and (_local(inner[0]) or "")[:1].isupper():
            return self.resource(inner[0], depth)
        return self._object(node, _model(self._edition, kind) if kind else None, depth)


def _local(node: Node) -> str | None:
    """The name of a FHIR element; None for one of another namespace."""
    is_ours = node.tag.startswith(NAMESPACE)
    return node.tag.removeprefix(NAMESPACE) if is_ours else None


def _annotation(model: type[BaseModel] | None, name: str) -> Any:  # noqa: ANN401 - any type
    if model is None:
        return None
    fields = model.model_fields
    field = fields.get(name) or fields.get(f"{name}_fhir")
    return field.annotation if field else None


def _repeats(model: type[BaseModel] | None, name: str) -> bool:
    annotation = _annotation(model, name)
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))


def _kind(model: type[BaseModel] | None, name: str) -> str | None:
    """The name of the type of an element, such as ``bool``, ``Reference``, ``EncounterLocation``."""
    for part in _parts(_annotation(model, name)):
        if part is bool:
            return "bool"
        found = getattr(part, "__name__", "")
        if found.endswith("Type"):
            return found.removesuffix("Type")
    return None


def _parts(annotation: Any) -> list[Any]:  # noqa: ANN401 - any type
    """The annotation and everything within it."""
    inner = get_args(annotation)
    return [annotation, *(part for each in inner for part in _parts(each))]

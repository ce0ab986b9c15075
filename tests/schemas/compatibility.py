"""What a new JSON Schema may not do to those who keep the last released one.

A value that the released schema allows must stay allowed: a writer that was not updated goes on
writing, and stored records are read for years. And a member that was promised stays: a reader
that was not updated goes on reading. So a breach is

* a member removed, or newly required;
* a type narrowed (number to integer, a null no longer allowed, a choice removed);
* a set of codes or a constant narrowed;
* a bound or a format added or tightened.

References are followed within each document. The same structure with other descriptions, titles
or defaults is no change.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT = ("format", "pattern")


def breaches(released: Schema, current: Schema) -> list[str]:
    """Each breach as ``place: what``; empty if every reader and writer of before is served."""
    return list(_Comparison(released, current).breaches())


class _Comparison:
    """Walks two documents side by side; pairs of references are walked once."""

    def __init__(self, released: Schema, current: Schema) -> None:
        self._released = released
        self._current = current
        self._seen: set[tuple[str, str]] = set()

    def breaches(self) -> Iterator[str]:
        yield from self._compare("$", self._released, self._current)

    def _compare(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        if self._met_before(old, new):
            return
        old, new = _resolved(self._released, old), _resolved(self._current, new)
        if "anyOf" in old or "anyOf" in new:
            yield from self._choices(place, old, new)
            return
        yield from _types(place, old, new)
        yield from _codes(place, old, new)
        yield from _bounds(place, old, new)
        yield from self._members(place, old, new)
        yield from self._inner(place, old, new)

    def _met_before(self, old: Schema, new: Schema) -> bool:
        if "$ref" not in old or "$ref" not in new:
            return False
        pair = (old["$ref"], new["$ref"])
        met = pair in self._seen
        self._seen.add(pair)
        return met

    def _choices(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        """Every choice of before must be served by one of the choices of now."""
        for number, choice in enumerate(old.get("anyOf", [old])):
            if not any(self._serves(choice, offer) for offer in new.get("anyOf", [new])):
                yield f"{place}: choice {number} of before is gone"

    def _serves(self, choice: Schema, offer: Schema) -> bool:
        attempt = _Comparison(self._released, self._current)
        attempt._seen = set(self._seen)
        return not any(attempt._compare("", choice, offer))

    def _members(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        before, now = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in now:
                yield f"{place}.{name}: member removed"
            else:
                yield from self._compare(f"{place}.{name}", before[name], now[name])
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{place}.{name}: newly required"

    def _inner(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        for key in sorted({"items", "additionalProperties"} & (old.keys() | new.keys())):
            before, now = _as_schema(old.get(key)), _as_schema(new.get(key))
            if now is None:
                yield f"{place}.{key}: no longer allowed"
            elif before is not None:
                yield from self._compare(f"{place}.{key}", before, now)


def _as_schema(rule: Any) -> Schema | None:
    """``true`` and nothing allow everything, ``false`` nothing."""
    if rule is None or rule is True:
        return {}
    return None if rule is False else dict(rule)


def _resolved(document: Schema, part: Schema) -> Schema:
    while "$ref" in part:
        node: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        part = node
    return part


def _types(place: str, old: Schema, new: Schema) -> Iterator[str]:
    allowed = _type_set(new)
    if "number" in allowed:
        allowed |= {"integer"}
    if allowed and not (_type_set(old) and _type_set(old) <= allowed):
        yield f"{place}: type narrowed to {sorted(allowed)}"


def _type_set(schema: Schema) -> set[str]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def _codes(place: str, old: Schema, new: Schema) -> Iterator[str]:
    before, now = _code_list(old), _code_list(new)
    if now is None:
        return
    if before is None:
        yield f"{place}: limited to codes"
        return
    for code in before:
        if code not in now:
            yield f"{place}: code {code!r} removed"


def _code_list(schema: Schema) -> list[Any] | None:
    codes: list[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return codes


def _bounds(place: str, old: Schema, new: Schema) -> Iterator[str]:
    for key in _LOWER_BOUNDS:
        if key in new and (key not in old or new[key] > old[key]):
            yield f"{place}: {key} raised to {new[key]}"
    for key in _UPPER_BOUNDS:
        if key in new and (key not in old or new[key] < old[key]):
            yield f"{place}: {key} lowered to {new[key]}"
    for key in _EXACT:
        if key in new and new[key] != old.get(key):
            yield f"{place}: {key} is now {new[key]}"

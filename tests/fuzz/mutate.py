"""Inputs made of seeds: cut, repeated, crossed, and filled with what stands at the edges."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.fuzz.seeds import EDGES

MAX_BYTES: Final = 200_000
"""Larger inputs are refused by count or size before they are read; tests of their own show that."""

_TOKEN: Final = re.compile(rb'[^|^~&\\\r\n;,\t"{}\[\]:]+')
Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One input: a seed, changed a few times."""
    data = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        data = random.choice(MUTATIONS)(random, data, seeds)[:MAX_BYTES]
    return data


def _replace_token(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    tokens = [each.span() for each in _TOKEN.finditer(data)]
    begin, end = random.choice(tokens) if tokens else (0, 0)
    return data[:begin] + random.choice(EDGES) + data[end:]


def _insert_edge(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(EDGES) + data[at:]


def _flip(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _cut(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    begin, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
    return data[:begin] + data[end:]


def _end_early(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: random.randint(0, len(data))]


def _repeat(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    begin, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
    times = random.choice((2, 3, 50, 3_000))
    return data[:begin] + data[begin : min(end, begin + 60)] * times + data[end:]


def _cross(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = random.choice(seeds)
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _recode(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    text = data.decode("latin-1")
    codec = random.choice(("utf-8", "utf-16", "utf-16-le", "cp500", "utf-7", "iso2022_jp"))
    return text.encode(codec, "ignore")


MUTATIONS: Final[tuple[Mutation, ...]] = (
    _replace_token, _replace_token, _replace_token, _insert_edge, _flip, _cut, _end_early, _repeat,
    _cross, _recode,
)  # fmt: skip

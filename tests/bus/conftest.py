"""One suite for every engine; ``tests.bus.engines`` says how each is opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.engines import ENGINES, Engine, SqliteEngine

__all__ = ["Engine"]


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made = ENGINES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[SqliteEngine]:
    made = SqliteEngine(tmp_path)
    yield made
    made.close()

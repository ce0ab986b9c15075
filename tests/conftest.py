"""What all tests share: hypothesis profiles, chosen with HYPOTHESIS_PROFILE, who begins, and an event loop."""

import asyncio
import inspect
import os
from collections.abc import Iterator, Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from bus.sqlite import schema
from tests.support.service import kill_what_runs

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

for name, max_examples in {"default": 60, "ci": 60, "campaign": 5000}.items():
    settings.register_profile(
        name,
        max_examples=max_examples,
        deadline=None,
        derandomize=name == "ci",
        print_blob=True,
        suppress_health_check=_SLOW_IS_FINE,
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

LONGEST_FIRST: Final[Sequence[str]] = ("e2e", "kafka", "bus", "deploy", "fhir")


@pytest.hookimpl(trylast=True)  # after the order was made random, which it stays within a folder
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders with long tests begin: at the end short ones keep every worker at work."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine runs in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


def pytest_sessionfinish() -> None:
    """A test that failed may have left its service running."""
    kill_what_runs()


@pytest.fixture(scope="session", autouse=True)
def without_flushing() -> Iterator[None]:
    """Nothing in the tests' own processes waits for the disk, which may take 100 ms a flush.

    Only loss of power could tell. What must be flushed, and before which answer, the tests of
    durability see in the system calls of a child (``tests/bus/test_durability.py``); children,
    the service among them, flush as they do in production.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "SYNCHRONOUS", "OFF")
        patch.setattr(os, "fsync", lambda _handle: None)
        yield

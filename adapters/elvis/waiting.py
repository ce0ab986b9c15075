"""Decides when to look into the inbox: at an interval, and when the file system reports a change.

What the file system tells is only a reason to look, never what there is: a watch sees nothing on most
network shares, overflows, ends when its folder is made anew, and the library that reads it raises at a
name that is not UTF-8. So whatever it raises costs one interval.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from watchfiles import watch

from adapters.elvis.settings import Watching

_WATCH_STEP_MS: Final = 20


def looks(folders: Sequence[Path], how: Watching, stopping: threading.Event) -> Iterator[None]:
    """Yields whenever it is time to look, until told to stop; at least every ``look_s``."""
    while not stopping.is_set():
        if not how.polling:
            yield from _told(folders, how, stopping)
        if not stopping.wait(how.look_s):
            yield


def _told(folders: Sequence[Path], how: Watching, stopping: threading.Event) -> Iterator[None]:
    """Ends when the watch does."""
    changes = watch(
        *folders,
        watch_filter=None,
        recursive=False,
        step=_WATCH_STEP_MS,
        rust_timeout=int(how.look_s * 1000),
        yield_on_timeout=True,
        stop_event=stopping,
        raise_interrupt=False,
    )
    while True:
        try:
            next(changes)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 - see above: no fault of a watch may end the feed
            return
        yield

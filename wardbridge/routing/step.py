"""Builds the router's step for an installation, and the review item of a record at which it fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bus.port import Log, Record, Stored
from bus.runner import StepRunner
from router.core.output_records import review_of_record
from router.core.partition import RouterState
from router.core.step import GROUP, RouterStep
from schemas import topics
from wardbridge.config.models import Installation

FAULT: Final = "router-fault"
UNREADABLE: Final = "notice-unreadable"
REST_S: Final = 0.005
"""Nobody sees that a notice comes so much later, but listeners answer more in a second when not
every message has the router commit by itself."""


def step_of(installation: Installation) -> RouterStep:
    """The router's step."""
    settings, register = installation.settings, installation.register
    keep = timedelta(days=settings.router.keep_closed_days)
    fulfilments = {name: realm.fulfilment(register) for name, realm in settings.realms.items()}
    return RouterStep(register, keep, fulfilments)


def make_runner(log: Log, installation: Installation) -> StepRunner[RouterState]:
    """The runner of the router's step. After a long stop old ticks may be gone: no loss."""
    step = step_of(installation)
    return StepRunner(log, GROUP, step, review_of_failure, may_skip=(topics.TICKS,), rest_s=REST_S)


def review_of_failure(stored: Stored, error: Exception) -> Sequence[Record]:
    """A fault of ours at one record: a person looks at it, the rest goes on."""
    detail = f"{type(error).__name__} in the router: a fault of this program, please report it"
    realm = _realm_of(stored)
    item = review_of_record(stored, realm, FAULT, detail)
    return [Record(topics.REVIEW, realm, item.id, item.model_dump_json().encode())]


def review_of_notice(stored: Stored) -> Sequence[Record]:
    """A record of a subscriber's queue that holds no notice: that subscriber sees a gap in its numbers."""
    detail = "a record in a subscriber's queue holds no notice: it was passed over, its number is left out"
    item = review_of_record(stored, "", UNREADABLE, detail)
    return [Record(topics.REVIEW, "", item.id, item.model_dump_json().encode())]


def _realm_of(stored: Stored) -> str:
    """As the record says, where that can be a route."""
    try:
        realm = str(json.loads(stored.value or b"{}")["realm"])
        realm.encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return realm

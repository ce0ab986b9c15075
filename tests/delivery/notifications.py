"""What is said to a FHIR endpoint, each kind once: beside it what it looks like, in golden files.

``python -m tests.delivery.notifications`` writes them anew; look at the difference before you keep it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from router.delivery.bundles import (
    Speaker,
    SubscriptionStatus,
    event_notification,
    notification,
    status_of,
)
from router.delivery.channel import Outgoing
from schemas.notification import Kind, Reason
from schemas.registration import Content
from tests.delivery.notices import AT, BESIDE, notice

FOLDER: Final = Path(__file__).parents[1] / "golden" / "notifications"
BASE: Final = "https://bridge.example/fhir"
Json = dict[str, Any]


def speaker(content: Content) -> Speaker:
    return Speaker(BASE, "s1", content)


def outgoing(kind: Kind = Kind.DESIGNATED, **said: object) -> Outgoing:
    """The seventh event: about all that a notice may say."""
    whole = {"room": "4", "bed": "2", "expected_at": AT + timedelta(hours=2)}
    plain = notice("MED", 3, kind=kind)
    data = plain.data.model_copy(update=whole | said)
    return Outgoing(7, plain.model_copy(update={"data": data}), 0.0)


def event(content: Content, out: Outgoing) -> Json:
    found: Json = json.loads(event_notification(speaker(content), out))
    return found


def said() -> Mapping[str, Json]:
    """Name to Bundle."""
    full, ids = speaker(Content.FULL_RESOURCE), speaker(Content.ID_ONLY)
    greeting = status_of(ids, "handshake", SubscriptionStatus("requested", 0))
    beat = status_of(
        ids, "heartbeat", SubscriptionStatus("error", 7, "takes nothing: answered 500")
    )
    several = [
        Outgoing(6, notice("MED", 3), 0.0),
        outgoing(Kind.ARRIVED, reason=Reason.MOVED_IN, version=2),
    ]
    queried = status_of(full, "query-event", SubscriptionStatus("active", 7), several)
    return {
        "handshake": notification(ids, greeting, AT, ()),
        "heartbeat_in_error": notification(ids, beat, AT, ()),
        "empty": event(Content.EMPTY, outgoing()),
        "id_only": event(Content.ID_ONLY, outgoing()),
        "designated": event(Content.FULL_RESOURCE, outgoing()),
        "changed_and_protected": event(
            Content.FULL_RESOURCE,
            outgoing(Kind.CHANGED, reason=Reason.UPDATED, protected=True, hospital=None, version=2),
        ),
        "withdrawn": event(
            Content.FULL_RESOURCE, outgoing(Kind.WITHDRAWN, reason=Reason.REDESIGNATED, version=2)
        ),
        "discharged": event(
            Content.FULL_RESOURCE, outgoing(Kind.WITHDRAWN, reason=Reason.DISCHARGED, version=2)
        ),
        "arrived": event(
            Content.FULL_RESOURCE, outgoing(Kind.ARRIVED, reason=Reason.MOVED_IN, version=2)
        ),
        "designated_with_identity": event(
            Content.FULL_RESOURCE, outgoing(protected=True)._replace(beside=BESIDE)
        ),
        "two_events": notification(full, queried, AT, several),
    }


def written(resource: Json) -> str:
    return json.dumps(resource, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, bundle in said().items():
        (FOLDER / f"{name}.json").write_text(written(bundle), encoding="utf-8")

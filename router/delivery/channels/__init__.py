"""The channels that there are: one file each, and one line here.

A kind's name is that of its table in the configuration, of its member in a request that registers a
subscriber, and of ``channel`` in topic ``registrations``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from router.delivery.channels import fhir, mllp, topic, webhook
from router.delivery.channels.kind import ChannelKind

KINDS: Final[Mapping[str, ChannelKind[Any]]] = {
    kind.name: kind for kind in (webhook.KIND, mllp.KIND, fhir.KIND, topic.KIND)
}

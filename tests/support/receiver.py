"""The receiver of webhooks that `wardbridge simulate receiver` is made of."""

from wardbridge.simulate.posts import (
    TEST,
    Behaviour,
    Call,
    Handler,
    HttpReceiver,
    answering,
    dripping,
    hanging,
    resetting,
)

__all__ = [
    "TEST", "Behaviour", "Call", "Handler", "HttpReceiver", "answering", "dripping", "hanging", "resetting",
]  # fmt: skip

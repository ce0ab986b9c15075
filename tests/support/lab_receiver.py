"""The receiver of HL7 messages that `wardbridge simulate receiver` is made of."""

from wardbridge.simulate.messages import (
    Behaviour,
    LabReceiver,
    ReceivedMessage,
    ReceiverConnection,
    accepting,
    answering,
    closing,
    dripping,
    flooding,
    garbling,
    hanging,
    mistaking,
    mistaking_first,
    resetting,
)

__all__ = [
    "Behaviour",
    "LabReceiver",
    "ReceivedMessage",
    "ReceiverConnection",
    "accepting",
    "answering",
    "closing",
    "dripping",
    "flooding",
    "garbling",
    "hanging",
    "mistaking",
    "mistaking_first",
    "resetting",
]  # fmt: skip

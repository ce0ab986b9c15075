"""The receiver of HL7 messages that `wardbridge simulate receiver` is made of."""

from wardbridge.simulate.messages import (
    Behaviour,
    Connection,
    Heard,
    LabReceiver,
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
    "Behaviour", "Connection", "Heard", "LabReceiver", "accepting", "answering", "closing", "dripping",
    "flooding", "garbling", "hanging", "mistaking", "mistaking_first", "resetting",
]  # fmt: skip

"""The secret of the patient keys: a file, made once, readable by its owner only.

Another secret gives every patient another key, and two sources would no longer agree on who is
who; so beside a log that has taken inputs a missing secret is an error, never a reason to make one.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from adapters.common.keys import PatientKeyer
from bus import durable

DEFAULT_NAME: Final = "patient.key"
_RANDOM_BYTES: Final = 32


class SecretError(Exception):
    """The secret cannot be had; the message says what to do."""


def patient_keyer(data: Path, configured: Path | None, *, may_create: bool) -> PatientKeyer:
    """The keyer of this installation, its secret made if it ``may_create``. Raises SecretError."""
    path = data / (configured or DEFAULT_NAME)
    if configured is None and may_create and not path.exists():
        made_once(path)
    try:
        return PatientKeyer(path.read_bytes().strip())
    except FileNotFoundError:
        raise SecretError(
            f"{path} is missing: restore it from the copy that belongs to this log, "
            "for with another secret every patient would become another"
        ) from None
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SecretError(f"{path}: {error}") from None


def made_once(path: Path) -> None:
    """A random secret, whole and durable under its name, or not there. Raises OSError."""
    durable.write(path, secrets.token_hex(_RANDOM_BYTES).encode())

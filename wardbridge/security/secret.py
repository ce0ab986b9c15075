"""The secret with which patient numbers are hashed to keys: one file, readable by its owner only.

Another secret gives every patient another key, and two sources would no longer agree on who is
who; so beside a log that has taken inputs a missing secret is an error, never a reason to make one, and a file
that is not the one whose keys are in the log is none. Only feeds need it: without it they stand still, and
whoever reads is served.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from adapters.common.keys import PatientKeyer
from bus import durable
from bus.port import Log
from schemas import topics
from wardbridge.config.models import PATIENT_KEY_NAME, Installation
from wardbridge.logstore.revisions import check_of, claim_check
from wardbridge.parts.base import TellableError

_RANDOM_BYTES: Final = 32
RESTORE: Final = "restore it from the copy that belongs to this log"
Clock = Callable[[], datetime]


class SecretError(TellableError):
    """The secret cannot be had; the message says what to do."""


def make_first(log: Log, installation: Installation) -> None:
    """Make the secret of a log that no key is in yet, where it is not there. Raises LogError or OSError."""
    path = _path(installation)
    is_ours = installation.settings.privacy.patient_key_file is None
    if is_ours and not path.exists() and not _has_keys(log):
        made_once(path)


def claimed_keyer_of(log: Log, installation: Installation, clock: Clock) -> PatientKeyer:
    """The keyer of an installation, whose secret the log knows from now on. Raises SecretError or LogError."""
    claim_check(log, keyer_of(log, installation).check, clock)
    return keyer_of(log, installation)


def keyer_of(log: Log, installation: Installation) -> PatientKeyer:
    """The keyer of an installation. Raises SecretError or LogError."""
    keyer = patient_keyer(_path(installation))
    if check_of(log) not in {None, keyer.check}:
        raise SecretError(
            f"{_path(installation)} is not the secret that the patients of this log are keyed with, or not all "
            f"of it: {RESTORE}"
        )
    return keyer


def doubt_of(log: Log, installation: Installation) -> str | None:
    """Why no feed could start beside this log; None where the secret is right or can be made. Raises LogError."""
    if not _path(installation).exists() and not _has_keys(log):
        return None
    try:
        keyer_of(log, installation)
    except SecretError as error:
        return str(error)
    return None


def _path(installation: Installation) -> Path:
    return installation.data / (installation.settings.privacy.patient_key_file or PATIENT_KEY_NAME)


def _has_keys(log: Log) -> bool:
    """Whether it has taken an input, also one that is no longer kept, or a feed was to take one."""
    return any(log.ends(topics.RAW).values()) or check_of(log) is not None


def patient_keyer(path: Path) -> PatientKeyer:
    """The keyer of the secret in a file. Raises SecretError."""
    try:
        return PatientKeyer(path.read_bytes().strip())
    except FileNotFoundError:
        raise SecretError(
            f"{path} is missing: {RESTORE}, for with another secret every patient would become another"
        ) from None
    except OSError as error:
        raise SecretError(
            f"{path} cannot be read: {error.strerror}; let our user read it"
        ) from None
    except ValueError as error:
        raise SecretError(f"{path}: {error}; {RESTORE}") from None


def made_once(path: Path) -> None:
    """A random secret, whole and durable under its name, or not there. Raises OSError."""
    durable.write(path, secrets.token_hex(_RANDOM_BYTES).encode())

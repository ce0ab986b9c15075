"""Self-signed certificates of ``localhost``, made for one test."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """A certificate and its private key, PEM."""

    file: str
    key: str


def self_signed(folder: Path, name: str) -> Certificate:
    """Made in the folder, under the name."""
    made = Certificate(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command, "-keyout", made.key, "-out", made.file], check=True, capture_output=True
    )
    return made

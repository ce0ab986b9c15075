"""TLS contexts made of PEM files (RFC 7468); an error names the file that is at fault, and what to do.

OpenSSL tells of a damaged file neither its name nor what is wrong with it, and asks the terminal for the password
of a key that has one.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple


class TlsFileError(OSError):
    """A certificate or a key cannot be used; the text names the file, and says what to do."""


class PemFiles(NamedTuple):
    """What a connection is made with. ``ca`` None: whom the system trusts; ``key`` None: it is in ``certificate``."""

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None
    password: str | None = None


def server_context(files: PemFiles) -> ssl.SSLContext:
    """For who listens, TLS 1.2 or later. Raises TlsFileError."""
    return _context(ssl.Purpose.CLIENT_AUTH, files)


def client_context(files: PemFiles) -> ssl.SSLContext:
    """For who calls, TLS 1.2 or later. Raises TlsFileError."""
    return _context(ssl.Purpose.SERVER_AUTH, files)


def _context(purpose: ssl.Purpose, files: PemFiles) -> ssl.SSLContext:
    for file in files[:3]:
        if file is not None:
            _read(file)
    if files.ca is not None:
        _look_for_certificates(files.ca)
    context = ssl.create_default_context(purpose, cafile=files.ca)
    if files.certificate is not None:
        _load_own(context, files.certificate, files)
    return context


def _read(file: Path | str) -> None:
    try:
        Path(file).read_bytes()
    except OSError as error:
        text = f"{file} cannot be read: {error.strerror}; put it there, readable by our user"
        raise TlsFileError(text) from None


def _look_for_certificates(file: Path | str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise TlsFileError(
            f"{file} holds no whole certificate in PEM; restore it from a copy"
        ) from None


def _load_own(context: ssl.SSLContext, certificate: Path | str, files: PemFiles) -> None:
    try:  # an empty password, for without one OpenSSL asks the terminal
        context.load_cert_chain(certificate, files.key, files.password or "")
    except ssl.SSLError as error:
        _look_for_certificates(certificate)
        key = files.key or certificate
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{key} is not the key of {certificate}; put two there that belong together"
        elif files.password is None:
            text = f"{key} holds no whole private key in PEM without a password; restore it from a copy"
        else:
            text = f"{key} holds no whole private key in PEM with this password; restore it from a copy"
        raise TlsFileError(text) from None

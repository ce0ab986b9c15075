"""The names in a client certificate that the TLS handshake has already verified."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

_KINDS = (
    ("DNS", x509.DNSName),
    ("URI", x509.UniformResourceIdentifier),
    ("email", x509.RFC822Name),
)


def names_of(certificate: bytes) -> frozenset[str]:
    """The subject (RFC 4514) and each alternative name, as the configuration writes them.

    None at all of one that cannot be read.
    """
    try:
        return frozenset(_read(x509.load_der_x509_certificate(certificate)))
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return frozenset()  # OpenSSL takes certificates that are not quite as the standard says


def _read(certificate: x509.Certificate) -> Iterator[str]:
    yield f"subject:{certificate.subject.rfc4514_string()}"
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for kind, of_type in _KINDS:
        for value in names.get_values_for_type(of_type):
            yield alternative_name(f"{kind}:{value}")


def subject_name(text: str) -> str:
    """A subject in one form, however its signs are escaped. Raises ValueError."""
    try:
        return f"subject:{x509.Name.from_rfc4514_string(text).rfc4514_string()}"
    except ValueError:
        raise ValueError("subject is written as in `CN=portal,O=Region` (RFC 4514)") from None


def alternative_name(text: str) -> str:
    """An alternative name in one form: the case of a host's letters does not count."""
    kind, _, value = text.partition(":")
    return f"{kind}:{value.lower() if kind == 'DNS' else value}"
